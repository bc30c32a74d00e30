/** Three servers with one cache, of which one is away for a while. */

import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { ReplicatedCache } from './cache.ts'
import { startServers } from './servers.ts'

const caches: ReplicatedCache[] = []
const { grids, restart, stop, close } = await startServers(3, (grid, index) => {
  caches[index] = new ReplicatedCache(grid)
})
const at = (index: number) => caches[index] as ReplicatedCache
const all = (key: string) => caches.map((cache) => cache.get(key))
const agree = async (key: string) => {
  while (all(key).some((value) => value === undefined || value !== at(0).get(key))) await delay(1)
}

at(0).set('greeting', 'hello')
await agree('greeting')
console.log(`set at one server, read at all: ${all('greeting').join(', ')}`)

for (const [index, cache] of caches.entries()) cache.set('contested', `of server ${index}`)
await agree('contested')
console.log(`set at all in the same moment: all have the same value, ${new Set(all('contested')).size === 1}`)

await stop(2)
at(0).set('greeting', 'good morning')
await restart(2)
await agree('greeting')
console.log(`a server that was away, and has forgotten all, has everything again: ${at(2).get('greeting')}`)

const before = at(1).received
for (let n = 1; n <= 10_000; n++) at(0).set('counter', String(n))
while (all('counter').some((value) => value !== '10000')) await delay(1)
assert.ok(at(1).received - before < 10_000)
console.log('10000 quick changes of one key: others get the last one, and not all between')

assert.equal(grids.length, 3)
await close()
