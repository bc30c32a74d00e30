/** What is read before somebody is judged by time: until nothing more comes, but not for ever. */

import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { afterReading, DeadlineTimer, decideInTime } from '../../lib/time/after-reading.ts'
import { until } from '../support/until.ts'

/** What has arrived and was dealt with, and how much of both when it was judged. */
function judging() {
  const seen = { arrived: 0, handled: 0, judgedAt: undefined as number | undefined }
  const reading = { arrived: () => seen.arrived, handled: () => seen.handled }
  return { seen, reading, judge: () => (seen.judgedAt = seen.arrived + seen.handled) }
}

describe('afterReading', () => {
  it('judges after two polls of the event loop when nothing arrives', async () => {
    const { seen, judge } = judging()
    afterReading(judge)
    await turn()
    assert.equal(seen.judgedAt, undefined)
    await turn()
    await turn()
    assert.equal(seen.judgedAt, 0)
  })

  for (const [title, what, rounds] of [
    ['reads on while each turn brings something', 'arrived', 20],
    ['reads on while what has arrived is dealt with, though other conns leave it little of each turn', 'handled', 500]
  ] as const) {
    it(title, async () => {
      const { seen, reading, judge } = judging()
      afterReading(judge, reading)
      for (let round = 0; round < rounds; round++) {
        seen[what]++
        await turn()
      }
      assert.equal(seen.judgedAt, undefined)
      await until(() => seen.judgedAt !== undefined, 'it judges')
      assert.equal(seen.judgedAt, rounds)
    })
  }

  it('judges in the end, though something always arrives', async () => {
    const { seen, reading, judge } = judging()
    afterReading(judge, { ...reading, arrived: () => ++seen.arrived })
    await until(() => seen.judgedAt !== undefined, 'it judges')
    assert.ok(seen.arrived < 100, `it looked ${seen.arrived} times`)
  })

  it('judges in the end, though it takes more than 5 s to deal with what has arrived', async (test) => {
    let nowMs = 0
    test.mock.method(performance, 'now', () => nowMs)
    const { seen, reading, judge } = judging()
    afterReading(judge, { ...reading, handled: () => ++seen.handled })
    for (let turns = 0; turns < 500; turns++) await turn()
    assert.equal(seen.judgedAt, undefined)
    nowMs = 5001
    const before = seen.handled
    await until(() => seen.judgedAt !== undefined, 'it judges')
    assert.ok(seen.handled - before < 100, `it looked ${seen.handled - before} times`)
  })
})

describe('decideInTime', () => {
  it('decides at once what is due just now, and reads first if it is late', async () => {
    const decided: string[] = []
    decideInTime(performance.now(), () => decided.push('in time'))
    decideInTime(performance.now() - 100, () => decided.push('late'))
    assert.deepEqual(decided, ['in time'])
    await until(() => decided.length === 2, 'both')
  })
})

describe('DeadlineTimer', () => {
  it('never judges before its moment, though a timer of Node may fire early', async () => {
    let nowMs = 0
    const clock = mock.method(performance, 'now', () => nowMs)
    const set = mock.method(globalThis, 'setTimeout', ((callback: () => void, delayMs: number) => {
      // Half a millisecond early.
      nowMs += delayMs - 0.5
      setImmediate(callback)
      return { unref() {}, hasRef: () => true }
    }) as never)
    try {
      let judgedAtMs: number | undefined
      new DeadlineTimer(100, () => {
        judgedAtMs = nowMs
      })
      for (let turns = 0; turns < 20; turns++) await turn()
      assert.ok(judgedAtMs !== undefined && judgedAtMs >= 100, `judged at ${judgedAtMs}`)
    } finally {
      for (const mocked of [clock, set]) mocked.mock.restore()
    }
  })

  it('judges nobody once it is cleared, not even while what has arrived is read', async () => {
    let judged = 0
    let looks = 0
    const timer = new DeadlineTimer(performance.now() - 100, () => judged++, {
      arrived: () => {
        // Amid the reading, whose end comes after some turns of the event loop.
        if (++looks === 2) timer.clear()
        return looks
      },
      handled: () => 0
    })
    await until(() => looks > 1, 'it reads')
    for (let turns = 0; turns < 200; turns++) await turn()
    assert.equal(judged, 0)
  })
})
