/**
 * One manager with 2,000 live connections: what they cost at rest, and how it goes through a restart of all its peers in turn.
 *
 * The peers are managers in four other processes, each with a name and a listening socket of its own on loopback.
 */

import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { optionsOf } from '../harness/arguments.ts'
import { Child, cpuUs } from '../harness/commands.ts'
import { listen } from '../harness/http.ts'
import { held, memoryNow, mib, perThing } from '../harness/memory.ts'
import { number, table } from '../harness/table.ts'
import { allConnected, grid, options } from './grid.ts'
import type { PeersCommands } from './peers.ts'

const { peers: size, processes, idle: idleMs } = optionsOf({ peers: 2000, processes: 4, idle: 20_000 })
const each = Math.floor(size / processes)
const server = createServer()
const local = await listen(server)
const script = new URL('./peers.ts', import.meta.url)
const children = Array.from({ length: processes }, () => new Child<PeersCommands>(script, [local]))
const growth = { count: each, dialing: 'either' } as const
const hosts = (await Promise.all(children.map((child) => child.ask('grow', growth)))).flat()

const before = await memoryNow()
const beforeUs = cpuUs()
const startMs = performance.now()
const manager = new grid.Manager({ ...options, local, hosts })
manager.attach(server)
await allConnected(manager)
const rows = [
  ['connected to all', `${number(performance.now() - startMs)} ms, ${number((cpuUs() - beforeUs) / 1000)} ms of CPU`]
]
const cost = perThing(before, await memoryNow(), hosts.length)
rows.push(['heap and external, per connection (this end)', `${number(held(cost))} B`])
rows.push(['resident memory, per connection (this end)', `${number(cost.resident)} B`])

const idleUs = cpuUs()
await delay(idleMs)
rows.push(['CPU at rest', `${number((cpuUs() - idleUs) / idleMs / 10)} % of a core`])
const statsUs = cpuUs()
const stats = manager.stats()
rows.push(['stats() of all', `${number((cpuUs() - statsUs) / 1000)} ms for ${stats.connections.length} connections`])

const took: number[] = []
const restartUs = cpuUs()
for (const child of children) {
  const listeningMs = await child.ask('restart')
  await allConnected(manager)
  took.push(Date.now() - listeningMs)
}
const lost = manager.stats().connections.filter(({ reconnects }) => reconnects === 0).length
rows.push([`restart of all, ${each} at a time: whole again`, `${took.map((ms) => number(ms)).join(', ')} ms`])
rows.push(['CPU of that', `${number((cpuUs() - restartUs) / 1000)} ms; ${lost} were never lost`])
rows.push(['resident memory at the end', mib((await memoryNow()).resident)])

await manager.close({ timeout: 0 })
await Promise.all(children.map((child) => child.stop()))
const where = 'each connected to one manager over loopback, with a shared secret'
console.log(`${hosts.length} peers in ${processes} processes, ${where}`)
console.log(table(['what', 'figure'], rows))
process.exit()
