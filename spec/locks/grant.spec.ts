/** Until when an owner may believe in a grant: what random schedules hardly ever show. */

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Grants } from '../../lib/extras/locks/grants.ts'
import type { Manager } from '../../lib/index.ts'

const args = { uid: 'u', resources: ['a'], owner: 'o', source: 'spec', quorum: null }
const ttlMs = 60_000
const host = 'http://a:1'

/** When it was asked. */
let askedMs = 0

/** A grid of one server that grants, and whose answer takes so long. */
function gridOf(answerMs: number): Manager {
  const request = async () => {
    askedMs = performance.now()
    await delay(answerMs)
    return { granted: true, ttlMs, heldBy: null, token: 7 }
  }
  const server = { request, instance: '00', subroute: () => server }
  const quorum = async () => ({ accepted: [{ host, value: await request() }] })
  return { connection: () => server, quorum } as unknown as Manager
}

it('a grant is believed in from before it was asked for, and for nine tenths of its time', async () => {
  const init = { grid: gridOf(100), servers: [host], subroute: '', requestTimeoutMs: 5000 }
  const grants = new Grants(init, 'write', { ...args })
  const isRight = (beforeMs: number) =>
    grants.holdUntilMs >= beforeMs + 0.9 * ttlMs && grants.holdUntilMs <= askedMs + 0.9 * ttlMs
  const firstMs = performance.now()
  await grants.ask(5000, new AbortController().signal, () => true)
  assert.ok(isRight(firstMs), `${grants.holdUntilMs - firstMs}`)
  const secondMs = performance.now()
  await grants.refresh()
  assert.ok(isRight(secondMs), `${grants.holdUntilMs - secondMs}`)
  assert.equal(grants.token, 7)
})
