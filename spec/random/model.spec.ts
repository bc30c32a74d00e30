/**
 * Two managers against a model of what each may see, under random schedules with faults and restarts; those without are in
 * `model-calm.spec.ts`. `node --import tsx spec/long/model.ts --schedules 1 --seed <n>` shows one that failed again.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runSchedules } from '../support/model/sum.ts'
import { seed } from '../support/random.ts'
import '../support/uncovered.ts'

const schedules = 1000
/** Odd ones have faults. */
const first = 2 * seed + 1

describe('two ends that are cut off, killed, restarted and shut down', () => {
  it(`see what the model allows and leave nothing, in ${schedules} schedules from seed ${first}`, async (t) => {
    const sum = await runSchedules(first, schedules)
    t.diagnostic(sum.text())
    // A model that meets no fault would find none.
    const { calls, messages, faults } = sum.figures
    assert.ok(calls > 2 * schedules && messages > 4 * schedules, sum.text())
    for (const [fault, count] of Object.entries(faults)) assert.ok(count > 0, `no ${fault} in any schedule`)
  })
})
