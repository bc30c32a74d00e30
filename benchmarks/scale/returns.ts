/**
 * A mesh of 32 processes, of which one is killed and comes back, then each in turn, then all: how long it takes from the moment
 * in which a server listens until it is connected to all others.
 */

import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { optionsOf } from '../harness/arguments.ts'
import { Child } from '../harness/commands.ts'
import { listen } from '../harness/http.ts'
import { machine } from '../harness/machine.ts'
import { number, table } from '../harness/table.ts'
import type { MemberCommands } from './member.ts'

const {
  processes: size,
  library,
  away: longAwayMs,
  turns
} = optionsOf({ processes: 32, library: '', away: 60_000, turns: 8 })
const shortAwayMs = 3000

/** Ports that were free a moment ago: a server that comes back needs its old one. */
async function freeHosts(): Promise<string[]> {
  const servers = Array.from({ length: size }, () => createServer())
  const hosts = await Promise.all(servers.map(listen))
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return hosts
}

const hosts = await freeHosts()
const script = new URL('./member.ts', import.meta.url)
const start = (local: string) => new Child<MemberCommands>(script, [library, local, ...hosts])
const members = new Map<string, Child<MemberCommands>>()
const stopAll = () => Promise.all([...members.values()].map((member) => member.stop()))

/** How long it took from the moment in which the last of them listened. */
async function untilWhole(locals: readonly string[]): Promise<number> {
  for (const local of locals) members.set(local, start(local))
  const all = await Promise.all(locals.map((local) => (members.get(local) as Child<MemberCommands>).ask('whole')))
  return Math.max(...all.map(({ wholeMs }) => wholeMs)) - Math.max(...all.map(({ listeningMs }) => listeningMs))
}

async function comesBack(local: string, awayMs: number): Promise<number> {
  await members.get(local)?.stop()
  await delay(awayMs)
  return await untilWhole([local])
}

const rows: [what: string, figure: string][] = []
const tell = (what: string, ...tookMs: number[]) => {
  const sorted = tookMs.sort((a, b) => a - b).map((ms) => number(ms))
  rows.push([
    what,
    sorted.length === 1 ? `${sorted[0]} ms` : `${sorted[sorted.length >> 1]} ms, at most ${sorted.at(-1)} ms`
  ])
}

try {
  tell(`cold start of all ${size}`, await untilWhole(hosts))
  const some = hosts.slice(0, turns)
  const shortly: number[] = []
  for (const host of some) shortly.push(await comesBack(host, shortAwayMs))
  tell(
    `${some.length}, one after the other, each away for ${shortAwayMs / 1000} s and the start of a process`,
    ...shortly
  )
  tell(`one that was away for ${longAwayMs / 1000} s`, await comesBack(hosts[0] as string, longAwayMs))
  await stopAll()
  tell(`start of all ${size} again`, await untilWhole(hosts))
} finally {
  await stopAll()
}
console.log(`${size} processes over WebSockets on loopback: connected to all others after they listen`)
console.log(table(['what', 'figure: the median where there are several'], rows))
console.log(machine())
process.exit()
