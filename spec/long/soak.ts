/**
 * The soak: four servers, each a process, call each other in every way for a given time, while this process kills them,
 * stops them, cuts their conns and swallows what they send.
 *
 * After each minute all faults are healed and all servers rest: every call must have settled, no stream be open. In the
 * end memory, handles and files of each process are compared with its first rest, and each answer has been checked.
 *
 *     node --import tsx spec/long/soak.ts --minutes 30 --seed 1
 */

import { setTimeout as delay } from 'node:timers/promises'
import { optionsOf } from '../../benchmarks/harness/arguments.ts'
import { number, table } from '../../benchmarks/harness/table.ts'
import { directions } from '../../lib/extras/testing/index.ts'
import { addOutcomes, type Outcomes } from '../support/calls/load.ts'
import type { NodeInit, NodeReport, NodeWords } from '../support/calls/node.ts'
import { handlesText, leaks, megabytes, type Vitals } from '../support/grid/vitals.ts'
import { makeNet } from '../support/network/net.ts'
import { Child } from '../support/process/child.ts'
import { MortalServer } from '../support/process/mortal.ts'
import { oneOf, randomFrom, wholeBelow } from '../support/random.ts'

const given = optionsOf({ minutes: 30, seed: Date.now() % 2 ** 31, servers: 4, workers: 3, pause: 140 })
const { minutes, seed } = given
const random = randomFrom(seed)
const startedMs = performance.now()
const failures: string[] = []
const faults: Record<string, number> = {}
let healing = false

type Server = MortalServer<NodeWords, NodeReport>
/** What a server says when it rests: its calls are those of this process of it. */
type Quiet = Awaited<ReturnType<NodeWords['quiet']>>
/** The first rest of the process that each server has, to compare the last one with. */
const firsts = new Map<string, Vitals>()
/** The outcomes of processes that are gone, as far as they told, and of those that are here. */
const past: Record<string, number> = {}
const last = new Map<string, Outcomes>()

function log(text: string): void {
  const seconds = Math.round((performance.now() - startedMs) / 1000)
  console.log(`${String(Math.floor(seconds / 60)).padStart(3)}:${String(seconds % 60).padStart(2, '0')} ${text}`)
}

function wrong(text: string): void {
  failures.push(text)
  log(`WRONG ${text}`)
}

const names = Array.from({ length: given.servers }, (_, n) => `http://node-${n}.test:9000`)
const net = await makeNet(names)
const script = new URL('../support/calls/node.ts', import.meta.url)
const options = { keepAlive: { intervalMs: 1000 }, limits: { handshakeTimeoutMs: 2000, slowPeerTimeoutMs: 5000 } }
const load = { workers: given.workers, pauseMs: given.pause }
const servers = names.map((local, n): Server => {
  const onReport = (text: NodeReport) => wrong(`${local}: ${text}`)
  const spawn = (start: number) => {
    firsts.delete(local)
    addOutcomes(past, last.get(local) ?? {})
    last.delete(local)
    const init: NodeInit = { ...net.initOf(local), ...load, seed: seed + 1_000_000 * n + 100_000 * start, options }
    return new Child<NodeWords, NodeReport>(script, init, { onReport })
  }
  return new MortalServer<NodeWords, NodeReport>(local, spawn, wrong)
})
/** The first two live from the start to the end. */
const mortal = servers.slice(2)
const busy = new Set<Server>()

/** Ends with everything as it was. */
const faultKinds: Readonly<Record<string, () => Promise<void>>> = {
  'kill -9 and restart': () => onServer(mortal, (server) => restart(server, () => server.kill())),
  'graceful restart': () => onServer(mortal, (server) => restart(server, () => close(server))),
  'stop and continue': () =>
    onServer(servers, async (server) => {
      const { child } = server
      child.signal('SIGSTOP')
      await pause(6000)
      child.signal('SIGCONT')
    }),
  async cut() {
    oneOf(random, net.proxies).cut()
  },
  async 'cut all'() {
    for (const proxy of net.proxies) proxy.cut()
  },
  async 'black hole'() {
    const proxy = oneOf(random, net.proxies)
    proxy.impair({ blackhole: true })
    await pause(6000)
    proxy.heal()
  },
  async 'one-way black hole'() {
    const proxy = oneOf(random, net.proxies)
    proxy.impair({ blackhole: true }, oneOf(random, directions))
    await pause(6000)
    proxy.heal()
  }
}

async function onServer(choices: readonly Server[], fault: (server: Server) => Promise<void>): Promise<void> {
  const idle = choices.filter((server) => !busy.has(server))
  if (idle.length === 0) return
  const server = oneOf(random, idle)
  log(`  ${server.name}`)
  busy.add(server)
  await fault(server).finally(() => busy.delete(server))
}

async function close(server: Server): Promise<void> {
  await server.close().catch((error) => wrong(`${server.name}: ${error.message}`))
}

async function restart(server: Server, end: () => Promise<void>): Promise<void> {
  await end()
  await pause(1500)
  await (await server.start()).ask('go')
}

async function pause(maxMs: number): Promise<void> {
  const untilMs = performance.now() + random() * maxMs
  while (!healing && performance.now() < untilMs) await delay(50)
}

async function makeFaults(): Promise<void> {
  while (!healing) {
    await pause(5000)
    if (healing) return
    const kind = oneOf(random, Object.keys(faultKinds))
    faults[kind] = (faults[kind] ?? 0) + 1
    log(kind)
    await faultKinds[kind]?.()
  }
}

/** It makes no more calls, and all have settled. */
async function rest({ name, child }: Server): Promise<Quiet> {
  const quiet = await child.ask('quiet')
  if (!firsts.has(name)) firsts.set(name, quiet.vitals)
  last.set(name, quiet.outcomes)
  return quiet
}

/** Load and faults for so long, then everything is healed and at rest. */
async function round(loadMs: number): Promise<Quiet[]> {
  healing = false
  await Promise.all(servers.map(({ child }) => child.ask('go')))
  const making = makeFaults()
  await delay(loadMs)
  healing = true
  await making
  const rests = await Promise.all(servers.map(rest))
  for (const [n, { vitals, outcomes, slowestMs }] of rests.entries()) {
    const { heapBytes, externalBytes, files, streams } = vitals
    log(
      `${names[n]} start ${servers[n]?.starts}: heap ${megabytes(heapBytes)} MB, external ${megabytes(externalBytes)} MB, ` +
        `${files} files, ${streams} streams open, ${handlesText(vitals)}; slowest call ${Math.round(slowestMs)} ms; ` +
        `calls ${JSON.stringify(outcomes)}`
    )
    if (streams > 0) wrong(`${names[n]} rests with ${streams} streams open`)
  }
  return rests
}

function printEnd(ends: readonly Quiet[]): void {
  const totals = { ...past }
  for (const outcomes of last.values()) addOutcomes(totals, outcomes)
  const rows = servers.map((server, n) => {
    const { vitals: end } = ends[n] as Quiet
    const start = firsts.get(server.name) ?? end
    const found = start === end ? [] : leaks(start, end)
    for (const leak of found) wrong(`${server.name}: ${leak}`)
    const fromTo = (of: (vitals: typeof end) => string | number) => `${of(start)} > ${of(end)}`
    return [
      server.name,
      server.starts,
      (end.ageMinutes - start.ageMinutes).toFixed(1),
      fromTo(({ heapBytes }) => megabytes(heapBytes)),
      fromTo(({ externalBytes }) => megabytes(externalBytes)),
      fromTo(handlesText),
      fromTo(({ files }) => files),
      fromTo(({ streams }) => streams)
    ]
  })
  const header = ['server', 'starts', 'minutes compared', 'heap MB', 'external MB', 'handles', 'files', 'open streams']
  console.log(`\n${table(header, rows)}`)
  const cells = Object.entries(totals).map(([outcome, calls]) => [outcome, number(calls, 0)])
  console.log(
    `\nCalls, but for those of a killed server since it last rested:\n\n${table(['outcome', 'calls'], cells)}`
  )
  console.log(`\n${table(['fault', 'times'], Object.entries(faults))}\n`)
}

process.on('exit', () => {
  for (const server of servers) server.kill()
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

console.log(`soak: ${names.length} servers, ${minutes} minutes, --seed ${seed}`)
await Promise.all(servers.map((server) => server.start()))
log('a round of 20 s to warm up')
let ends = await round(20_000)
for (let minute = 1; minute <= minutes; minute++) ends = await round(50_000 + wholeBelow(random, 5000))
printEnd(ends)
await Promise.all(servers.map(close))
await net.close()
console.log(failures.length === 0 ? 'nothing leaked, no wrong answer, every call settled' : `FAILED ${failures.length}`)
process.exitCode = failures.length === 0 ? 0 : 1
