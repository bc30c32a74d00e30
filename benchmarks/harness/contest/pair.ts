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

export class Pair {
  /** Of its package, once it runs. */
  version: string | undefined
  readonly #entry: Entry
  readonly #driving: Driving<Workload>
  #ends: Promise<Ends> | undefined

  constructor(entry: Entry, driving: Driving<Workload>) {
    this.#entry = entry
    this.#driving = driving
  }

  /** Starts the processes when they are first needed. Rejects with `WrongAnswer`, or with another error if it could not be run. */
  async measure(workload: Workload): Promise<Round> {
    // One that did not start will not do so later either.
    this.#ends ??= this.#start()
    const ends = await this.#ends
    try {
      return await measure(ends, workload, this.#driving.ms)
    } catch (error) {
      // Its state is unknown: the next workload gets new processes.
      this.#ends = undefined
      await stop(ends)
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#ends?.then(stop, () => undefined)
  }

  /** Both processes, warm. */
  async #start(): Promise<Ends> {
    const { module, id, lacks } = this.#entry
    const { driver, ms, warmUps } = this.#driving
    const script = besides(import.meta.url, './process')
    const start = () => new Child<ContestantCommands>(script, [module, id, driver.href])
    const ends = { server: start(), client: start() }
    try {
      const address = await within(patienceMs, ends.server.ask('listen'))
      this.version = await within(patienceMs, ends.client.ask('connect', address))
      const warmUp = warmUps.find(({ kind }) => lacks?.[kind] === undefined)
      if (warmUp !== undefined) await measure(ends, warmUp, ms * warmUpRounds)
      return ends
    } catch (error) {
      await stop(ends)
      throw error
    }
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
