/** One server asks another one to compute: with an answer, with a deadline, and beside other calls. */

import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { DeadlineError, single } from 'it-grid'
import { countPrimes, servePrimes } from './pool.ts'
import { startServers } from './servers.ts'

const ping = single<number, number>('ping')
const pools: ReturnType<typeof servePrimes>[] = []
const { grids, close } = await startServers(2, (grid) => {
  pools.push(servePrimes(grid))
  grid.handle(ping, (n) => n)
})
const [here, there] = grids as [(typeof grids)[0], (typeof grids)[0]]
const peer = here.connection(there.local)
const { pool, lastSeen } = pools[1] as ReturnType<typeof servePrimes>

console.log(`primes below 10000: ${await peer.request(countPrimes, { limit: 10_000 })}`)

const cancelling = new AbortController()
const endless = peer
  .request(countPrimes, { limit: 2 ** 31 }, { signal: cancelling.signal })
  .catch((error: unknown) => error)
while (lastSeen() < 10_000) await delay(1)
for (let n = 0; n < 1000; n++) assert.equal(await peer.request(ping, n), n)
console.log('while a thread computes, the same server has answered 1000 other calls')

cancelling.abort(new Error('no longer wanted'))
assert.equal((await endless) instanceof Error && (await endless) === cancelling.signal.reason, true)
/** It has stopped: it comes no further. */
const stopped = async () => {
  for (let seen = -1; seen !== lastSeen(); await delay(50)) seen = lastSeen()
}
await stopped()
console.log('the caller has cancelled: the thread that computed for it has ended')

const late = await peer.request(countPrimes, { limit: 2 ** 31 }, { timeout: 500 }).catch((error: unknown) => error)
assert.ok(DeadlineError.is(late))
await stopped()
console.log('the deadline has passed: the thread has ended, too')

console.log(`and there is room for others: ${await peer.request(countPrimes, { limit: 10_000 })}`)

await close()
await Promise.all(pools.map((each) => each.pool.destroy()))
assert.equal(pool.queueSize, 0)
