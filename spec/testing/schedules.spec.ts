/** Schedules of faults leave nothing behind, and are the same again from the same seed. `SEED=<n>` begins at another one. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seed as first } from '../support/random.ts'
import { figures, runSchedule } from './schedules.ts'

const schedules = 30

describe(`schedules of a test grid, from SEED=${first}`, () => {
  it('settle each call, leave nothing and no timer', async (test) => {
    for (let seed = first; seed < first + schedules; seed++) {
      await runSchedule(seed).catch((cause) => {
        throw new Error(`SEED=${seed}: ${cause.message}`, { cause })
      })
    }
    test.diagnostic(JSON.stringify(figures))
    assert.ok(figures.answered > 50 && figures.failed > 20 && figures.faults > 100, JSON.stringify(figures))
  })

  it('are the same again, line by line, and others from other seeds', async () => {
    for (let seed = first; seed < first + 5; seed++) assert.deepEqual(await runSchedule(seed), await runSchedule(seed))
    assert.notDeepEqual(await runSchedule(first), await runSchedule(first + 1))
  })
})
