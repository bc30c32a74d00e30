/**
 * Three servers that are restarted one after the other while all of them call each other. Real processes;
 * `spec/long/restarts.ts` does the same more often.
 */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { rollingRestarts } from '../support/calls/rolling.ts'
import { paced } from '../support/clock/pace.ts'
import { seed } from '../support/random.ts'

const restarts = 3
const graceMs = 60_000

it('a rolling restart loses no call, fails none that may have run, and takes as long as its work and not as the grace', {
  timeout: paced(180_000)
}, async (test) => {
  const { closeMs, counts } = await rollingRestarts({ restarts, seed, workers: 1, graceMs })
  assert.equal(closeMs.length, restarts)
  for (const tookMs of closeMs) assert.ok(tookMs < graceMs / 4, `a close took ${Math.round(tookMs)} ms`)
  for (const [what, count] of Object.entries(counts)) assert.ok(what === 'again' || count > 0, `${count} ${what}`)
  test.diagnostic(`${JSON.stringify(counts)}, closed in ${closeMs.map(Math.round).join(', ')} ms`)
})
