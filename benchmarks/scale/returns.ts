/**
 * A mesh of 32 processes, of which one is killed and comes back, then each in turn, then all: how long it takes from the moment
 * in which a server listens until it is connected to all others.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { optionsOf } from '../harness/arguments.ts'
import { machine } from '../harness/machine.ts'
import { number, table } from '../harness/table.ts'
import { meshOf } from './members.ts'

const given = optionsOf({ processes: 32, library: '', away: 60_000, turns: 8 })
const { processes: size, away: longAwayMs, turns } = given
const shortAwayMs = 3000

const mesh = await meshOf(size, given.library)
const { hosts } = mesh

async function comesBack(local: string, awayMs: number): Promise<number> {
  await mesh.stop([local])
  await delay(awayMs)
  return await mesh.untilWhole([local])
}

const rows: [what: string, figure: string][] = []
const tell = (what: string, ...tookMs: number[]) => {
  const sorted = tookMs.sort((a, b) => a - b).map((ms) => `${number(ms)} ms`)
  const most = sorted.length === 1 ? '' : `, at most ${sorted.at(-1)}`
  rows.push([what, `${sorted[sorted.length >> 1]}${most}`])
}

try {
  tell(`cold start of all ${size}`, await mesh.untilWhole())
  const some = hosts.slice(0, turns)
  const shortly: number[] = []
  for (const host of some) shortly.push(await comesBack(host, shortAwayMs))
  const inTurn = `${some.length}, one after the other, each away for ${shortAwayMs / 1000} s and the start of a process`
  tell(inTurn, ...shortly)
  tell(`one that was away for ${longAwayMs / 1000} s`, await comesBack(hosts[0] as string, longAwayMs))
  await mesh.stop()
  tell(`start of all ${size} again`, await mesh.untilWhole())
} finally {
  await mesh.stop()
}
console.log(`${size} processes over WebSockets on loopback: connected to all others after they listen`)
console.log(table(['what', 'figure: the median where there are several'], rows))
console.log(machine())
process.exit()
