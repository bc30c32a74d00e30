/**
 * The errors are what docs/errors.md says they are, and the page lists all of them: class, code, delivery, reasons.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { expectTypeOf } from 'expect-type'
import { errorText } from '../../lib/base/text.ts'
import type { Delivery, DisconnectReason, RejectReason } from '../../lib/index.ts'
import * as grid from '../../lib/index.ts'
import { MarkdownFile } from '../support/pages/markdown.ts'

const page = new MarkdownFile('docs/errors.md')
const cause = new Error('what was behind it')

/** One of each, with all that the constructor takes. */
const examples: grid.GridError[] = [
  new grid.RemoteError('ERR_REMOTE', 'text', { cause }),
  new grid.DisconnectedError('lost', 'text', { delivery: 'maybeRan', cause }),
  new grid.DeadlineError('text', { delivery: 'maybeRan', cause }),
  new grid.RejectedError('busy', 'text', { cause }),
  new grid.UnknownHandlerError('text', { cause }),
  new grid.CancelledError('text', { delivery: 'maybeRan', cause }),
  new grid.CodecError('text', { delivery: 'ran', cause }),
  new grid.ValidationError(['a', 1], { delivery: 'ran', cause }),
  new grid.MessageTooLargeError('text', { delivery: 'notSent', cause }),
  new grid.FlowControlError('text', { delivery: 'maybeRan', cause }),
  new grid.StreamResetError('text', { delivery: 'maybeRan', cause }),
  new grid.ProtocolError('text', { delivery: 'ran', cause }),
  new grid.ShutdownError('text', { cause }),
  new grid.DrainingError('shutdown', 'remote', 1_700_000_000_000),
  new grid.ClosedError('text', { delivery: 'notSent', cause }),
  new grid.DialError('text', { cause }),
  new grid.HandshakeError('text', { cause }),
  new grid.UnknownHostError('text', { delivery: 'notSent', cause }),
  new grid.HandlerExistsError('text'),
  new grid.InvalidOptionError('text'),
  new grid.QuorumError(2, [{ host: 'http://b', error: new Error('text') }], { delivery: 'notSent' })
]

/** The texts of those that are given none. */
const ownTexts: Readonly<Record<string, string>> = {
  ValidationError: 'the value is not valid at "a.1"',
  QuorumError: '0 of the 2 peers that are needed: http://b: text; there are only 1',
  DrainingError:
    'the peer closes the conn of this call (shutdown): it may end until 2023-11-14T22:13:20.000Z, new calls go elsewhere'
}

/** The names of all classes of errors that the package exports, without their base. */
const exported = Object.entries(grid)
  .filter(([, value]) => typeof value === 'function' && value.prototype instanceof grid.GridError)
  .map(([name]) => name)

/** `class, code, fault, delivery` of each class, as the page has them. */
const documented = page.rows('All errors').slice(2)

function documentedRow(name: string): string[] {
  const row = documented.find(([className]) => className === name)
  assert.ok(row, `docs/errors.md does not list ${name}`)
  return row
}

/** The first code that the section of a class names. */
function documentedCode(name: string): string | undefined {
  return /^Code `(ERR_[A-Z_]+)`/m.exec(page.section(`\`${name}\``))?.[1]
}

describe('docs/errors.md', () => {
  it('lists every exported class once, and no other', () => {
    const names = documented.map(([name]) => name)
    assert.deepEqual([...names].sort(), [...exported].sort())
    assert.deepEqual(examples.map(({ name }) => name).sort(), [...exported].sort())
  })

  it('has a section for every exported class, and for no other', () => {
    const sections = page.headings().filter((heading) => /^`\w+Error`$/.test(heading))
    assert.deepEqual(sections.map((heading) => heading.replaceAll('`', '')).sort(), [...exported].sort())
  })

  for (const error of examples) {
    it(`has the code and the delivery of ${error.name}`, () => {
      const [, code = '', , delivery = ''] = documentedRow(error.name)
      assert.equal(code.split(',')[0], error.code)
      assert.equal(documentedCode(error.name), error.code)
      assert.ok(delivery.split(', ').includes(error.delivery ?? 'none'), `${error.delivery} is not documented`)
    })
  }

  it('tells what each value of delivery means', () => {
    const values = page.rows('Delivery: is a retry safe?').slice(2)
    assert.deepEqual(
      values.map(([value]) => value),
      ['notSent', 'maybeRan', 'ran', 'undefined']
    )
    for (const [, , , deliveries = ''] of documented) {
      for (const value of deliveries.split(', ')) assert.match(value, /^(notSent|maybeRan|ran|none)$/)
    }
  })

  it('lists every reason of a rejection and of a disconnection', () => {
    const rejections: Record<RejectReason, true> = {
      ...{ unknownHandler: true, tooManyStreams: true, goingAway: true, authFailed: true, unknownHost: true },
      ...{
        wrongHost: true,
        wrongDirection: true,
        ownName: true,
        unsupportedVersion: true,
        badLimits: true,
        busy: true
      },
      ...{ denied: true, rateLimited: true, noGuests: true, guestRefused: true, tooManyGuests: true }
    }
    const disconnections: Record<DisconnectReason, true> = {
      ...{ notConnected: true, lost: true, shutdown: true, protocol: true, checksum: true, flood: true, slow: true },
      ...{ keepAlive: true, replaced: true, expired: true, hostRemoved: true, internal: true }
    }
    const words = (heading: string) =>
      page
        .rows(heading)
        .slice(2)
        .map(([word]) => word)
        .sort()
    assert.deepEqual(words('Reject reasons'), Object.keys(rejections).sort())
    assert.deepEqual(words('Disconnect reasons'), Object.keys(disconnections).sort())
  })
})

describe('errors', () => {
  it('have codes that no two classes share', () => {
    assert.equal(new Set(examples.map(({ code }) => code)).size, examples.length)
  })

  for (const error of examples) {
    it(`${error.name} is a GridError and an Error with its name, message, stack and cause`, () => {
      assert.ok(error instanceof grid.GridError && error instanceof Error)
      assert.equal(error.constructor.name, error.name)
      assert.equal(error.message, ownTexts[error.name] ?? 'text')
      assert.match(error.stack ?? '', /errors\.spec/)
      const takesNone = [grid.HandlerExistsError, grid.InvalidOptionError, grid.DrainingError, grid.QuorumError]
      const takesCause = takesNone.every((type) => !(error instanceof type))
      assert.equal(error.cause, takesCause ? cause : undefined)
      assert.equal('cause' in error, takesCause)
    })
  }

  it('have no delivery and no cause when they are given none', () => {
    const plain = [
      new grid.DisconnectedError('lost', 'text'),
      new grid.CancelledError(),
      new grid.ShutdownError(),
      new grid.ClosedError('text'),
      new grid.ProtocolError('text')
    ]
    for (const error of plain) {
      assert.equal(error.delivery, undefined)
      assert.equal('cause' in error, false)
      assert.notEqual(error.message, '')
    }
    assert.equal(new grid.ProtocolError('text').reason, 'protocol')
  })

  it('say by themselves that nothing was sent where that is always so', () => {
    assert.equal(new grid.RejectedError('goingAway', 'text').delivery, 'notSent')
    assert.equal(new grid.UnknownHandlerError('text').delivery, 'notSent')
    assert.equal(new grid.RemoteError('X', 'text').delivery, 'ran')
  })

  it('keep the reasons they are made with, as words of a closed list', () => {
    assert.equal(new grid.DisconnectedError('keepAlive', 'text').reason, 'keepAlive')
    assert.equal(new grid.RejectedError('ownName', 'text').reason, 'ownName')
    assert.equal(new grid.ProtocolError('text', { reason: 'checksum' }).reason, 'checksum')
    expectTypeOf<grid.DisconnectedError['reason']>().toEqualTypeOf<DisconnectReason>()
    expectTypeOf<grid.RejectedError['reason']>().toEqualTypeOf<RejectReason>()
    expectTypeOf<grid.GridError['delivery']>().toEqualTypeOf<Delivery | undefined>()
  })

  it('of a remote handler carry its code, name and details', () => {
    const error = new grid.RemoteError('NO_ACCOUNT', 'text', { remoteName: 'AccountError', details: { id: 8 } })
    assert.equal(error.code, 'NO_ACCOUNT')
    assert.equal(error.name, 'RemoteError')
    assert.equal(error.remoteName, 'AccountError')
    assert.deepEqual(error.details, { id: 8 })
    assert.equal(new grid.RemoteError('X', 'text').remoteName, 'Error')
    assert.equal(new grid.RemoteError('X', 'text').details, undefined)
  })
})

describe('errorText', () => {
  it('is the message of an error, and the text of anything else', () => {
    assert.equal(errorText(new TypeError('bad')), 'bad')
    assert.equal(errorText('just text'), 'just text')
    assert.equal(errorText(undefined), 'undefined')
    assert.equal(errorText(null), 'null')
    assert.equal(errorText(7n), '7')
    assert.equal(errorText(Symbol('s')), 'Symbol(s)')
  })

  it('is cut to its limit', () => {
    assert.equal(errorText('x'.repeat(2000)), `${'x'.repeat(1024)}…`)
    assert.equal(errorText('x'.repeat(1024)), 'x'.repeat(1024))
    assert.equal(errorText(new Error('abcdef'), 3), 'abc…')
  })

  it('survives whatever it is given', () => {
    const throwing = () => {
      throw new Error('hostile')
    }
    const proxy = new Proxy({}, { get: throwing, getPrototypeOf: throwing })
    const hostile: unknown[] = [
      Object.defineProperty(new Error('x'), 'message', { get: throwing }),
      Object.defineProperty(new Error('x'), 'message', { value: undefined }),
      Object.defineProperty(new Error('x'), 'message', { value: { length: 1e9 } }),
      { toString: throwing },
      { [Symbol.toPrimitive]: throwing },
      { toString: () => ({}) },
      Object.create(null),
      proxy,
      Proxy.revocable({}, {}).proxy,
      () => {}
    ]
    const { proxy: revoked, revoke } = Proxy.revocable({}, {})
    revoke()
    for (const value of [...hostile, revoked]) assert.equal(typeof errorText(value), 'string')
  })
})
