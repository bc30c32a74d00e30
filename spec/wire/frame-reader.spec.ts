/** The cursor over a batch: what it shows of each frame, and whose memory it hands out. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Frame } from '../../lib/wire/frame.ts'
import { FrameReader } from '../../lib/wire/frame-reader.ts'
import { naiveBatch } from '../support/codec/naive.ts'

const payload = Uint8Array.of(1, 2, 3)
const open: Frame = {
  type: 1,
  flags: 0x90,
  streamId: 300,
  handler: 5,
  timeoutMs: 60_000,
  metadata: Uint8Array.of(9, 8),
  payload
}
const data: Frame = { type: 2, flags: 0, streamId: 1, payload }
const bareEnd: Frame = { type: 2, flags: 0x90, streamId: 1, payload: new Uint8Array() }

function readerOf(...frames: Frame[]): FrameReader {
  const reader = new FrameReader()
  reader.load(naiveBatch(frames, false), false)
  return reader
}

describe('FrameReader', () => {
  it('moves from frame to frame and says when there is no more', () => {
    const reader = readerOf({ type: 5, flags: 0, token: 1 }, { type: 6, flags: 0, token: 2 })
    const seen: number[][] = []
    while (reader.next()) seen.push([reader.type, reader.token])
    assert.deepEqual(seen, [
      [5, 1],
      [6, 2]
    ])
    assert.equal(reader.next(), false)
  })

  it('shows every field of an open', () => {
    const reader = readerOf(open)
    reader.next()
    const { type, flags, streamId, handler, timeoutMs, payloadLength } = reader
    assert.deepEqual([type, flags, streamId, handler, timeoutMs, payloadLength], [1, 0x90, 300, 5, 60_000, 3])
    assert.deepEqual([...(reader.copyMetadata() ?? [])], [9, 8])
    assert.deepEqual([...reader.viewPayload()], [1, 2, 3])
  })

  it('forgets the metadata of the open before', () => {
    const reader = readerOf(open, { ...open, flags: 0x10, streamId: 302, metadata: undefined })
    reader.next()
    reader.next()
    assert.equal(reader.copyMetadata(), undefined)
  })

  it('tells empty metadata from none', () => {
    const reader = readerOf({ ...open, metadata: new Uint8Array() })
    reader.next()
    assert.equal(reader.copyMetadata()?.length, 0)
  })

  it('has no payload at a bare end, whatever the frame before had', () => {
    const reader = readerOf(data, bareEnd)
    reader.next()
    reader.next()
    assert.deepEqual([reader.payloadLength, reader.takePayload().length, reader.viewPayload().length], [0, 0, 0])
  })

  it('copies the payload and the metadata into memory of their own', () => {
    const batch = naiveBatch([open], false)
    const reader = new FrameReader()
    reader.load(batch, false)
    reader.next()
    const [copy, metadata, view] = [reader.takePayload(), reader.copyMetadata(), reader.viewPayload()]
    batch.fill(0xff)
    assert.deepEqual(
      [[...copy], [...(metadata ?? [])], [...view]],
      [
        [1, 2, 3],
        [9, 8],
        [255, 255, 255]
      ]
    )
  })

  it('pins at most twice the payload from 4 KiB on, and 8 KiB below', () => {
    for (const sizes of [
      [5000, 90_000],
      [90_000, 5000],
      [5000, 5000, 10],
      [10, 4095],
      Array.from({ length: 50 }, () => 500)
    ]) {
      const reader = readerOf(...sizes.map((size): Frame => ({ ...data, payload: new Uint8Array(size) })))
      for (const size of sizes) {
        reader.next()
        const { buffer } = reader.takePayload()
        assert.ok(buffer.byteLength <= (size >= 4096 ? 2 * size : 8192), `${size} pins ${buffer.byteLength}`)
      }
    }
  })

  it('leaves the last payload where it arrived, if it is the better part of that memory', () => {
    const batch = naiveBatch([data, { ...data, payload: new Uint8Array(5000).fill(3) }], false)
    const alone = new Uint8Array(batch)
    const reader = new FrameReader()
    reader.load(alone, false)
    reader.next()
    assert.notEqual(reader.takePayload().buffer, alone.buffer)
    reader.next()
    const last = reader.takePayload()
    assert.equal(last.buffer, alone.buffer)
    // Its owner may even give the memory away.
    structuredClone(last, { transfer: [alone.buffer] })
    assert.equal(reader.next(), false)
  })

  it('cuts small payloads that stand together from one copy, each at its place', () => {
    const payloads = Array.from({ length: 100 }, (_, i) => new Uint8Array(i * 5).fill(i))
    const reader = readerOf(...payloads.map((payload): Frame => ({ ...data, payload })))
    const taken = payloads.map(() => {
      reader.next()
      return reader.takePayload()
    })
    for (const [i, payload] of taken.entries()) assert.deepEqual(payload, payloads[i])
  })

  it('reads a batch that is a view into a larger buffer, Buffer or not', () => {
    const batch = naiveBatch([data], true)
    const around = new Uint8Array(100)
    around.set(batch, 31)
    for (const view of [around.subarray(31, 31 + batch.length), Buffer.from(around.buffer, 31, batch.length)]) {
      const reader = new FrameReader()
      reader.load(view, true)
      assert.equal(reader.next(), true)
      assert.deepEqual([...reader.viewPayload()], [1, 2, 3])
      assert.equal(reader.next(), false)
    }
  })

  it('reads a text of invalid UTF-8 with replacement characters', () => {
    const reader = new FrameReader()
    reader.load(Uint8Array.of(4, 1, 0, 3, 0x61, 0xff, 0x62), false)
    reader.next()
    assert.equal(reader.readText(), 'a\ufffdb')
  })

  it('goes on behind a handler table', () => {
    const entries = [{ kind: 0, inCapacity: 0, outCapacity: 1, subroute: '', id: 'a' }]
    const reader = readerOf({ type: 7, flags: 0, entries }, { type: 5, flags: 0, token: 3 })
    reader.next()
    assert.deepEqual(reader.readHandlers(10, 10), entries)
    assert.equal(reader.next(), true)
    assert.equal(reader.token, 3)
  })

  it('can be loaded again after a bad batch', () => {
    const reader = new FrameReader()
    reader.load(Uint8Array.of(2, 1, 9), false)
    assert.throws(() => reader.next(), { name: 'ProtocolError' })
    reader.load(naiveBatch([data], false), false)
    assert.equal(reader.next(), true)
    assert.equal(reader.next(), false)
  })
})
