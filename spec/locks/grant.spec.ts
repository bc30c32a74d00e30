/** Until when an owner may believe in a grant: what random schedules hardly ever show. */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Grant } from '../../lib/extras/locks/grant.ts'
import type { Connection } from '../../lib/index.ts'

const args = { uid: 'u', resources: ['a'], owner: 'o', source: 'spec', quorum: null }
const ttlMs = 60_000

/** When it was asked. */
let askedMs = 0

/** A server that grants, and whose answer takes so long. */
function grantOf(answerMs: number): Grant {
  const request = async () => {
    askedMs = performance.now()
    await delay(answerMs)
    return { granted: true, ttlMs, heldBy: null }
  }
  return new Grant({ request, instance: '00' } as unknown as Connection, 'write', args)
}

it('a grant is believed in from before it was asked for, and for nine tenths of its time', async () => {
  const grant = grantOf(100)
  const beforeMs = performance.now()
  assert.equal(await grant.ask({ timeout: 5000 }), true)
  const isRight = () => grant.untilMs >= beforeMs + 0.9 * ttlMs && grant.untilMs <= askedMs + 0.9 * ttlMs
  assert.ok(isRight(), `${grant.untilMs - beforeMs}`)
  const firstUntilMs = grant.untilMs
  await grant.refresh(5000, new AbortController().signal)
  assert.ok(isRight() && grant.untilMs > firstUntilMs, `${grant.untilMs - firstUntilMs}`)
})
