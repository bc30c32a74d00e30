/**
 * A mesh of 32 managers in one process: each connected to each other one over loopback, 496 connections, one socket each.
 *
 * Every manager then calls every other one. Memory is that of both ends of each connection.
 */

import { createServer, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { optionsOf } from '../harness/arguments.ts'
import { cpuUs } from '../harness/commands.ts'
import { listen } from '../harness/http.ts'
import { held, memoryNow, mib, perThing } from '../harness/memory.ts'
import { number, table } from '../harness/table.ts'
import { allConnected, countsOf, grid, isIdle, options } from './grid.ts'

const { managers: size } = optionsOf({ managers: 32 })
const pairs = (size * (size - 1)) / 2

const sockets = { accepted: 0, open: new Set<Socket>() }
const servers = Array.from({ length: size }, () => createServer())
const hosts: string[] = []
for (const server of servers) {
  server.on('connection', (socket) => {
    sockets.accepted++
    sockets.open.add(socket)
    socket.on('close', () => sockets.open.delete(socket))
  })
  hosts.push(await listen(server))
}

const before = await memoryNow()
const beforeUs = cpuUs()
const startMs = performance.now()
const managers = hosts.map((local, index) => {
  const manager = new grid.Manager({ ...options, local, hosts })
  manager.handle('who', () => Buffer.from(manager.local))
  manager.attach(servers[index] as Server)
  return manager
})
const connections = managers.flatMap((manager) => manager.connections)
await Promise.all(managers.map(allConnected))
const connectMs = performance.now() - startMs
const connectCpuMs = (cpuUs() - beforeUs) / 1000
const after = await memoryNow()

const callMs = performance.now()
for (const connection of connections) {
  const answer = Buffer.from(await connection.request('who')).toString()
  if (answer !== connection.host) throw new Error(`${connection.host} answered as ${answer}`)
}
const callsMs = performance.now() - callMs
/** Both ends of each are in this process. */
const socketEnds = process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length
const accepted = { ever: sockets.accepted, open: sockets.open.size }
const stats = managers.flatMap((manager) => manager.stats().connections)
const madeTwice = stats.filter(({ reconnects }) => reconnects > 0).length
if (!managers.map(countsOf).every(isIdle)) throw new Error('streams or handlers are left')

const closeMs = performance.now()
await Promise.all(managers.map((manager) => manager.close()))
const closedMs = performance.now() - closeMs
await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
// A server counts a socket out a moment before the socket says that it is closed.
await delay(100)

console.log(`${size} managers in one process, connected each to each over WebSockets, with a shared secret`)
const each = perThing(before, after, pairs)
const rows = [
  ['connections', `${connections.length / 2} of ${pairs}`],
  ['sockets accepted ever, open now', `${accepted.ever}, ${accepted.open}`],
  ['socket ends in this process', `${socketEnds}, two for each`],
  ['connections that were made twice', madeTwice],
  ['time until all are connected', `${number(connectMs)} ms, ${number(connectCpuMs)} ms of CPU`],
  ['time per connection', `${number(connectMs / pairs)} ms`],
  ['heap and external, all', mib(held(after) - held(before))],
  ['heap and external, per connection (both ends)', `${number(held(each))} B`],
  ['resident memory, per connection (both ends)', `${number(each.resident)} B`],
  [`${connections.length} calls, each to each, one after the other`, `${number(callsMs)} ms`],
  ['time to close all', `${number(closedMs)} ms`],
  ['sockets left', sockets.open.size]
]
console.log(table(['what', 'figure'], rows))
// On a busy machine more are accepted, and closed again: of servers that tell the one that is to dial them that they are there.
const exact = madeTwice === 0 && accepted.open === pairs && socketEnds === 2 * pairs && sockets.open.size === 0
if (!exact) throw new Error(`there must be exactly ${pairs} sockets, one for each pair, and none at the end`)
process.exit()
