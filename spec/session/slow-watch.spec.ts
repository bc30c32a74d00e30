/** When a peer is slow: it has taken nothing for the whole time, neither room in the conn nor a ping behind what was sent. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SlowWatch } from '../../lib/session/slow-watch.ts'

/** Six intervals. */
const timeoutMs = 600

class Bench {
  readonly outbox = { batches: 0, isBlocked: true }
  answered = 0
  slow = 0
  /** What is read before the peer is judged. */
  onReading = (): void => {}
  readonly #watch = new SlowWatch({
    outbox: this.outbox,
    pings: this,
    intervalMs: 100,
    timeoutMs,
    onSlow: () => this.slow++,
    afterReading: (judge) => {
      this.onReading()
      judge()
    }
  })

  tick(count = 1): void {
    for (let i = 0; i < count; i++) this.#watch.onTick()
  }
}

describe('a peer', () => {
  it('that takes nothing is slow after the whole time, and not before', () => {
    const bench = new Bench()
    bench.tick(5)
    assert.equal(bench.slow, 0)
    bench.tick()
    assert.equal(bench.slow, 1)
  })

  it('that takes a batch now and then is not slow', () => {
    const bench = new Bench()
    for (let round = 0; round < 10; round++) {
      bench.outbox.batches++
      bench.tick(5)
    }
    assert.equal(bench.slow, 0)
  })

  it('that answers the pings behind what was sent is not slow, though the conn has no room for a minute', () => {
    const bench = new Bench()
    for (let round = 0; round < 100; round++) {
      bench.answered++
      bench.tick(5)
    }
    assert.equal(bench.slow, 0)
    bench.tick(2)
    assert.equal(bench.slow, 1, 'when it stops it is')
  })

  it('for which nothing waits is not slow', () => {
    const bench = new Bench()
    bench.tick(5)
    bench.outbox.isBlocked = false
    bench.tick(20)
    bench.outbox.isBlocked = true
    bench.tick(5)
    assert.equal(bench.slow, 0)
  })

  it('whose answer has arrived, or whose conn has room by now, is not slow: that is read first', () => {
    for (const sign of ['answer', 'batch', 'room'] as const) {
      const bench = new Bench()
      bench.tick(5)
      bench.onReading = () => {
        if (sign === 'answer') bench.answered++
        else if (sign === 'batch') bench.outbox.batches++
        else bench.outbox.isBlocked = false
      }
      bench.tick()
      assert.equal(bench.slow, 0, sign)
    }
  })
})
