/**
 * A mesh of many servers in virtual time, over the real managers and connections: a start, a rolling deploy, a partition that heals,
 * and lists of hosts that lag. How long two servers that are both there wait for each other, and how many dials the worst one gets.
 *
 *     npm run long:mesh -- --servers 1000
 *
 * A pair costs some 26 KB of memory and 1 ms of CPU here to be connected. For many, give Node as much
 * (NODE_OPTIONS='--max-old-space-size=18000 --max-semi-space-size=64').
 */

import { type Pushable, pushable } from 'it-pushable'
import { optionsOf } from '../../benchmarks/harness/arguments.ts'
import { number, table } from '../../benchmarks/harness/table.ts'
import type { Manager } from '../../lib/index.ts'
import { World } from '../support/grid/world.ts'

const {
  servers: size,
  waves,
  away: awayMs,
  lag: lagMs,
  parted: partedMs
} = optionsOf({ servers: 300, waves: 10, away: 3000, lag: 15_000, parted: 60_000 })
// Of a million failed dials nobody reads the stack.
Error.stackTraceLimit = 0
/** Time passes in steps, after each of which the pairs are looked at. */
const stepMs = 10

await using world = new World()
const hosts = Array.from({ length: size }, (_, n) => `https://node-${n}:9000`)
const rows: string[][] = []

function usage(): string {
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed } = process.memoryUsage()
  return `${number((user + system) / 1e6)} s of CPU so far, ${number(heapUsed / 2 ** 20)} MiB of heap, ${number(rss / 2 ** 20)} MiB resident`
}

/** Lets time pass until all of `managers` are connected to all others; tells what it took and cost. */
async function measure(what: string, managers: readonly Manager[], fromMs = world.clock.nowMs): Promise<void> {
  let missing = managers.flatMap((manager) => manager.connections)
  for (;;) {
    missing = missing.filter(({ state }) => state !== 'connected')
    if (missing.length === 0) break
    if (world.clock.nowMs - fromMs > 120_000) throw new Error(`${what}: ${missing.length} pairs are not connected`)
    await world.run(stepMs)
  }
  const tookMs = world.clock.nowMs - fromMs
  const arrivals = hosts.map((host) => world.arrivals(host, fromMs).length)
  const busiest = Math.max(...hosts.map((host) => world.busiest(host, fromMs)))
  const dials = arrivals.reduce((sum, count) => sum + count, 0)
  rows.push([what, `${number(tookMs)} ms`, number(dials), number(Math.max(...arrivals)), number(busiest)])
  if (what !== '') console.error(`${rows.at(-1)?.join(' | ')}: ${usage()}`)
}

const all = () => [...world.servers.values()]

/** The list of hosts of each server, which changes at its own time. */
const lists = new Map<string, Pushable<string[]>>()
function start(host: string, list: string[] = hosts): Manager {
  const source = pushable<string[]>({ objectMode: true })
  source.push(list)
  lists.set(host, source)
  return world.start(host, source)
}

for (const host of hosts) start(host)
await world.run(0)
await measure('all start at once', all())

const waveSize = Math.ceil(size / 40)
let [worstMs, worstRow]: [number, string[]] = [-1, []]
for (let wave = 0; wave < waves; wave++) {
  const some = hosts.slice(wave * waveSize, (wave + 1) * waveSize)
  await Promise.all([...some.map((host) => world.kill(host)), world.run(awayMs)])
  const started = some.map((host) => start(host))
  await world.run(0)
  await measure('', started)
  const row = rows.pop() ?? []
  const tookMs = Number(row[1]?.replace(/\D/g, ''))
  if (tookMs > worstMs) [worstMs, worstRow] = [tookMs, row]
}
worstRow[0] = `a rolling deploy, ${waveSize} at a time, each away for ${awayMs / 1000} s: the worst of ${waves} waves`
rows.push(worstRow)
console.error(`${worstRow.join(' | ')}: ${usage()}`)

/** The lists of the others have them up to `lag` late, each at its own time. */
const newcomers = Array.from({ length: waveSize }, (_, n) => `https://new-${n}:9000`)
const old = hosts.splice(0, hosts.length, ...hosts, ...newcomers)
const started = newcomers.map((host) => start(host))
const startedMs = world.clock.nowMs
const steps = 50
for (let step = 1; step <= steps; step++) {
  await world.run(lagMs / steps)
  for (const host of old.filter((_, n) => n % steps === step - 1)) lists.get(host)?.push(hosts)
}
const lastListMs = world.clock.nowMs
await world.run(0)
await measure(
  `${waveSize} newcomers, lists that have them up to ${lagMs / 1000} s late: from the last list on`,
  started,
  lastListMs
)
const most = Math.max(...newcomers.map((host) => world.arrivals(host, startedMs).length))
rows.push([
  'the same, since they started',
  '',
  number(newcomers.reduce((sum, host) => sum + world.arrivals(host, startedMs).length, 0)),
  number(most),
  number(Math.max(...newcomers.map((host) => world.busiest(host, startedMs))))
])

// Last, for it costs most.
const isLeft = new Map(hosts.map((host, n) => [host, n < size / 2]))
world.part((one, other) => isLeft.get(one) !== isLeft.get(other))
await world.run(partedMs)
world.heal()
await measure(`a partition into halves heals after ${partedMs / 1000} s`, all())

console.log(`${size} servers in virtual time, one connection for each of ${number((size * (size - 1)) / 2)} pairs`)
console.log(
  table(
    ['what', 'longest wait of a pair', 'conns dialed', 'at the busiest server', 'there in its busiest 100 ms'],
    rows
  )
)
