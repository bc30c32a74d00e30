/** A message of fragments is whole, and what its fragments came in is left as it was. */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Assembly } from '../../lib/stream/assembly.ts'
import { Flag } from '../../lib/wire/frame.ts'
import { FrameReader } from '../../lib/wire/frame-reader.ts'
import { FrameWriter } from '../../lib/wire/frame-writer.ts'

it('a message of fragments is whole, and leaves their memory to its writer, which streams within a process share', () => {
  const assembly = new Assembly({ maxMessageBytes: 1_000_000, maxFragments: 10 })
  const writer = new FrameWriter()
  const batches = [1, 2, 3].map((fill) => {
    writer.data(fill < 3 ? Flag.more : 0, 1, new Uint8Array(10_000).fill(fill), 0, 10_000)
    const batch = new Uint8Array(writer.takeBatch())
    const reader = new FrameReader()
    reader.load(batch, false)
    reader.next()
    assembly.add(reader)
    return { batch, copy: new Uint8Array(batch) }
  })
  const whole = assembly.join()
  assert.equal(whole.length, 30_000)
  assert.ok(whole.every((byte, at) => byte === 1 + Math.floor(at / 10_000)))
  for (const { batch, copy } of batches) assert.deepEqual(batch, copy)
})
