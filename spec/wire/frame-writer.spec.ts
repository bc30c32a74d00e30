/** Bytes of frames, batch by batch: what the naive codec reads is what was written, and a batch is never touched again. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { byteLengthOf } from '../../lib/base/bytes.ts'
import { Flag, maxTextBytes } from '../../lib/wire/frame.ts'
import { FrameWriter } from '../../lib/wire/frame-writer.ts'
import { goingMemory, gone, oddBytes } from '../support/calls/hostile-values.ts'
import { naiveDecode } from '../support/codec/naive.ts'

const noBytes = new Uint8Array(0)

/** The only frame of the batch that `write` makes. */
function written(write: (writer: FrameWriter) => void) {
  const writer = new FrameWriter()
  write(writer)
  const [frame, ...others] = naiveDecode(writer.takeBatch())
  assert.deepEqual(others, [])
  return frame
}

describe('FrameWriter', () => {
  it('writes the part of a payload that it is told', () => {
    const payload = Uint8Array.of(1, 2, 3, 4, 5)
    const data = written((writer) => writer.data(Flag.more, 7, payload, 1, 4))
    assert.deepEqual(data, { type: 2, flags: 0x20, streamId: 7, payload: Uint8Array.of(2, 3, 4) })
    const open = written((writer) => writer.open(Flag.end, 7, 1, 9, undefined, payload, 3, 5))
    const expected = { type: 1, flags: 0x10, streamId: 7, handler: 1, timeoutMs: 9, metadata: undefined }
    assert.deepEqual(open, { ...expected, payload: Uint8Array.of(4, 5) })
  })

  it('writes the bytes that a payload has, whatever its class says of it, and none of memory that is gone', () => {
    for (const make of Object.values(oddBytes)) {
      const size = byteLengthOf(make())
      for (const [start, end] of [[0, size] as const, [1, size] as const, [0, 2] as const]) {
        const frame = written((writer) => writer.data(0, 7, make(), start, end))
        assert.ok(frame?.type === 2 && frame.payload.length === end - start)
      }
    }
    for (const how of Object.keys(goingMemory)) {
      const data = written((writer) => writer.data(0, 7, gone(how), 0, 0))
      assert.deepEqual(data, { type: 2, flags: 0, streamId: 7, payload: noBytes })
    }
  })

  it('flags metadata by itself, also of no bytes', () => {
    for (const metadata of [noBytes, Uint8Array.of(0x80)]) {
      const open = written((writer) => writer.open(0, 1, 0, 0, metadata, noBytes, 0, 0))
      const expected = { type: 1, flags: 0x80, streamId: 1, handler: 0, timeoutMs: 0, metadata, payload: noBytes }
      assert.deepEqual(open, expected)
    }
  })

  it('writes the end of a half without a message', () => {
    assert.deepEqual(
      written((writer) => writer.end(300)),
      { type: 2, flags: 0x90, streamId: 300, payload: noBytes }
    )
  })

  it('cuts a long text at 1024 bytes, and at a character', () => {
    for (const text of [
      'x'.repeat(5000),
      'é'.repeat(3000),
      `${'x'.repeat(1023)}é`,
      '𝄞'.repeat(700),
      `a${'€'.repeat(600)}`
    ]) {
      for (const frame of [
        written((writer) => writer.reset(1, 0, text)),
        written((writer) => writer.goAway(0, 0, 10_000, text))
      ]) {
        assert.ok(frame?.type === 4 || frame?.type === 8)
        const length = Buffer.byteLength(frame.text)
        assert.ok(length <= maxTextBytes && length > maxTextBytes - 4, `${length} bytes`)
        assert.ok(text.startsWith(frame.text) && !frame.text.includes('\ufffd'))
      }
    }
  })

  it('leaves a text of exactly 1024 bytes whole', () => {
    const text = 'é'.repeat(512)
    const frame = written((writer) => writer.reset(1, 0, text))
    assert.deepEqual(frame, { type: 4, flags: 0, streamId: 1, code: 0, text })
  })

  it('counts frames, and messages by the last frame of each', () => {
    const writer = new FrameWriter()
    writer.open(Flag.more, 1, 0, 0, undefined, noBytes, 0, 0)
    writer.data(Flag.more, 1, noBytes, 0, 0)
    assert.deepEqual([writer.frames, writer.messages], [2, 0])
    writer.data(Flag.end, 1, noBytes, 0, 0)
    writer.open(Flag.end, 3, 0, 0, undefined, noBytes, 0, 0)
    assert.deepEqual([writer.frames, writer.messages], [4, 2])
    writer.end(1)
    writer.ping(1)
    writer.credit(1, 1, 1)
    writer.takeBatch()
    assert.deepEqual([writer.frames, writer.messages], [7, 2])
  })

  it('tells the bytes of the batch that is being filled, checksum not counted', () => {
    for (const checksum of [false, true]) {
      const writer = new FrameWriter()
      writer.checksum = checksum
      assert.equal(writer.length, 0)
      writer.ping(1)
      assert.equal(writer.length, 2)
      assert.equal(writer.takeBatch().length, checksum ? 6 : 2)
      assert.equal(writer.length, 0)
    }
  })

  it('never changes a batch that was taken, small or large', () => {
    const writer = new FrameWriter()
    const batches: Uint8Array[] = []
    for (const [fill, size] of [10, 3000, 5000, 40_000, 90_000, 10, 90_000].entries()) {
      writer.data(0, fill + 1, new Uint8Array(size).fill(fill), 0, size)
      batches.push(writer.takeBatch())
    }
    for (const [fill, batch] of batches.entries()) {
      const [frame] = naiveDecode(batch)
      assert.ok(frame?.type === 2 && frame.streamId === fill + 1 && frame.payload.every((byte) => byte === fill))
    }
  })

  it('writes again into memory whose batches are all released, and into no other', () => {
    // Of the largest a buffer holds one.
    const large = new Uint8Array(140 * 1024)
    for (const ahead of [0, 1, 3, 20]) {
      const writer = new FrameWriter()
      const unreleased: { batch: Uint8Array; copy: Uint8Array }[] = []
      const buffers = new Set<ArrayBufferLike>()
      let released = 0
      writer.released = () => released
      for (let i = 0; i < 60; i++) {
        writer.data(0, 1, large.fill(i), 0, [large.length, large.length, 50, 9000, 64 * 1024][i % 5] as number)
        const batch = writer.takeBatch()
        unreleased.push({ batch, copy: new Uint8Array(batch) })
        buffers.add(batch.buffer)
        for (const { batch, copy } of unreleased) assert.equal(Buffer.compare(batch, copy), 0, `${ahead} ahead, ${i}`)
        for (; unreleased.length > ahead; released++) unreleased.shift()
      }
      // Of three the first may be one that it has outgrown; those of 20 are more than are kept.
      assert.ok(ahead === 20 || buffers.size <= 5, `${ahead} ahead: ${buffers.size} buffers`)
    }
  })

  it('keeps what is being filled when it grows', () => {
    const writer = new FrameWriter()
    writer.ping(1)
    writer.data(0, 2, new Uint8Array(500_000).fill(7), 0, 500_000)
    writer.pong(3)
    const [ping, data, pong] = naiveDecode(writer.takeBatch())
    assert.ok(data?.type === 2 && data.payload.length === 500_000 && data.payload.every((byte) => byte === 7))
    assert.deepEqual(
      [ping, pong].map((frame) => frame?.type),
      [5, 6]
    )
  })

  it('keeps what is being filled behind another batch, and nothing of that, when it grows', () => {
    const writer = new FrameWriter()
    writer.data(0, 1, new Uint8Array(3000).fill(1), 0, 3000)
    const before = naiveDecode(writer.takeBatch())
    writer.ping(5)
    writer.data(0, 2, new Uint8Array(3000).fill(2), 0, 3000)
    const [ping, data, ...others] = naiveDecode(writer.takeBatch())
    assert.deepEqual([before.length, ping, others], [1, { type: 5, flags: 0, token: 5 }, []])
    assert.ok(data?.type === 2 && data.payload.length === 3000 && data.payload.every((byte) => byte === 2))
  })

  it('keeps two full buffers of 256 KiB to be used again, and no larger one, however many are unreleased', () => {
    const writer = new FrameWriter()
    const batches: Uint8Array[] = []
    let released = 0
    writer.released = () => released
    // Two more go into the large one.
    const sizes = [...Array(20).fill(200_000), 600_000, ...Array(4).fill(200_000)]
    for (const size of sizes) {
      writer.data(0, 1, new Uint8Array(size), 0, size)
      batches.push(writer.takeBatch())
    }
    released = batches.length
    writer.shrink()
    writer.shrink()
    const freed = batches.flatMap(({ length }, at) => (length === 0 ? [sizes[at]] : []))
    assert.deepEqual(freed, [200_000, 200_000, 200_000])
  })

  it('starts anew where the memory of a batch was given away, and tells of frames that are lost by that', () => {
    for (const wasFilled of [false, true]) {
      for (const next of ['takes', 'writes', 'shrinks']) {
        const writer = new FrameWriter()
        let told = 0
        writer.onLost = () => told++
        writer.released = () => 1
        writer.ping(1)
        const { buffer } = writer.takeBatch()
        if (wasFilled) writer.ping(2)
        structuredClone(undefined, { transfer: [buffer as ArrayBuffer] })
        if (next === 'takes') writer.takeBatch()
        if (next === 'shrinks') writer.shrink()
        writer.ping(3)
        assert.deepEqual(naiveDecode(writer.takeBatch()), [{ type: 5, flags: 0, token: 3 }])
        assert.equal(told, wasFilled ? 1 : 0, `${next}, ${wasFilled}`)
      }
    }
  })

  it('gives memory back when it is told to, but not what is being filled', () => {
    const writer = new FrameWriter()
    writer.data(0, 1, new Uint8Array(200_000), 0, 200_000)
    writer.shrink()
    assert.equal(naiveDecode(writer.takeBatch()).length, 1)
    writer.shrink()
    writer.ping(9)
    assert.deepEqual(naiveDecode(writer.takeBatch()), [{ type: 5, flags: 0, token: 9 }])
  })

  it('starts small, and gives back what a burst left behind', () => {
    const writer = new FrameWriter()
    writer.ping(1)
    assert.equal(writer.takeBatch().buffer.byteLength, 512)
    writer.data(0, 1, new Uint8Array(200_000), 0, 200_000)
    writer.shrink()
    assert.ok(writer.takeBatch().buffer.byteLength > 200_000)
    writer.shrink()
    for (let i = 0; i < 100; i++) writer.credit(1, 1, 1)
    writer.takeBatch()
    writer.data(0, 1, new Uint8Array(200_000), 0, 200_000)
    writer.takeBatch()
    writer.shrink()
    for (let i = 0; i < 100; i++) writer.pong(1)
    assert.ok(writer.takeBatch().buffer.byteLength > 512, 'a conn that is busy keeps its buffer')
    // A peer with a shorter interval pings often, and is idle none the less.
    writer.shrink()
    writer.ping(1)
    assert.equal(writer.takeBatch().buffer.byteLength, 512)
  })

  it('frees after a burst what is released, whoever still holds a batch, and nothing else', () => {
    for (const unreleased of [0, 1, 3]) {
      const writer = new FrameWriter()
      const batches: Uint8Array[] = []
      let released = 0
      writer.released = () => released
      for (let i = 0; i < 3; i++) {
        writer.ping(1)
        writer.data(0, 1, new Uint8Array(200_000).fill(i), 0, 200_000)
        batches.push(writer.takeBatch())
      }
      released = 3 - unreleased
      writer.shrink()
      assert.ok(
        batches.every(({ length }) => length > 200_000),
        'the conn was busy'
      )
      writer.shrink()
      const freed = batches.map(({ length }) => length === 0)
      assert.deepEqual(freed, [unreleased < 3, unreleased < 2, unreleased < 1])
      writer.ping(1)
      assert.equal(writer.takeBatch().buffer.byteLength, 512)
    }
  })

  it('puts batches one after the other into a buffer that doubles up to 256 KiB', () => {
    const writer = new FrameWriter()
    const sizes = new Map<ArrayBufferLike, number>()
    for (let i = 0; i < 4000; i++) {
      writer.data(0, 1, new Uint8Array(500), 0, 500)
      const { buffer } = writer.takeBatch()
      sizes.set(buffer, buffer.byteLength)
    }
    const kib = [...sizes.values()].map((bytes) => bytes / 1024)
    assert.deepEqual(kib.slice(0, 10), [1, 2, 4, 8, 16, 32, 64, 128, 256, 256])
    assert.ok(kib.slice(10).every((size) => size === 256))
  })
})
