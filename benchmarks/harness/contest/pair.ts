/** A contestant that runs: its server and its client, each a process that runs nothing else. */

import { Child } from '../commands.ts'
import { besides } from '../library.ts'
import type { Entry, Round, Workload } from './contestant.ts'
import type { ContestantCommands } from './process.ts'

/** Loading, through a loader of sources too, on a busy machine. */
const startTimeoutMs = 20_000
const cpuTimeoutMs = 10_000
/** A round takes as long as it is told to, streams somewhat longer when they slow down. */
const roundGraceMs = 15_000
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

export interface Pair {
  readonly version: string | undefined
  /** Rejects with `WrongAnswer`, or with another error if it could not be run. */
  measure(workload: Workload, ms: number): Promise<Round>
  close(): Promise<void>
}

/** Starts both processes, and makes them warm. */
export async function startPair(entry: Entry, { driver, ms, warmUps }: Driving<Workload>): Promise<Pair> {
  const { module, id, lacks } = entry
  const script = besides(import.meta.url, './process')
  const start = () => new Child<ContestantCommands>(script, [module, id, driver.href])
  const [server, client] = [start(), start()]
  const serverCpuUs = () => within(cpuTimeoutMs, server.ask('cpuUs'))
  const measure = async (workload: Workload, ms: number): Promise<Round> => {
    const beforeUs = await serverCpuUs()
    const round = await within(ms * 10 + roundGraceMs, client.ask('run', { workload, ms }))
    const serverUs = (await serverCpuUs()) - beforeUs
    return { ...round, cpuUs: round.cpuUs + serverUs, serverCpuUs: serverUs }
  }
  const close = async (): Promise<void> => {
    await Promise.all([server.stop(), client.stop()])
  }
  try {
    const address = await within(startTimeoutMs, server.ask('listen'))
    const version = await within(startTimeoutMs, client.ask('connect', address))
    const warmUp = warmUps.find(({ kind }) => lacks?.[kind] === undefined)
    if (warmUp !== undefined) await measure(warmUp, ms * warmUpRounds)
    return { version, measure, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function within<T>(timeoutMs: number, asked: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs / 1000} s`)), timeoutMs)
  })
  try {
    return await Promise.race([asked, late])
  } finally {
    clearTimeout(timer)
  }
}
