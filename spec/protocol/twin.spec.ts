/** The fast codec and the naive one agree: on random batches, and on random bytes. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ProtocolError } from '../../lib/errors/errors.ts'
import { allowedFlags } from '../../lib/wire/frame.ts'
import { FrameWriter } from '../../lib/wire/frame-writer.ts'
import { fastBatch, fastDecode, writeFrame } from '../support/codec/fast.ts'
import { NaiveError, naiveBatch, naiveDecode, naiveHeads } from '../support/codec/naive.ts'
import { randomFrame, randomFrames } from '../support/codec/random-frames.ts'
import { rounds, wholeBelow } from '../support/random.ts'

/** What `decode` makes of `bytes`: frames, or undefined when it refuses them as `Refusal`. */
function outcome<T>(decode: () => T, Refusal: new (message: string) => Error): T | undefined {
  try {
    return decode()
  } catch (error) {
    assert.ok(error instanceof Refusal, `refused with ${error}`)
    return undefined
  }
}

function agree(batch: Uint8Array, checksum: boolean): boolean {
  const fast = outcome(() => fastDecode(batch, checksum), ProtocolError)
  const naive = outcome(() => naiveDecode(batch, checksum), NaiveError)
  assert.deepEqual(fast, naive)
  return fast !== undefined
}

describe('the fast codec and its naive twin', () => {
  it('make the same bytes of random frames, and the same frames of those bytes', () => {
    rounds(500, (random) => {
      const frames = randomFrames(random)
      const checksum = random() < 0.5
      const batch = fastBatch(frames, checksum)
      assert.deepEqual(new Uint8Array(batch), new Uint8Array(naiveBatch(frames, checksum)))
      assert.deepEqual(fastDecode(batch, checksum), frames)
      assert.deepEqual(naiveDecode(batch, checksum), frames)
    })
  })

  it('make the same batches one after the other out of one writer, whatever their sizes', () => {
    rounds(25, (random) => {
      const writer = new FrameWriter()
      writer.checksum = random() < 0.5
      const taken: { batch: Uint8Array; expected: Uint8Array }[] = []
      for (let i = 0; i < 20; i++) {
        const frames = randomFrames(random)
        for (const frame of frames) writeFrame(writer, frame)
        taken.push({ batch: writer.takeBatch(), expected: naiveBatch(frames, writer.checksum) })
        if (random() < 0.2) writer.shrink()
      }
      // Compared at the end: a batch that was taken must not change afterwards.
      for (const { batch, expected } of taken) assert.deepEqual(new Uint8Array(batch), new Uint8Array(expected))
    })
  })

  it('refuse or read batches with changed bytes alike', () => {
    let read = 0
    let refused = 0
    rounds(4000, (random) => {
      const batch = new Uint8Array(naiveBatch([randomFrame(random)], false)).slice(0, 400)
      const flips = 1 + wholeBelow(random, 3)
      for (let i = 0; i < flips; i++) batch[wholeBelow(random, Math.min(batch.length, 12))] = wholeBelow(random, 256)
      if (agree(batch, false)) read++
      else refused++
    })
    assert.ok(read > 100 && refused > 100, `${read} were read, ${refused} refused`)
  })

  it('refuse or read random bytes alike', () => {
    rounds(4000, (random) => {
      const batch = Uint8Array.from({ length: wholeBelow(random, 40) }, () => wholeBelow(random, 256))
      agree(batch, random() < 0.1)
    })
  })

  it('let the same first bytes pass', () => {
    for (let head = 0; head < 256; head++) {
      // Behind the head: numbers of one byte that fit every frame, with all lengths zero.
      const body =
        (head & 15) === 3 ? [1, 1, 1] : (head & 15) === 7 ? [0] : [5, 6].includes(head & 15) ? [1] : undefined
      const tails = body === undefined ? [[1, 0], [1], [1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0, 0]] : [body]
      const passes = tails.some((tail) => agree(Uint8Array.from([head, ...tail]), false))
      assert.equal(passes, naiveHeads.has(head), `first byte 0x${head.toString(16)}`)
      if (passes) assert.equal(head & 0xf0 & ~(allowedFlags[head & 15] ?? 0), 0)
    }
  })
})
