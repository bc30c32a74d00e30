/**
 * Hosts that are added and removed: `hosts` may be an async iterable, so that any discovery (DNS, Consul, a watched
 * file) can feed the grid. Each list replaces the previous one.
 *
 * Run it: `node --import tsx examples/discovery.ts`
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { pushable } from 'it-pushable'
import { ClosedError, Manager, sharedSecret, single, UnknownHostError } from '../lib/index.ts'
import { hostOf, listen } from './start-pair.ts'

const ping = single<void, string>('ping')

/** A server that takes its hosts from lists that are pushed to it. */
async function start() {
  const server = await listen()
  const lists = pushable<string[]>({ objectMode: true })
  const local = hostOf(server)
  const grid = new Manager({ local, hosts: lists, auth: sharedSecret('an example secret: yours is random') })
  grid.handle(ping, () => `pong from ${local}`)
  grid.attach(server)
  return { server, lists, grid, local }
}

const [one, two] = [await start(), await start()]

one.lists.push([one.local])
await one.grid.ready
console.log(`the first list has only server one: it has ${one.grid.connections.length} connections`)
assert.throws(() => one.grid.connection(two.local), UnknownHostError)

for (const { lists } of [one, two]) lists.push([one.local, two.local])
await two.grid.ready
const peer = two.grid.connection(one.local)
const reply = await peer.request(ping, undefined, { waitForReady: true })
console.log(`the next list has both servers: server two calls, the answer is "${reply}"`)
assert.equal(reply, `pong from ${one.local}`)

const changed = once(peer, 'state')
two.lists.push([two.local])
const [{ state, reason }] = await changed
console.log(`server one is removed from the list of server two: the connection is ${state}, because ${reason}`)
assert.equal(state, 'closed')
await assert.rejects(peer.request(ping), ClosedError)

await Promise.all([one.grid.close(), two.grid.close()])
one.server.close()
two.server.close()
console.log('done: both servers are closed')
