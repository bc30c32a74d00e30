/**
 * A server that is killed with SIGKILL and restarted under load, over and over, as its peer sees it. Real processes;
 * `spec/long/restarts.ts` does the same a thousand times.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { restartLoop } from '../support/calls/restart-loop.ts'
import { leaks } from '../support/grid/vitals.ts'
import { seed } from '../support/random.ts'

const restarts = 4

describe('a peer that is killed and restarted again and again', () => {
  for (const dials of [true, false]) {
    const who = dials ? 'the side that dials' : 'the side that is dialed'
    it(`leaves no call stuck and nothing behind at ${who}, which sees each new instance`, async (test) => {
      const facts = await restartLoop({ restarts, warmUp: 1, dials, seed })
      assert.equal(facts.told, restarts)
      assert.ok((facts.outcomes['ERR_DISCONNECTED lost'] ?? 0) > 0, 'it was killed under load')
      assert.deepEqual(leaks(facts.start, facts.end), [])
      test.diagnostic(`${JSON.stringify(facts.outcomes)}, settled within ${Math.round(facts.slowestSettleMs)} ms`)
    })
  }
})
