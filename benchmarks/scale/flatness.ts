/**
 * The cost of a request as the number of connections, of open idle streams and of registered handlers grows 10 and 100
 * times: it should not change.
 *
 * Each case is a process of its own, both ends in it, 64 callers with 512 B. CPU is the median, and the least, of rounds
 * that are interleaved between all cases, in three processes each; full GCs are collections of all garbage per round, and
 * explain most of what differs. Bytes are exact, see `harness/measure.ts`.
 */

import { optionsOf } from '../harness/arguments.ts'
import { Child } from '../harness/commands.ts'
import { allocationFlags } from '../harness/pieces/measure.ts'
import { least, median } from '../harness/statistics.ts'
import { type Cell, number, table } from '../harness/table.ts'
import type { FlatCommands, Round } from './flat-load.ts'

const { rounds, requests } = optionsOf({ rounds: 4, requests: 20_000 })

const warmUpRounds = 5
const generations = 3

/** With `spread` the callers use all connections, not one. */
const base = { connections: 1, streams: 100, handlers: 10, spread: false }
type Case = typeof base
const cases: readonly Case[] = [
  base,
  { ...base, connections: 10 },
  { ...base, connections: 100 },
  { ...base, streams: 1_000 },
  { ...base, streams: 10_000 },
  { ...base, handlers: 100 },
  { ...base, handlers: 1_000 },
  { ...base, connections: 10, spread: true },
  { ...base, connections: 100, spread: true }
]

function start({ connections, streams, handlers, spread }: Case, flags: readonly string[]) {
  const args = [connections, streams, handlers, Number(spread)].map(String)
  return new Child<FlatCommands>(new URL('./flat-load.ts', import.meta.url), args, flags)
}

/** One generation of processes: what V8 makes of the code differs from process to process. */
async function addRounds(results: readonly Round[][], generation: number): Promise<void> {
  const processes = cases.map((each) => start(each, []))
  for (let round = 1 - warmUpRounds; round <= rounds; round++) {
    console.error(`processes ${generation} of ${generations}, ${round < 1 ? 'warm-up' : `round ${round} of ${rounds}`}`)
    for (const [index, process] of processes.entries()) {
      const result = await process.ask('round', requests)
      if (round > 0) results[index]?.push(result)
    }
  }
  await Promise.all(processes.map((process) => process.stop()))
}

async function bytesOf(each: Case): Promise<string> {
  console.error(`memory: ${JSON.stringify(each)}`)
  const process = start(each, allocationFlags)
  await process.ask('round', requests)
  const bytes = await process.ask('bytes')
  await process.stop()
  return number(bytes)
}

const results: Round[][] = cases.map(() => [])
for (let generation = 1; generation <= generations; generation++) await addRounds(results, generation)

const first = results[0]?.map(({ us }) => us) ?? []
const rows: Cell[][] = []
for (const [index, each] of cases.entries()) {
  const { connections, streams, handlers, spread } = each
  const all = results[index] as Round[]
  const cpu = all.map(({ us }) => us)
  const collections = all.reduce((sum, { fullCollections }) => sum + fullCollections, 0) / all.length
  const ratios = [median(cpu) / median(first), least(cpu) / least(first)].map((ratio) => ratio.toFixed(2))
  const us = [median(cpu), least(cpu)].map((each) => each.toFixed(1))
  const what = [connections, number(streams), number(handlers), spread ? 'all' : 'one']
  rows.push([...what, ...us, ratios.join(', '), collections.toFixed(1), await bytesOf(each)])
}
const all = rounds * generations
console.log(`64 callers, 512 B echoed, ${all} rounds of ${number(requests)} requests, both ends in one process`)
const columns = ['connections', 'open streams', 'handlers', 'used', 'us of CPU', 'least', 'to the first']
console.log(table([...columns, 'full GCs', 'B'], rows))
