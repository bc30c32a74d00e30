/**
 * `it-grid/locks`: three lock servers. Their clients take turns, share a lock, lose a server, and give up in time.
 *
 * The servers are in one process here, as in the other examples. `docs/locks.md` says how to use them, and how they are built. The
 * demo (`npm run demo`) and `spec/locks/proof.spec.ts` run them in several processes. Run it: node --import tsx examples/locks/main.ts
 */

import { setTimeout as delay } from 'node:timers/promises'
import { LockClient, LockError, serveLocks } from 'it-grid/locks'
import { Manager, sharedSecret, silentLogger } from '../../lib/index.ts'
import { hostOf, listen } from '../start-pair.ts'

/** The default is half a minute, which would be too long to watch. */
const ttlMs = 1000

const servers = [await listen(), await listen(), await listen()]
const hosts = servers.map(hostOf)
const auth = sharedSecret('an example secret: yours is random')
const grids = servers.map((server, at) => {
  // Servers are closed here, and their peers need not warn of it.
  const grid = new Manager({ local: hosts[at] ?? '', hosts, auth, logger: silentLogger })
  serveLocks(grid, { ttlMs })
  grid.attach(server)
  return grid
})
const [one, two, three] = grids as [Manager, Manager, Manager]
const [ann, bob] = [one, two].map((grid) => new LockClient(grid, { servers: hosts })) as [LockClient, LockClient]

console.log(`new lock servers grant nothing for ${ttlMs} ms, because they may have forgotten what they granted before`)
let balance = 0
const deposit = async (client: LockClient) => {
  await client.withLock(['account/7'], async () => {
    const before = balance
    await delay(5)
    balance = before + 1
  })
}
await Promise.all(Array.from({ length: 10 }, (_, n) => deposit(n % 2 === 0 ? ann : bob)))
console.log(`ten deposits that each read, wait and write: the balance is ${balance}`)

let readers = 0
let together = 0
const read = (client: LockClient) =>
  client.withRLock(['account/7'], async () => {
    together = Math.max(together, ++readers)
    await delay(50)
    readers--
  })
await Promise.all([read(ann), read(bob), read(ann)])
console.log(`three readers, ${together === 1 ? 'one after the other' : 'side by side'}`)

await ann.withLock(['account/7', 'account/9'], async () => {
  for await (const { kind, resources, owner, token } of bob.list()) {
    const who = owner === one.local ? 'server one' : owner
    console.log(`bob sees: ${kind} lock on ${resources.join(' and ')}, of ${who}${token > 0 ? ', with a token' : ''}`)
  }
  const refused = await bob.withLock(['account/9'], () => 'in', { timeout: 100 }).catch((error) => error)
  console.log(`a second writer, after 100 ms: ${refused instanceof LockError ? refused.code : 'HAS THE LOCK TOO'}`)
})

await three.close({ timeout: 0 })
console.log(`with one server of three gone: ${await ann.withLock(['account/7'], () => 'ann still gets the lock')}`)

const lost = await ann
  .withLock(['account/7'], async (signal) => {
    await two.close({ timeout: 0 })
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
  })
  .catch((error) => error)
console.log(`with two servers gone, the work is told to stop: ${lost instanceof LockError ? lost.code : lost}`)

await one.close()
for (const server of servers) server.close()
console.log('done: all servers are closed')
