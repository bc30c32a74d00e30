/** A message of fragments: it is whole, and what its fragments came in is freed. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { markAsUntransferable } from 'node:worker_threads'
import { Assembly } from '../../lib/stream/assembly.ts'
import { Flag } from '../../lib/wire/frame.ts'
import { FrameReader } from '../../lib/wire/frame-reader.ts'
import { FrameWriter } from '../../lib/wire/frame-writer.ts'

const limits = { maxMessageBytes: 1_000_000, maxFragments: 10 }

/** Three fragments, each the whole of what `memoryOf` gives for a batch, and the message that they make. */
function assembled(memoryOf: (batch: Uint8Array) => Uint8Array) {
  const assembly = new Assembly(limits)
  const batches = [1, 2, 3].map((fill) => {
    const writer = new FrameWriter()
    writer.data(fill < 3 ? Flag.more : 0, 1, new Uint8Array(10_000).fill(fill), 0, 10_000)
    const batch = memoryOf(writer.takeBatch())
    const reader = new FrameReader()
    reader.load(batch, false)
    reader.next()
    assembly.add(reader)
    return { batch, reader }
  })
  return { whole: assembly.join(), batches }
}

function assertWhole(whole: Uint8Array): void {
  assert.equal(whole.length, 30_000)
  assert.ok(whole.every((byte, at) => byte === 1 + Math.floor(at / 10_000)))
}

describe('a message of fragments', () => {
  it('is whole, and frees the memory of its fragments', () => {
    const { whole, batches } = assembled((batch) => new Uint8Array(batch))
    assertWhole(whole)
    for (const { batch, reader } of batches) assert.deepEqual([batch.buffer.byteLength, reader.next()], [0, false])
  })

  it('is whole also where the memory of its fragments cannot be freed, which is left as it is', () => {
    const untransferable = (batch: Uint8Array) => {
      const copy = new Uint8Array(batch)
      markAsUntransferable(copy.buffer)
      return copy
    }
    const shared = (batch: Uint8Array) => {
      const copy = new Uint8Array(new SharedArrayBuffer(batch.length))
      copy.set(batch)
      return copy
    }
    for (const memoryOf of [untransferable, shared]) {
      const { whole, batches } = assembled(memoryOf)
      assertWhole(whole)
      for (const { batch } of batches) assert.ok(batch.length > 10_000)
    }
  })

  it('leaves alone a batch that has more than a fragment', () => {
    const { whole, batches } = assembled((batch) => new Uint8Array(Buffer.concat([batch, batch])))
    assertWhole(whole)
    for (const { batch, reader } of batches) assert.deepEqual([batch.length > 20_000, reader.next()], [true, true])
  })
})
