/** What it costs to take a read lock at another server and to give it back: two calls, two processes. */

import { CommandedProcess } from '../harness/commands.ts'
import type { LockServerCommands } from './server.ts'

/** Of one round trip, which is both calls. */
export interface RoundTrip {
  readonly perSecond: number
  /** CPU of the end that calls, in microseconds. */
  readonly callerUs: number
  /** CPU of the end that holds the locks, in microseconds. */
  readonly holderUs: number
}

export const callerCounts = [1, 64] as const

const warmUpCallers = 64
const probeRoundTrips = 100

type Server = CommandedProcess<LockServerCommands>

/** Two servers, connected. */
export interface Servers {
  /** About `ms` of the clock for each number of callers. */
  round(ms: number): Promise<RoundTrip[]>
  stop(): Promise<void>
}

/** Two servers in new processes, between which so many round trips have been made. */
export async function startServers(library: URL, warmUpRoundTrips: number): Promise<Servers> {
  const [caller, holder] = [start(library), start(library)]
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
  const before = await holder.ask('cpu')
  const { elapsedMs, cpuUs } = await caller.ask('take', { callers, count })
  const holderUs = ((await holder.ask('cpu')) - before) / count
  if ((await holder.ask('locked')) > 0) throw new Error('locks are left')
  return { perSecond: (count / elapsedMs) * 1000, callerUs: cpuUs / count, holderUs }
}

function start(library: URL): Server {
  return new CommandedProcess(new URL('./server.ts', import.meta.url), [library.href])
}
