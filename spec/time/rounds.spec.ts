/** When the event loop is to go round, and who goes on first then. */

import assert from 'node:assert/strict'
import { beforeEach, describe, it, type TestContext } from 'node:test'
import { loopBytes, loopMs } from '../../lib/errors/options.ts'
import { afterRound, isRoundDue } from '../../lib/time/rounds.ts'

function stoppedClock(test: TestContext, nowMs = performance.now()) {
  const clock = { nowMs, putBack: () => mocked.mock.restore() }
  const mocked = test.mock.method(performance, 'now', () => clock.nowMs)
  return clock
}

const goneRound = (): Promise<void> => new Promise(afterRound)

describe('a round of the event loop', () => {
  beforeEach(async () => {
    // That which a spec has left is waited for by its clock.
    await goneRound()
    await goneRound()
  })

  it('is due once it is waited for, and has not come for 10 ms', (test) => {
    const clock = stoppedClock(test, performance.now() + 2 * loopMs)
    assert.equal(isRoundDue(0), false, 'from here on it is waited for')
    clock.nowMs += loopMs - 1
    assert.equal(isRoundDue(loopBytes), false)
    clock.nowMs += 2
    assert.equal(isRoundDue(loopBytes), true)
    assert.equal(isRoundDue(0), true, 'for all others, however little they have done')
  })

  it('is due only where so much was done that the clock is looked at', (test) => {
    const clock = stoppedClock(test, performance.now() + 2 * loopMs)
    assert.equal(isRoundDue(0), false)
    clock.nowMs += 2 * loopMs
    assert.equal(isRoundDue(loopBytes - 1), false)
    assert.equal(isRoundDue(1), true)
  })

  it('is no longer due when it has come', async (test) => {
    const clock = stoppedClock(test, performance.now() + 2 * loopMs)
    isRoundDue(0)
    clock.nowMs += 2 * loopMs
    assert.equal(isRoundDue(loopBytes), true)
    await goneRound()
    assert.equal(isRoundDue(0), false)
  })

  it('is due as ever once a clock of fake timers that ran ahead is put back', async (test) => {
    const ahead = stoppedClock(test, performance.now() + 3_600_000)
    isRoundDue(0)
    await goneRound()
    ahead.putBack()
    const clock = stoppedClock(test)
    assert.equal(isRoundDue(0), false)
    clock.nowMs += 2 * loopMs
    assert.equal(isRoundDue(loopBytes), true)
  })

  it('lets all that wait go on, another one first each time', async () => {
    const firsts = new Set<number>()
    for (let round = 0; round < 60; round++) {
      const order: number[] = []
      await Promise.all([0, 1, 2].map((each) => goneRound().then(() => order.push(each))))
      firsts.add(order[0] as number)
      assert.deepEqual(order.toSorted(), [0, 1, 2])
    }
    assert.equal(firsts.size, 3)
  })
})
