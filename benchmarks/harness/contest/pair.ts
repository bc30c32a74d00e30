/** A contestant that runs: its server and its client, each a process that runs nothing else. */

import { setTimeout as delay } from 'node:timers/promises'
import { Child } from '../commands.ts'
import { besides } from '../library.ts'
import type { Entry, Round, Workload } from './contestant.ts'
import type { ContestantCommands } from './process.ts'

/** Only what hangs takes longer, however busy the machine is: to start, to answer, or to end a round that is over. */
const patienceMs = 120_000
const warmUpRounds = 3

/** How contestants are run. */
export interface Driving<Work extends Workload> {
  /** The module that exports `drive`. */
  readonly driver: URL
  readonly ms: number
  /**
   * New processes run the first of these that they have means for, and so compile their code: a workload with one call
   * at a time would be over before that is done, so these are busy ones, and run several times the length of a round.
   */
  readonly warmUps: readonly Work[]
}

interface Ends {
  readonly server: Child<ContestantCommands>
  readonly client: Child<ContestantCommands>
}

export type Pair = ReturnType<typeof pairOf>

export function pairOf(entry: Entry, driving: Driving<Workload>) {
  let starting: ReturnType<typeof start> | undefined
  return {
    /** Starts the processes when they are first needed. Rejects with `WrongAnswer`, or with another error if it could not be run. */
    async measure(workload: Workload) {
      // One that did not start will not do so later either.
      starting ??= start(entry, driving)
      const ends = await starting
      try {
        return { round: await measure(ends, workload, driving.ms), version: ends.version }
      } catch (error) {
        // Its state is unknown: the next workload gets new processes.
        starting = undefined
        await stop(ends)
        throw error
      }
    },
    async close(): Promise<void> {
      await starting?.then(stop, () => undefined)
    }
  }
}

/** Both processes, warm, and the version of the package. */
async function start({ module, id, lacks }: Entry, { driver, ms, warmUps }: Driving<Workload>) {
  const script = besides(import.meta.url, './process')
  const child = () => new Child<ContestantCommands>(script, [module, id, driver.href])
  const both = { server: child(), client: child() }
  try {
    const address = await within(patienceMs, both.server.ask('listen'))
    const version = await within(patienceMs, both.client.ask('connect', address))
    const warmUp = warmUps.find(({ kind }) => lacks?.[kind] === undefined)
    if (warmUp !== undefined) await measure(both, warmUp, ms * warmUpRounds)
    return { ...both, version }
  } catch (error) {
    await stop(both)
    throw error
  }
}

async function measure({ server, client }: Ends, workload: Workload, ms: number): Promise<Round> {
  const beforeUs = await within(patienceMs, server.ask('cpuUs'))
  const round = await within(ms * 10 + patienceMs, client.ask('run', { workload, ms }))
  const serverCpuUs = (await within(patienceMs, server.ask('cpuUs'))) - beforeUs
  return { ...round, cpuUs: round.cpuUs + serverCpuUs, serverCpuUs }
}

async function stop({ server, client }: Ends): Promise<void> {
  await Promise.all([server.stop(), client.stop()])
}

async function within<T>(timeoutMs: number, asked: Promise<T>): Promise<T> {
  const late = delay(timeoutMs, undefined, { ref: false }).then(() => {
    throw new Error(`no answer within ${timeoutMs / 1000} s`)
  })
  return await Promise.race([asked, late])
}
