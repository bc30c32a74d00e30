/** Every number of the wire, pinned: whoever changes one of these breaks all peers that are deployed. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { maxErrorBytes } from '../../lib/codec/remote-error.ts'
import * as options from '../../lib/errors/options.ts'
import * as hello from '../../lib/peer/hello.ts'
import { maxCredit } from '../../lib/stream/window.ts'
import * as frame from '../../lib/wire/frame.ts'
import { page } from '../support/pages/protocol.ts'

const closeCodes = {
  shutdown: 0,
  protocol: 1,
  checksum: 2,
  flood: 3,
  slow: 4,
  keepAlive: 5,
  replaced: 6,
  expired: 7,
  hostRemoved: 8,
  internal: 9
}

const resetCodes = {
  stop: 0,
  cancelled: 1,
  deadline: 2,
  unknownHandler: 3,
  tooManyStreams: 4,
  goingAway: 5,
  flowControl: 6,
  streamProtocol: 7,
  messageTooLarge: 8,
  internal: 9,
  shutdown: 10,
  busy: 11
}

const reasons = [
  'authFailed',
  'unknownHost',
  'wrongHost',
  'wrongDirection',
  'ownName',
  'unsupportedVersion',
  'badLimits',
  'busy',
  'goingAway',
  'noGuests',
  'guestRefused',
  'tooManyGuests'
]

/** The numbers of a table whose first cell is the number and whose second is the name. */
function numbered(heading: string): Record<string, number> {
  const entries = page.rows(heading).map(([number = '', name = '']): [string, number] => [name, Number(number)])
  return Object.fromEntries(entries.filter(([, number]) => !Number.isNaN(number)))
}

describe('the numbers of the wire', () => {
  it('frame types', () => {
    const types = { open: 1, data: 2, credit: 3, reset: 4, ping: 5, pong: 6, handlers: 7, goAway: 8 }
    assert.deepEqual(frame.FrameType, types)
    const onThePage = numbered('Frames')
    for (const [name, type] of Object.entries(types)) assert.equal(onThePage[name.toUpperCase()], type, name)
  })

  it('flags, and the frames that may carry them', () => {
    assert.deepEqual(frame.Flag, {
      end: 0x10,
      more: 0x20,
      error: 0x40,
      metadata: 0x80,
      bare: 0x80,
      grace: 0x80,
      changes: 0x80,
      fingerprints: 0x40
    })
    assert.deepEqual(frame.allowedFlags, [0, 0xb0, 0xf0, 0, 0, 0, 0, 0xe0, 0x80])
    const onThePage = page.rows('Frames').filter(([name = '', bit = '']) => name in frame.Flag && /^[1248]0$/.test(bit))
    assert.equal(onThePage.length, 9)
    for (const [name, bit = ''] of onThePage) {
      assert.equal(frame.Flag[name as keyof typeof frame.Flag], Number.parseInt(bit, 16), name)
    }
  })

  it('reset codes, also on the page', () => {
    assert.deepEqual(frame.ResetCode, resetCodes)
    assert.deepEqual(numbered('Reset codes'), resetCodes)
  })

  it('close codes, also on the page', () => {
    assert.deepEqual(frame.CloseCode, closeCodes)
    assert.deepEqual(numbered('Close codes'), closeCodes)
  })

  it('kinds of handlers', () => {
    assert.deepEqual(frame.HandlerKind, { single: 0, streaming: 1 })
  })

  it('kinds of handshake messages, also on the page', () => {
    assert.deepEqual(hello.helloKinds, { hello: 1, challenge: 2, proof: 3, accept: 4, reject: 5 })
    const onThePage = numbered('Handshake')
    for (const [name, kind] of Object.entries(hello.helloKinds)) assert.equal(onThePage[name.toUpperCase()], kind, name)
  })

  it('reasons of a REJECT, also on the page', () => {
    assert.deepEqual(hello.handshakeReasons, reasons)
    const onThePage = page.rows('REJECT').map(([reason]) => reason)
    for (const reason of reasons) assert.ok(onThePage.includes(reason), reason)
  })

  it('what this side says that it understands, also on the page', () => {
    assert.deepEqual(hello.understood, ['goAwayGrace', 'handlerChanges', 'fingerprints'])
    const onThePage = page.rows('Versions and extensions').map(([word]) => word)
    for (const word of hello.understood) assert.ok(onThePage.includes(word), word)
  })

  it('the version, the path and the subprotocol', () => {
    assert.deepEqual(hello.supportedVersions, [1])
    assert.equal(options.defaultPath, '/grid/v1')
    assert.equal(options.subprotocol, 'it-grid.v1')
  })

  it('sizes of the handshake', () => {
    assert.deepEqual([hello.nonceBytes, hello.instanceBytes, hello.maxProofBytes], [32, 16, 4096])
    assert.deepEqual([hello.maxRejectLength, options.defaultLimits.maxHandshakeBytes], [1024, 16384])
  })

  it('sizes of frames and batches', () => {
    assert.deepEqual([frame.maxTextBytes, frame.checksumBytes, maxErrorBytes], [1024, 4, 16384])
    assert.deepEqual([options.batchBytes, options.fragmentBytes, maxCredit], [65536, 65536, 2147483647])
    assert.equal(options.maxConnMessageBytes({ maxMetadataBytes: 8192 }), 147456 + 8192)
    assert.match(page.section('Conns'), /up to 147 456 bytes plus its own `maxMetadataBytes`/)
  })

  it('limits that are announced, and their defaults, also on the page', () => {
    const announced = {
      maxMessageBytes: 16777216,
      streamWindowBytes: 262144,
      maxFragments: 4096,
      maxInboundStreams: 100000,
      maxHandlers: 4096,
      maxNameBytes: 256,
      maxMetadataBytes: 8192
    }
    assert.deepEqual(hello.pickLimits(options.defaultLimits), announced)
    const onThePage = page.rows('Limits').map(([name, value = '']) => [name, Number(value.replaceAll(' ', ''))])
    assert.deepEqual(Object.fromEntries(onThePage.slice(2)), announced)
  })
})
