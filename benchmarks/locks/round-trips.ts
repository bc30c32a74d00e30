/** What it costs to take a read lock at another server and to give it back: two calls, two processes. */

import { cpuUsOf, perSecond, type Round } from '../harness/contest/contestant.ts'
import { type Pair, startPair } from '../harness/contest/pair.ts'
import { besides } from '../harness/library.ts'
import { least, median } from '../harness/statistics.ts'
import { type Cell, number, table } from '../harness/table.ts'
import type { RoundTripWorkload } from './contestants/built-grid.ts'

const contestant = besides(import.meta.url, './contestants/built-grid')
const id = 'built-grid'
const callerCounts = [1, 64]
const probeCount = 100
/** Sets how long the warm-up may take; it has a number of round trips. */
const warmUpMs = 2_000

const workload = (callers: number, count: number): RoundTripWorkload => ({ id, kind: 'round-trips', callers, count })

/** One round for each number of callers. */
export type RoundTrips = readonly Round[]

/** Two servers in new processes, between which so many round trips have been made. */
export async function startServers(library: URL, warmUpRoundTrips: number): Promise<Pair> {
  const entry = { id, label: id, module: contestant.href, isRival: false, args: [library.href] }
  return await startPair(entry, { driver: contestant, ms: warmUpMs, warmUps: [workload(64, warmUpRoundTrips)] })
}

/** About `ms` for each number of callers; how many round trips that is tells a probe. */
export async function measureRoundTrips(servers: Pair, ms: number): Promise<RoundTrips> {
  const rounds: Round[] = []
  for (const callers of callerCounts) {
    const { elapsedMs } = await servers.measure(workload(callers, probeCount), ms)
    const count = Math.max(probeCount, Math.round((probeCount * ms) / elapsedMs))
    rounds.push(await servers.measure(workload(callers, count), ms))
    await servers.measure(workload(callers, 0), ms)
  }
  return rounds
}

/** `decodeUs` is what two decodes take, `readlineUs` what they would take by readline. */
export function roundTripTable(rounds: readonly RoundTrips[], decodeUs: number, readlineUs: number): string {
  const header = ['callers', 'round trips/s', 'us of CPU: caller', 'holder', 'both', 'least']
  const rows = callerCounts.map((callers, index): Cell[] => {
    const all = rounds.map((round) => round[index] as Round)
    const cpu = all.map(cpuUsOf)
    const both = cpu.map((each) => each.both)
    const holder = median(cpu.map(({ server }) => server))
    const caller = median(cpu.map(({ client }) => client))
    const rest = median(both) - decodeUs
    return [
      callers,
      number(median(all.map(perSecond))),
      ...[caller, holder, median(both), least(both)].map((us) => us.toFixed(1)),
      `${decodeUs.toFixed(1)} us: ${percent(decodeUs / median(both))}, ${percent(decodeUs / holder)} of the holder`,
      `${readlineUs.toFixed(1)} us: ${percent(readlineUs / (rest + readlineUs))}`
    ]
  })
  return table([...header, 'of it two decodes', 'by readline they were'], rows)
}

function percent(share: number): string {
  return `${number(share * 100)} %`
}
