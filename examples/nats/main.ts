/**
 * Three servers without a port of their own: their conns go through a NATS server, and the grid is the same grid.
 *
 *     nats-server &
 *     node --import tsx examples/nats/main.ts
 */

import { connect } from '@nats-io/transport-node'
import { Manager, sharedSecret, single, streaming } from 'it-grid'
import { acceptNats, closeNats, connectNats } from './carrier.ts'

const greet = single<string, string>('greet')
const count = streaming<void, never, number>('count', { inCapacity: 0, outCapacity: 8 })
const names = ['http://one', 'http://two', 'http://three']

/** How many numbers each server has made. */
const made = new Map<string, number>()

async function start(local: string) {
  // For ever: a server of the grid outlives the NATS server.
  const nats = await connect({ servers: process.env.NATS_URL ?? 'localhost:4222', maxReconnectAttempts: -1 })
  const auth = sharedSecret('the same on all: 16 random bytes or more')
  const grid = new Manager({ local, hosts: names, auth, dialer: connectNats(nats) })
  grid.handle(greet, (name, { remote }) => `hello ${name}, says ${local} to ${remote.host}`)
  grid.handle(count, async function* () {
    for (let n = 1; ; n++) {
      made.set(local, n)
      yield n
    }
  })
  const leave = acceptNats(nats, grid)
  const end = async () => {
    await grid.close()
    leave()
    await closeNats(nats)
  }
  return { grid, end }
}

const servers = await Promise.all(names.map(start))
await Promise.all(servers.map(({ grid }) => grid.waitForPeers()))
console.log('connected: every pair of the three, and none of them listens on a port')

const [one, two] = servers
if (one === undefined || two === undefined) throw new Error('there are three')
const peer = one.grid.connection('http://two')
console.log(await peer.request(greet, 'Ada'))
console.log(await two.grid.connection('http://one').request(greet, 'Grace'))

const numbers = peer.newStream(count)
for (let n = 1; n <= 5; n++) await numbers.responses.next()
await new Promise((resolve) => setTimeout(resolve, 200))
const ahead = made.get('http://two') ?? 0
console.log(`5 numbers were taken; the generator is held at its window: ${ahead >= 5 && ahead <= 5 + 9}`)
numbers.cancel()

await Promise.all(servers.map(({ end }) => end()))
console.log('done: nothing is left')
