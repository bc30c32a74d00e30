/** Figures of calls by themselves: buckets, what is open, copies, and how many names and hosts are kept. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { boundsMs, Figures, OpenTally, toBucket } from '../../lib/figures/figures.ts'
import { GridFigures, HandlerFigures } from '../../lib/figures/grid-figures.ts'
import { toTicks } from '../../lib/time/ticks.ts'

const single = (handler: string) => ({ kind: 'single', handler, subroute: '' }) as const

describe('the buckets of durations', () => {
  it('have each bound in the bucket below it, and one more for all that is longer', () => {
    for (const [bucket, boundMs] of boundsMs.entries()) {
      assert.deepEqual(
        [toBucket(toTicks(boundMs)), toBucket(toTicks(boundMs) + 1)],
        [bucket, bucket + 1],
        `${boundMs} ms`
      )
    }
    assert.equal(toBucket(toTicks(2 ** 40)), boundsMs.length)
    assert.equal(toBucket(0), 0)
    assert.deepEqual(
      [...boundsMs].sort((a, b) => a - b),
      boundsMs
    )
  })
})

describe('what is open', () => {
  it('is added to what has ended, with the age of the oldest', () => {
    const figures = new Figures()
    figures.add(toBucket(64), 64, 10, 20)
    const tally = new OpenTally()
    const nowTicks = toTicks(performance.now())
    tally.add(figures, nowTicks - toTicks(500), 1, 2)
    tally.add(figures, nowTicks - toTicks(9000), 100, 200)
    tally.add(figures, nowTicks, 1000, 2000)
    const { calls, running, bytesIn, bytesOut, durations, oldestMs = 0 } = tally.read(figures)
    assert.deepEqual([calls, running, bytesIn, bytesOut, durations.sumMs], [4, 3, 1111, 2222, 1])
    assert.ok(oldestMs >= 9000 && oldestMs < 90_000, `${oldestMs} ms`)
    assert.deepEqual(new OpenTally().read(figures).oldestMs, undefined)
  })

  it('is read as a copy', () => {
    const figures = new Figures()
    figures.add(0, 1, 0, 0)
    const before = figures.read(undefined)
    figures.add(0, 1, 0, 0)
    figures.addError('E_ONE')
    assert.deepEqual([before.calls, before.durations.counts[0], before.errors], [1, 1, {}])
  })
})

describe('the figures of handlers', () => {
  it('are as many as there are names that a peer offers, up to 16,384, and then those of all others', () => {
    const all = new HandlerFigures()
    for (let n = 0; n < 16_384; n++) all.of(single(`known-${n}`), true)
    assert.equal(all.read(new OpenTally()).length, 16_384)
    const other = all.of(single('one more'), true)
    assert.equal(all.of(single('and another'), false), other)
    assert.notEqual(all.of(single('known-5'), true), other)
    assert.equal(all.read(new OpenTally()).length, 16_385)
    assert.equal(all.read(new OpenTally()).at(-1)?.handler, '_OTHER')
  })

  it('are those of a peer until it is no longer in the list', () => {
    const figures = new GridFigures('http://here')
    const [a, b] = [figures.of('http://a'), figures.of('http://b')]
    figures.forgetOthers(new Set(['http://b']))
    assert.notEqual(figures.of('http://a'), a)
    assert.equal(figures.of('http://b'), b)
  })
})
