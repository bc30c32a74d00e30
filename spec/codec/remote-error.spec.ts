/** A handler's error on its way: plain fields, bounded, whatever was thrown and whatever arrives. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { decodeRemoteError, encodeRemoteError, maxErrorBytes, refusalReasons } from '../../lib/codec/remote-error.ts'
import { CodecError, RejectedError, type RemoteError } from '../../lib/errors/errors.ts'
import { decodeMsgpack, encodeMsgpack } from '../../lib/msgpack/msgpack.ts'

const decoded = (payload: Uint8Array) => decodeRemoteError(payload) as RemoteError

/** What the caller gets of what the handler threw. */
function crossed(thrown: unknown) {
  const { name, message, code, remoteName, details, delivery } = decoded(encodeRemoteError(thrown))
  assert.equal(name, 'RemoteError')
  assert.equal(delivery, 'ran')
  return { message, code, remoteName, details }
}

const plain = { code: 'ERR_REMOTE', remoteName: 'Error', details: undefined }

describe('the error of a handler', () => {
  it('arrives with its name, text, code and details', () => {
    const thrown = Object.assign(new TypeError('locked'), { code: 'E_LOCKED', details: { holder: 'node-3', since: 7 } })
    const details = { holder: 'node-3', since: 7 }
    assert.deepEqual(crossed(thrown), { message: 'locked', code: 'E_LOCKED', remoteName: 'TypeError', details })
  })

  it('arrives with the defaults where it has none', () => {
    assert.deepEqual(crossed(new Error('plain')), { ...plain, message: 'plain' })
    assert.deepEqual(crossed(new CodecError('bad')), {
      ...plain,
      message: 'bad',
      code: 'ERR_CODEC',
      remoteName: 'CodecError'
    })
  })

  it('arrives though it is no Error at all', () => {
    assert.deepEqual(crossed('just text'), { ...plain, message: 'just text' })
    assert.deepEqual(crossed(42), { ...plain, message: '42' })
    assert.deepEqual(crossed(undefined), { ...plain, message: 'undefined' })
    assert.deepEqual(crossed(null), { ...plain, message: 'null' })
    assert.deepEqual(crossed(Symbol('s')), { ...plain, message: 'Symbol(s)' })
    assert.deepEqual(crossed({ code: 'E', name: 'N' }), {
      ...plain,
      message: '[object Object]',
      code: 'E',
      remoteName: 'N'
    })
    assert.equal(crossed(Object.create(null)).message, 'an error without a readable message')
  })

  it('carries no stack, no cause and no other property', () => {
    const thrown = Object.assign(new Error('text', { cause: new Error('inner') }), { secret: 's3cret' })
    const fields = decodeMsgpack(encodeRemoteError(thrown)) as object
    assert.deepEqual(Object.keys(fields), ['name', 'message', 'code'])
  })

  it('is made without a stack where that would be made anew, and the errors of others have theirs', () => {
    const payload = encodeRemoteError(new RangeError('text'))
    const before = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit')
    assert.equal(decodeRemoteError(payload, false).stack, 'RemoteError: text')
    assert.deepEqual(Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit'), before)
    assert.match(decodeRemoteError(payload).stack ?? '', /^RemoteError: text\n {4}at /)
    assert.equal(
      decodeRemoteError(new Uint8Array([0xc1]), false).message,
      'the remote handler failed with an unreadable error'
    )
    const { value = 10 } = before ?? {}
    Object.defineProperty(Error, 'stackTraceLimit', { value, writable: false, configurable: true })
    try {
      assert.match(decodeRemoteError(payload, false).stack ?? '', /^RemoteError: text\n {4}at /)
    } finally {
      Object.defineProperty(Error, 'stackTraceLimit', before as PropertyDescriptor)
    }
  })

  it('is cut where it is too long, and never exceeds what one frame carries', () => {
    for (const letter of ['x', 'é', '€', '𝄞']) {
      const thrown = Object.assign(new Error(letter.repeat(10_000_000)), {
        name: letter.repeat(1000),
        code: letter.repeat(1000),
        details: letter.repeat(20_000)
      })
      const payload = encodeRemoteError(thrown)
      assert.ok(payload.length <= maxErrorBytes, `${payload.length} bytes`)
      const { message, code, remoteName } = crossed(thrown)
      assert.ok(message.length <= 4097 && code.length <= 128 && remoteName.length <= 128)
      assert.ok(message.startsWith(letter.repeat(1000)))
    }
  })

  it('leaves out details that are too large or cannot be encoded, and still arrives', () => {
    const cycle: Record<string, unknown> = {}
    cycle.self = cycle
    for (const details of ['x'.repeat(maxErrorBytes), cycle, () => 1, new Map(), Symbol('s')]) {
      assert.deepEqual(crossed(Object.assign(new Error('text'), { details })), { ...plain, message: 'text' })
    }
  })

  it('has a code that is a number as its text, but not that of a DOMException, which is of its class', () => {
    for (const code of [5, -1, 404, 0.5]) {
      assert.equal(crossed(Object.assign(new Error('text'), { code })).code, String(code))
    }
    for (const code of [Number.NaN, Number.POSITIVE_INFINITY, 5n, true]) {
      assert.equal(crossed(Object.assign(new Error('text'), { code })).code, plain.code)
    }
    assert.equal(crossed(new DOMException('text', 'AbortError')).code, plain.code)
  })

  it('survives getters that throw, and odd types of its fields', () => {
    const hostile = new Error('text')
    for (const field of ['name', 'code', 'details']) {
      Object.defineProperty(hostile, field, {
        get() {
          throw new Error('getter')
        }
      })
    }
    assert.deepEqual(crossed(hostile), { ...plain, message: 'text' })
    const mute = Object.defineProperty(new Error('text'), 'message', {
      get() {
        throw new Error('getter')
      }
    })
    assert.equal(crossed(mute).message, 'an error without a readable message')
    assert.deepEqual(crossed(Object.assign(new Error('text'), { code: {}, name: {} })), { ...plain, message: 'text' })
    assert.deepEqual(crossed(Object.assign(new Error('text'), { code: '', name: '' })), { ...plain, message: 'text' })
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    assert.equal(crossed(proxy).message, 'an error without a readable message')
  })
})

describe('an error payload', () => {
  it('that is no error map says no more than that the handler failed', () => {
    const unreadable = { ...plain, message: 'the remote handler failed with an unreadable error' }
    for (const payload of [
      new Uint8Array(),
      Uint8Array.of(0xc1),
      Uint8Array.of(0xa5, 0x61),
      encodeMsgpack('text'),
      encodeMsgpack(null)
    ]) {
      const { message, code, remoteName, details } = decoded(payload)
      assert.deepEqual({ message, code, remoteName, details }, unreadable)
    }
  })

  it('with missing or wrong fields gets the defaults, and keeps the others', () => {
    for (const fields of [{}, { name: 1, message: ['x'], code: null }, { name: '', message: '', code: '' }, [1, 2]]) {
      const { message, code, remoteName } = decoded(encodeMsgpack(fields))
      assert.deepEqual([message, code, remoteName], ['the remote handler failed', 'ERR_REMOTE', 'Error'])
    }
    const { code, details } = decoded(encodeMsgpack({ code: 'E', details: [1], later: true }))
    assert.deepEqual([code, details], ['E', [1]])
  })

  it('from a peer that keeps no limits is cut', () => {
    const long = 'x'.repeat(100_000)
    const error = decoded(encodeMsgpack({ name: long, message: long, code: long }))
    assert.deepEqual([error.message.length, error.code.length, error.remoteName.length], [4097, 128, 128])
  })

  it('cannot pass for an error of this library by its class', () => {
    const error = decoded(encodeMsgpack({ name: 'DisconnectedError', message: 'm', code: 'ERR_DISCONNECTED' }))
    assert.deepEqual(
      [error.name, error.remoteName, error.constructor.name],
      ['RemoteError', 'DisconnectedError', 'RemoteError']
    )
  })

  it('that was thrown before the handler ran says so by one more key, which a receiver may ignore', () => {
    for (const reason of refusalReasons) {
      const thrown = new RejectedError(reason, 'no', { details: { need: 'token' } })
      const error = decodeRemoteError(encodeRemoteError(thrown, true))
      assert.ok(RejectedError.is(error))
      assert.deepEqual([error.reason, error.message, error.delivery], [reason, 'no', 'notSent'])
      assert.deepEqual(error.details, { need: 'token' })
      // Thrown by the handler itself it refuses nothing.
      assert.deepEqual(crossed(thrown).code, 'ERR_REJECTED')
    }
    const other = Object.assign(new TypeError('no'), { code: 'E_QUOTA' })
    const { code, message, delivery, remoteName } = decoded(encodeRemoteError(other, true))
    assert.deepEqual([code, message, delivery, remoteName], ['E_QUOTA', 'no', 'notSent', 'TypeError'])
    const plain = decodeMsgpack(encodeRemoteError(other, true))
    assert.deepEqual(plain, { name: 'TypeError', message: 'no', code: 'E_QUOTA', refused: true })
  })

  it('with a word for a refusal that is not known, or is for something else, still says that the handler has not run', () => {
    for (const refused of ['later', 'unknownHandler', 'unknownHost', '']) {
      const error = decoded(encodeMsgpack({ name: 'RejectedError', code: 'ERR_REJECTED', message: 'no', refused }))
      assert.deepEqual([error.name, error.code, error.delivery], ['RemoteError', 'ERR_REJECTED', 'notSent'])
    }
    for (const refused of [false, null, 1, {}]) {
      assert.equal(decoded(encodeMsgpack({ message: 'no', refused })).delivery, 'ran')
    }
  })
})
