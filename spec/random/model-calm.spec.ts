/** As `model.spec.ts`, with nothing wrong but what the ends do themselves: then no call may fail without such a reason. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runSchedules, Sum } from '../support/model/sum.ts'
import { seed } from '../support/random.ts'
import '../support/uncovered.ts'

const schedules = 1000
/** Even ones have no faults. */
const first = 2 * seed

describe('two ends that nothing befalls', () => {
  it(`see what the model allows and leave nothing, in ${schedules} schedules from seed ${first}`, async (t) => {
    const sum = await runSchedules(first, schedules)
    t.diagnostic(sum.text())
    const { calls, messages, faults } = sum.figures
    assert.ok(calls > 4 * schedules && messages > 8 * schedules, sum.text())
    for (const [fault, count] of Object.entries(faults)) if (fault !== 'expire') assert.equal(count, 0, fault)
  })
})

describe('a schedule', () => {
  it('does the same again from the same seed', async () => {
    for (let number = first; number < first + 20; number++) {
      const [once, again]: [string[], string[]] = [[], []]
      for (const lines of [once, again]) await new Sum().run(number, lines)
      assert.deepEqual(again, once)
      assert.ok(once.length > 0)
    }
  })
})
