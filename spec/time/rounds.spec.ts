/** When the event loop is to go round, and who goes on first then. */

import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { loopBytes, loopMs } from '../../lib/errors/options.ts'
import { afterRound, isRoundDue } from '../../lib/time/rounds.ts'
import { spend } from '../support/clock/machine.ts'

const goneRound = (): Promise<void> => new Promise(afterRound)

describe('a round of the event loop', () => {
  beforeEach(goneRound)

  it('is due once it is waited for, and has not come for 10 ms', () => {
    assert.equal(isRoundDue(loopBytes), false, 'from here on it is waited for')
    spend(loopMs)
    assert.equal(isRoundDue(loopBytes), true)
    assert.equal(isRoundDue(0), true, 'for all others, however little they have done')
  })

  it('is due only where so much was done that the clock is looked at', () => {
    isRoundDue(loopBytes)
    spend(loopMs)
    assert.equal(isRoundDue(loopBytes - 1), false)
    assert.equal(isRoundDue(1), true)
  })

  it('is not due before', () => {
    const startMs = performance.now()
    while (!isRoundDue(loopBytes));
    assert.ok(performance.now() - startMs >= loopMs)
  })

  it('is no longer due when it has come, and is looked for at once behind it', async () => {
    isRoundDue(loopBytes)
    spend(loopMs)
    assert.equal(isRoundDue(loopBytes), true)
    await goneRound()
    assert.equal(isRoundDue(0), false)
    spend(loopMs)
    assert.equal(isRoundDue(loopBytes), true)
  })

  it('is never due in virtual time, in which a program does the same each time', (test) => {
    isRoundDue(loopBytes)
    test.mock.method(performance, 'now', () => Number.MAX_SAFE_INTEGER)
    spend(loopMs)
    assert.equal(isRoundDue(loopBytes), false)
  })

  it('comes for all that wait, though fake timers have replaced the clock as a whole', async (test) => {
    const { performance } = globalThis
    test.after(() => Object.assign(globalThis, { performance }))
    // As those of jest and vitest do.
    Object.assign(globalThis, { performance: { now: () => 0 } })
    await Promise.all([goneRound(), goneRound()])
    assert.equal(isRoundDue(loopBytes), false)
  })

  it('lets all that wait go on, and who was first is last the next time', async () => {
    let order = ''
    const goOn = (name: string) => {
      order += name
      if (order.length <= 9) afterRound(() => goOn(name))
    }
    for (const name of ['a', 'b', 'c']) afterRound(() => goOn(name))
    while (order.length < 12) await goneRound()
    assert.equal(order, 'bcacabab' + 'cbca')
  })
})
