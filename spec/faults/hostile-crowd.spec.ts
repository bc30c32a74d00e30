/**
 * Many hostile peers at once, each in another way, and two honest ones beside them, who keep their rate.
 *
 * `spec/long/memory-bound.ts` does it with as many as one likes.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { tinyLimits } from '../support/memory/bound.ts'
import { crowd, crowdTable } from '../support/memory/crowd.ts'

describe('twenty hostile peers at once', { timeout: 600_000 }, () => {
  it('hold no more than twenty times the bound, and honest peers get every answer at no less than a third of the rate', async () => {
    const peers = 20
    const result = await crowd({ peers, processes: 1, limits: tinyLimits, everyMs: 25, forMs: 1200 })
    console.log(crowdTable(result, peers))
    const { alone, attacked, heldBytes, boundBytes, sessions } = result
    assert.deepEqual([...alone.failures, ...attacked.failures], [])
    assert.deepEqual([alone.answered, attacked.answered], [alone.calls, attacked.calls])
    assert.ok(attacked.perSecond >= alone.perSecond / 3, `${attacked.perSecond} a second, ${alone.perSecond} alone`)
    assert.ok(heldBytes <= boundBytes, `${heldBytes} bytes, above ${boundBytes}`)
    assert.ok(sessions > peers / 2, `only ${sessions} were there`)
  })
})
