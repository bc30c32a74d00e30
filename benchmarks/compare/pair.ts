/** A contestant that runs: its server and its client, each a process that runs nothing else. */

import { Child } from './child.ts'
import type { ClientRound, Reply } from './ipc.ts'
import type { Entry } from './roster.ts'
import type { Workload } from './workloads.ts'

/** Loading, through a loader of sources too, on a busy machine. */
const startTimeoutMs = 20_000
const cpuTimeoutMs = 10_000
/** A round takes as long as it is told to, streams somewhat longer when they slow down. */
const roundGraceMs = 15_000

const warmUps: readonly Workload[] = [
  { id: 'warm-up', title: '', kind: 'request', callers: 64, bytes: 512 },
  { id: 'warm-up', title: '', kind: 'server-stream', streams: 64, bytes: 512 },
  { id: 'warm-up', title: '', kind: 'operation', callers: 64, bytes: 0 }
]
const warmUpRounds = 3

/** One round of a workload; the CPU time is that of both processes. */
export interface Round extends ClientRound {
  /** The part of it that is the server's. */
  readonly serverCpuUs: number
}

export class Pair {
  readonly #server: Child
  readonly #client: Child
  readonly version: string | undefined

  private constructor(server: Child, client: Child, version: string | undefined) {
    this.#server = server
    this.#client = client
    this.version = version
  }

  /**
   * Starts both processes and makes them compile their code. A workload with one call at a time would be over before
   * that is done, so this takes a busy one, and several times the length of a round.
   */
  static async start({ module, id, lacks }: Entry, ms: number): Promise<Pair> {
    const server = new Child('server-process', [module, id])
    let client: Child | undefined
    try {
      const { address } = reply(await server.ask(undefined, startTimeoutMs), 'address')
      client = new Child('client-process', [module, id, address])
      const { version } = reply(await client.ask(undefined, startTimeoutMs), 'isConnected')
      const pair = new Pair(server, client, version)
      const warmUp = warmUps.find(({ kind }) => lacks?.[kind] === undefined)
      if (warmUp !== undefined) await pair.measure(warmUp, ms * warmUpRounds)
      return pair
    } catch (error) {
      await Promise.all([server.close(), client?.close()])
      throw error
    }
  }

  /** Rejects with `WrongAnswer`, or with another error if it could not be run. */
  async measure(workload: Workload, ms: number): Promise<Round> {
    const before = await this.#serverCpuUs()
    const { round } = reply(await this.#client.ask({ workload, ms }, ms * 10 + roundGraceMs), 'round')
    const serverCpuUs = (await this.#serverCpuUs()) - before
    return { ...round, cpuUs: round.cpuUs + serverCpuUs, serverCpuUs }
  }

  async close(): Promise<void> {
    await Promise.all([this.#client.close(), this.#server.close()])
  }

  async #serverCpuUs(): Promise<number> {
    return reply(await this.#server.ask('cpu', cpuTimeoutMs), 'cpuUs').cpuUs
  }
}

type ReplyWith<Key extends string> = Extract<Reply, { readonly [key in Key]: unknown }>

function reply<Key extends 'address' | 'isConnected' | 'cpuUs' | 'round'>(given: Reply, key: Key): ReplyWith<Key> {
  if (!(key in given)) throw new Error(`its process said something else than its ${key}`)
  return given as ReplyWith<Key>
}
