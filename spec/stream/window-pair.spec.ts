/** Both windows of one half of a stream at random: what is under way and held is bounded, and nobody waits for ever. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { maxCapacity } from '../../lib/errors/options.ts'
import { oneOf, rounds, wholeBelow } from '../support/random.ts'
import { type PairSizes, WindowPair } from './window-pair.ts'

describe('a pair of windows', () => {
  /** Windows of one byte up to wider than all messages, messages of one fragment up to hundreds. */
  const sizesOf = (random: () => number) => ({
    messages: oneOf(random, [1, 2, 3, 5, 64, maxCapacity]),
    bytes: oneOf(random, [1, 2, 100, 4096, 262_144]),
    maxMessageBytes: oneOf(random, [1, 10, 99, 100, 101, 4096, 262_144, 600_000]),
    fragmentBytes: oneOf(random, [1, 7, 100, 4096, 65_536])
  })
  /** Often the lengths at which something changes. */
  const lengthOf = (random: () => number, { bytes, maxMessageBytes, fragmentBytes }: PairSizes) =>
    Math.min(
      oneOf(random, [0, 1, bytes, bytes + 1, fragmentBytes, maxMessageBytes, wholeBelow(random, maxMessageBytes + 1)]),
      // Not more fragments than a spec has time for.
      Math.min(maxMessageBytes, fragmentBytes * 200)
    )

  it('keeps less than a window and a fragment under way, holds a message or a window, and never stalls', () => {
    rounds(400, (random) => {
      const sizes = sizesOf(random)
      const pair = new WindowPair(sizes)
      const weights = Array.from({ length: 6 }, () => random())
      for (let step = 0; step < 800; step++) {
        const chances = weights.map((weight) => weight * random())
        switch (chances.indexOf(Math.max(...chances))) {
          case 0:
            pair.begin(lengthOf(random, sizes))
            break
          case 1:
            pair.write()
            break
          case 2:
            pair.deliver()
            break
          case 3:
            pair.take()
            break
          case 4:
            pair.writeCredit()
            break
          default:
            pair.readCredit()
        }
        pair.check()
      }
    })
  })

  it('moves every message as long as the consumer takes them, whatever the sizes', () => {
    rounds(200, (random) => {
      const sizes = sizesOf(random)
      const pair = new WindowPair(sizes)
      let begun = 0
      while (pair.delivered < 60) {
        while (begun < 60 && random() < 0.7 && pair.begin(lengthOf(random, sizes))) {
          begun++
          pair.settle()
        }
        if (begun > pair.delivered) assert.ok(pair.take(), 'a message has begun and never comes whole')
        pair.settle()
      }
    })
  })

  it('moves no more than a message, or a window, and a fragment to a consumer that takes nothing', () => {
    rounds(200, (random) => {
      const sizes = sizesOf(random)
      const pair = new WindowPair(sizes)
      while (pair.begin(sizes.maxMessageBytes)) pair.settle()
      assert.ok(pair.waiting <= sizes.messages)
      assert.ok(pair.held <= Math.max(sizes.bytes, sizes.maxMessageBytes) + sizes.fragmentBytes)
    })
  })

  it('catches a sender that goes on where it should wait, at its first fragment', () => {
    rounds(200, (random) => {
      const [bytes, fragmentBytes] = [oneOf(random, [1, 100, 4096]), oneOf(random, [1, 7, 100, 4096])]
      const maxMessageBytes = bytes + fragmentBytes + wholeBelow(random, 1000)
      const pair = new WindowPair({ messages: 1 + wholeBelow(random, 5), bytes, maxMessageBytes, fragmentBytes })
      // A message that waits for the consumer, where the window has room for a second one: then nothing is lent for it.
      pair.begin(random() < 0.5 ? 0 : wholeBelow(random, bytes))
      pair.settle()
      if (!pair.begin(maxMessageBytes)) return
      pair.settle()
      assert.equal(pair.isBlocked, true)
      pair.writeAnyway()
      assert.throws(() => pair.deliver(), { name: 'FlowControlError' })
    })
  })
})
