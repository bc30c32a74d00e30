/** What it costs to take a read lock at another server and to give it back: two calls, two processes. */

import { Child } from '../harness/commands.ts'
import { least, median } from '../harness/statistics.ts'
import { type Cell, number, table } from '../harness/table.ts'
import type { LockServerCommands } from './round-trip-server.ts'

/** Of one round trip, which is both calls. */
export interface RoundTrip {
  readonly perSecond: number
  /** CPU of the end that calls, in microseconds. */
  readonly callerUs: number
  /** CPU of the end that holds the locks, in microseconds. */
  readonly holderUs: number
}

const callerCounts = [1, 64] as const
const warmUpCallers = 64
const probeRoundTrips = 100

type Server = Child<LockServerCommands>

/** Two servers, connected. */
export interface Servers {
  /** About `ms` of the clock for each number of callers. */
  round(ms: number): Promise<RoundTrip[]>
  stop(): Promise<void>
}

/** Two servers in new processes, between which so many round trips have been made. */
export async function startServers(library: URL, warmUpRoundTrips: number): Promise<Servers> {
  const start = (): Server => new Child(new URL('./round-trip-server.ts', import.meta.url), [library.href])
  const [caller, holder] = [start(), start()]
  const hosts = [await caller.ask('address'), await holder.ask('address')]
  await Promise.all([caller.ask('join', hosts), holder.ask('join', hosts)])
  await caller.ask('take', { callers: warmUpCallers, count: warmUpRoundTrips })
  return {
    async round(ms) {
      const results: RoundTrip[] = []
      for (const callers of callerCounts) results.push(await measure(caller, holder, callers, ms))
      return results
    },
    async stop() {
      await Promise.all([caller.stop(), holder.stop()])
    }
  }
}

async function measure(caller: Server, holder: Server, callers: number, ms: number): Promise<RoundTrip> {
  const probe = await caller.ask('take', { callers, count: probeRoundTrips })
  const count = Math.max(probeRoundTrips, Math.round((probeRoundTrips * ms) / probe.elapsedMs))
  const beforeUs = await holder.ask('cpuUs')
  const { elapsedMs, cpuUs } = await caller.ask('take', { callers, count })
  const holderUs = ((await holder.ask('cpuUs')) - beforeUs) / count
  if ((await holder.ask('locked')) > 0) throw new Error('locks are left')
  return { perSecond: (count / elapsedMs) * 1000, callerUs: cpuUs / count, holderUs }
}

/**
 * @param rounds for each round, one for each number of callers
 * @param decodeUs what two decodes take
 * @param readlineUs what they would by readline
 */
export function roundTripTable(
  rounds: readonly (readonly RoundTrip[])[],
  decodeUs: number,
  readlineUs: number
): string {
  const header = ['callers', 'round trips/s', 'us of CPU: caller', 'holder', 'both', 'least']
  const rows = callerCounts.map((callers, index): Cell[] => {
    const all = rounds.map((round) => round[index] as RoundTrip)
    const both = all.map(({ callerUs, holderUs }) => callerUs + holderUs)
    const holder = median(all.map(({ holderUs }) => holderUs))
    const rest = median(both) - decodeUs
    return [
      callers,
      number(median(all.map(({ perSecond }) => perSecond))),
      median(all.map(({ callerUs }) => callerUs)).toFixed(1),
      ...[holder, median(both), least(both)].map((us) => us.toFixed(1)),
      `${decodeUs.toFixed(1)} us: ${percent(decodeUs / median(both))}, ${percent(decodeUs / holder)} of the holder`,
      `${readlineUs.toFixed(1)} us: ${percent(readlineUs / (rest + readlineUs))}`
    ]
  })
  return table([...header, 'of it two decodes', 'by readline they were'], rows)
}

function percent(share: number): string {
  return `${number(share * 100)} %`
}
