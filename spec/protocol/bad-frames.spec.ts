/** Bytes that no good peer sends: always a ProtocolError that names what is wrong, never anything else. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ProtocolError } from '../../lib/errors/errors.ts'
import type { Frame } from '../../lib/wire/frame.ts'
import { FrameReader } from '../../lib/wire/frame-reader.ts'
import { fastDecode } from '../support/codec/fast.ts'
import { naiveBatch, naiveEncode, naiveHeads } from '../support/codec/naive.ts'

const payload = Uint8Array.of(1, 2, 3, 4, 5)
const entry = { kind: 1, inCapacity: 300, outCapacity: 2, subroute: 'disk1', id: 'walk' }

/** One frame of every type, each with every field that it can have, numbers of several bytes, and every flag. */
const frames: Frame[] = [
  { type: 1, flags: 0x90, streamId: 301, handler: 200, timeoutMs: 60_000, metadata: payload, payload },
  { type: 1, flags: 0x20, streamId: 301, handler: 0, timeoutMs: 0, metadata: undefined, payload },
  { type: 2, flags: 0, streamId: 301, payload },
  { type: 2, flags: 0x50, streamId: 301, payload },
  { type: 2, flags: 0x90, streamId: 301, payload: new Uint8Array() },
  { type: 3, flags: 0, streamId: 301, messages: 300, bytes: 70_000 },
  { type: 4, flags: 0, streamId: 301, code: 8, text: 'too large' },
  { type: 5, flags: 0, token: 301 },
  { type: 6, flags: 0, token: 301 },
  { type: 7, flags: 0x20, entries: [entry, { ...entry, kind: 0, id: 'other' }] },
  { type: 8, flags: 0, code: 1, lastStreamId: 300, graceMs: undefined, text: 'protocol' },
  { type: 8, flags: 0x80, code: 0, lastStreamId: 300, graceMs: 10_000, text: 'bye' }
]

function refused(bytes: Iterable<number>, message: RegExp, checksum = false): void {
  assert.throws(
    () => fastDecode(Uint8Array.from(bytes), checksum),
    (error) => {
      assert.ok(error instanceof ProtocolError, `${error}`)
      assert.match(error.message, message)
      return true
    }
  )
}

const [data, open, credit, reset, ping, handlers, goAway] = [2, 1, 3, 4, 5, 7, 8]
const twoPow53 = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]

describe('bad frames', () => {
  for (const frame of frames) {
    it(`type ${frame.type} with flags 0x${frame.flags.toString(16)}, cut short at every byte`, () => {
      const bytes = naiveEncode(frame)
      assert.deepEqual(fastDecode(bytes), [frame])
      for (let length = 1; length < bytes.length; length++) {
        refused(bytes.subarray(0, length), /^(a frame that is cut short|a length beyond the end of the batch)$/)
        // Also behind a frame that is whole.
        refused([5, 1, ...bytes.subarray(0, length)], /cut short|beyond the end/)
      }
    })
  }

  it('every first byte that is not on the page is refused by type or by flags', () => {
    for (let head = 0; head < 256; head++) {
      if (naiveHeads.has(head)) continue
      const type = head & 15
      const known = type >= 1 && type <= 8
      const message = known
        ? /^flags 0x|^flags of a handler table|^a fragment with flags|^an error or bare flag|^an error flag/
        : /^unknown frame type/
      refused([head, 1, 1, 1, 1, 1, 1, 1, 1], message)
      refused([head], message)
    }
  })

  it('a type that does not exist is named', () => {
    refused([0x00], /^unknown frame type 0$/)
    refused([0x09], /^unknown frame type 9$/)
    refused([0x0f, 1], /^unknown frame type 15$/)
  })

  it('a flag that a frame may not have is named with the frame', () => {
    refused([0x13, 1, 1, 1], /^flags 0x10 on a frame of type credit$/)
    refused([0x85, 1], /^flags 0x80 on a frame of type ping$/)
    refused([0x41, 1, 0, 0, 0], /^flags 0x40 on a frame of type open$/)
  })

  it('a varint that is longer than it needs to be', () => {
    for (const head of [open, data, credit, reset, ping, goAway]) {
      refused([head, 0x80, 0x00], /^a varint that is longer than it needs to be$/)
      refused([head, 0x81, 0x80, 0x80, 0x00], /^a varint that is longer than it needs to be$/)
    }
    refused([handlers, 0x80, 0x00], /longer than it needs/)
    refused([data, 1, 0x80, 0x00], /longer than it needs/)
  })

  it('a varint beyond 2^53-1, and one without an end', () => {
    assert.deepEqual(fastDecode(Uint8Array.of(ping, 255, 255, 255, 255, 255, 255, 255, 15)), [
      { type: 5, flags: 0, token: 2 ** 53 - 1 }
    ])
    refused([ping, ...twoPow53], /^a varint beyond 2\^53-1$/)
    refused([data, ...twoPow53, 0], /^a varint beyond 2\^53-1$/)
    for (let length = 9; length < 20; length++) {
      refused([ping, ...Array<number>(length).fill(0x80), 1], /^a varint beyond 2\^53-1$/)
      refused([ping, ...Array<number>(length).fill(0xff)], /^a varint beyond 2\^53-1$/)
    }
  })

  it('stream id 0', () => {
    for (const head of [open, data, credit, reset]) refused([head, 0, 0, 0, 0], /^stream id 0$/)
  })

  it('a length beyond the end of the batch, however large, of which nothing is made', () => {
    const beyond = /^a length beyond the end of the batch$/
    for (const length of [[6], [0xff, 0x7f], [0xff, 0xff, 0xff, 0xff, 0x0f], [255, 255, 255, 255, 255, 255, 255, 15]]) {
      refused([data, 1, ...length, 1, 2, 3, 4, 5], beyond)
      refused([open, 1, 0, 0, ...length, 1, 2, 3, 4, 5], beyond)
      refused([0x81, 1, 0, 0, ...length, 1, 2, 3, 4, 5], beyond)
      refused([reset, 1, 0, ...length, 1, 2, 3, 4, 5], beyond)
      refused([goAway, 0, 0, ...length, 1, 2, 3, 4, 5], beyond)
      refused([handlers, 1, 0, 0, 1, ...length, 1, 2, 3, 4, 5], beyond)
      refused([handlers, 1, 0, 0, 1, 0, ...length, 1, 2, 3, 4, 5], beyond)
    }
  })

  it('a grace of more than 2^31-1 ms, and none of that', () => {
    const of = (graceMs: number): Frame => ({ type: 8, flags: 0x80, code: 0, lastStreamId: 0, graceMs, text: 'bye' })
    assert.deepEqual(fastDecode(naiveEncode(of(2 ** 31 - 1))), [of(2 ** 31 - 1)])
    for (const graceMs of [2 ** 31, 2 ** 53 - 1])
      refused(naiveEncode(of(graceMs)), /^a grace of more than 2147483647 ms$/)
  })

  it('a text of more than 1024 bytes, and none of 1024', () => {
    for (const type of [4, 8] as const) {
      const of = (text: string): Frame =>
        type === 4
          ? { type, flags: 0, streamId: 1, code: 0, text }
          : { type, flags: 0, code: 0, lastStreamId: 0, graceMs: undefined, text }
      assert.deepEqual(fastDecode(naiveEncode(of('x'.repeat(1024)))), [of('x'.repeat(1024))])
      refused(naiveEncode(of('x'.repeat(1025))), /^a text of more than 1024 bytes$/)
    }
  })

  it('a handler table with too many entries, before any is read', () => {
    const table = naiveEncode({ type: 7, flags: 0, entries: [entry, { ...entry, id: 'b' }] })
    const reader = new FrameReader()
    reader.load(table, false)
    reader.next()
    assert.throws(() => reader.readHandlers(1, 256), { name: 'ProtocolError', message: /more than the 1 entries/ })
    refused([handlers, 0xff, 0xff, 0xff, 0xff, 0x0f], /^a handler table of more than the 4096 entries allowed$/)
    refused([handlers, 0x80, 0x20], /^a frame that is cut short$/)
  })

  it('a handler name that is too long, as id and as subroute', () => {
    for (const name of ['id', 'subroute'] as const) {
      const of = (length: number): Frame => ({ type: 7, flags: 0, entries: [{ ...entry, [name]: 'é'.repeat(length) }] })
      assert.deepEqual(fastDecode(naiveEncode(of(128))), [of(128)])
      refused(naiveEncode(of(129)), /^a handler name of more than 256 bytes$/)
    }
  })

  it('a fingerprint of more than 32 bytes, and one beside changes', () => {
    const of = (bytes: number): Frame => {
      return {
        type: 7,
        flags: 0x40,
        entries: [
          { ...entry, fingerprint: 'ab'.repeat(bytes) },
          { ...entry, id: 'b' }
        ]
      }
    }
    assert.deepEqual(fastDecode(naiveEncode(of(32))), [of(32)])
    refused(naiveEncode(of(33)), /^a fingerprint of more than 32 bytes$/)
    refused([0x47, 1, 0, 0, 1, 0, 1, 97, 5, 1], /^a length beyond the end of the batch$/)
    refused([0x47, 1, 0, 0, 1, 0, 1, 97], /^a frame that is cut short$/)
    refused([0xc7, 0], /^flags of a handler table beside changes$/)
  })

  it('a handler of unknown kind, and one with a capacity beyond 65 535', () => {
    refused([handlers, 1, 2, 0, 1, 0, 1, 97], /^a handler of unknown kind 2$/)
    const large = [0x80, 0x80, 0x04]
    refused([handlers, 1, 1, ...large, 1, 0, 1, 97], /^a handler capacity of more than 65535$/)
    refused([handlers, 1, 1, 1, ...large, 0, 1, 97], /^a handler capacity of more than 65535$/)
  })

  it('an empty batch, with and without checksum', () => {
    refused([], /^an empty batch$/)
    refused([0, 0, 0, 0], /^an empty batch$/, true)
  })

  it('a checksum that is absent, or off by any one bit, closes with the reason checksum', () => {
    const batch = naiveBatch(frames, true)
    assert.deepEqual(fastDecode(batch, true), frames)
    for (let length = 0; length < 4; length++)
      refused(batch.subarray(0, length), /^a batch without its checksum$/, true)
    for (let bit = 0; bit < batch.length * 8; bit++) {
      const flipped = Uint8Array.from(batch)
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      assert.throws(() => new FrameReader().load(flipped, true), {
        name: 'ProtocolError',
        reason: 'checksum',
        message: 'the checksum of a batch does not match'
      })
    }
  })

  it('a batch without checksum where one was negotiated', () => {
    refused(naiveBatch(frames, false), /^the checksum of a batch does not match$/, true)
  })
})
