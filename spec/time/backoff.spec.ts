/** How long the next dial waits: full jitter below a bound that doubles, quick at first, bounded for ever. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { defaultReconnect } from '../../lib/errors/options.ts'
import { Backoff } from '../../lib/time/backoff.ts'

const options = { firstDelayMs: 50, baseDelayMs: 200, maxDelayMs: 10_000, stableAfterMs: 5_000 }
const bounds = [50, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]

describe('Backoff', () => {
  it('draws from zero up to a bound that starts small, doubles, and stays at its maximum', () => {
    for (const random of [0, 0.25, 0.999]) {
      const backoff = new Backoff(options, () => random)
      assert.deepEqual(
        bounds.map(() => backoff.nextMs()),
        bounds.map((bound) => bound * random)
      )
    }
  })

  it('stays bounded after a million attempts', () => {
    const backoff = new Backoff(options, () => 0.5)
    for (let i = 0; i < 1_000_000; i++) assert.ok(backoff.nextMs() <= 5_000)
    assert.equal(backoff.attempts, 1_000_000)
  })

  it('is never above its maximum, though the first delay is', () => {
    assert.equal(new Backoff({ ...options, firstDelayMs: 20_000 }, () => 1).nextMs(), 10_000)
  })

  it('starts again after a session that was stable, and goes on after one that was not', () => {
    const backoff = new Backoff(options, () => 1)
    for (let i = 0; i < 4; i++) backoff.nextMs()
    backoff.onSessionEnd(4_999)
    assert.deepEqual([backoff.attempts, backoff.nextMs()], [4, 1600])
    backoff.onSessionEnd(5_000)
    assert.deepEqual([backoff.attempts, backoff.nextMs()], [0, 50])
  })

  it('spreads the redials of a thousand peers over the whole wait', () => {
    const waits = Array.from({ length: 1000 }, () => new Backoff(defaultReconnect).nextMs())
    const buckets = new Set(waits.map((wait) => Math.floor((wait / defaultReconnect.firstDelayMs) * 10)))
    assert.equal(buckets.size, 10)
  })
})
