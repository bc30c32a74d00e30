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
  /** New processes run the first of these that they have means for: long enough that they compile their code. */
  readonly warmUps: readonly Work[]
}

export class Pair {
  readonly version: string | undefined
  readonly #server: Child<ContestantCommands>
  readonly #client: Child<ContestantCommands>

  private constructor(server: Child<ContestantCommands>, client: Child<ContestantCommands>, version?: string) {
    this.#server = server
    this.#client = client
    this.version = version
  }

  /**
   * Starts both processes and makes them compile their code. A workload with one call at a time would be over before
   * that is done, so this takes a busy one, and several times the length of a round.
   */
  static async start(entry: Entry, { driver, ms, warmUps }: Driving<Workload>): Promise<Pair> {
    const { module, id, lacks } = entry
    const start = () => new Child<ContestantCommands>(besides(import.meta.url, './process'), [module, id, driver.href])
    const [server, client] = [start(), start()]
    try {
      const address = await within(startTimeoutMs, server.ask('listen'))
      const pair = new Pair(server, client, await within(startTimeoutMs, client.ask('connect', address)))
      const warmUp = warmUps.find(({ kind }) => lacks?.[kind] === undefined)
      if (warmUp !== undefined) await pair.measure(warmUp, ms * warmUpRounds)
      return pair
    } catch (error) {
      await Promise.all([server.stop(), client.stop()])
      throw error
    }
  }

  /** Rejects with `WrongAnswer`, or with another error if it could not be run. */
  async measure(workload: Workload, ms: number): Promise<Round> {
    const beforeUs = await this.#serverCpuUs()
    const round = await within(ms * 10 + roundGraceMs, this.#client.ask('run', { workload, ms }))
    const serverCpuUs = (await this.#serverCpuUs()) - beforeUs
    return { ...round, cpuUs: round.cpuUs + serverCpuUs, serverCpuUs }
  }

  async close(): Promise<void> {
    await Promise.all([this.#client.stop(), this.#server.stop()])
  }

  async #serverCpuUs(): Promise<number> {
    return await within(cpuTimeoutMs, this.#server.ask('cpuUs'))
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
