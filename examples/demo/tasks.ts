/**
 * What a server of the demo does as a caller, each task when the demo asks for it.
 *
 * Every task returns plain data, which the demo checks.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import batch from 'it-batch'
import map from 'it-map'
import { LockClient } from '../../lib/extras/locks/index.ts'
import { type Connection, GridError, type GridStream, type Manager, pipe } from '../../lib/index.ts'
import { add, count, haveReadLock, introduce, job, walk } from './definitions.ts'
import type { Workshop } from './handlers.ts'
import type { GridPlan, OpenSockets, Outcome } from './ipc.ts'

export interface TasksInit {
  readonly name: string
  readonly workshop: Workshop
  readonly openSockets: () => OpenSockets
  join(plan: GridPlan): Promise<Manager>
  leave(grid: Manager): Promise<void>
  /** The sabotage: makes one of its counts without a lock. */
  readonly lockless: boolean
}

/** The names of the tasks that the demo can ask for. */
export type TaskName = Exclude<keyof Tasks, 'run'>

export class Tasks {
  readonly #init: TasksInit
  readonly #hosts = new Map<string, string>()
  readonly #cancels = new Map<string, AbortController>()
  #grid: Manager | undefined
  #locks: LockClient | undefined
  #numbers: GridStream<never, number> | undefined

  constructor(init: TasksInit) {
    this.#init = init
  }

  /** Runs the task of this name, which arrived over IPC. */
  async run(task: string, args: readonly unknown[]): Promise<unknown> {
    const method: unknown = this[task as TaskName]
    if (typeof method !== 'function') throw new Error(`there is no task ${task}`)
    return await method.apply(this, args)
  }

  async join(plan: GridPlan): Promise<string> {
    for (const { name, host } of plan.servers) this.#hosts.set(name, host)
    this.#grid = await this.#init.join(plan)
    this.#locks = new LockClient(this.#grid, {
      servers: plan.servers.map(({ host }) => host),
      requestTimeoutMs: plan.lockTtlMs
    })
    return this.#grid.instance
  }

  /** Waits for all peers. Returns how many there are. */
  async waitForPeers(): Promise<number> {
    await this.#manager.waitForPeers()
    return this.#manager.connections.length
  }

  /** The peers that the manager says it dials. */
  dials(): string[] {
    const dialed = this.#manager.stats().connections.filter(({ isDialer }) => isDialer)
    return dialed.map(({ host }) => this.#nameOf(host))
  }

  sockets(): OpenSockets {
    return this.#init.openSockets()
  }

  // Single requests

  async introduce(peer: string, times = 1): Promise<string[]> {
    const requests = Array.from({ length: times }, () =>
      this.#peer(peer).request(introduce, { asker: this.#init.name })
    )
    const replies = await Promise.all(requests)
    return [...new Set(replies.map(({ greeting, pid }) => `${greeting}, pid ${pid}`))]
  }

  /** Asks `peer` to do a job, and reports how the call ended. */
  job(peer: string, id: string, options: { timeout?: number; waitForReady?: boolean } = {}): Promise<Outcome> {
    const cancel = new AbortController()
    this.#cancels.set(id, cancel)
    return outcome(() => this.#peer(peer).request(job, { id }, { ...options, signal: cancel.signal }))
  }

  cancelJob(id: string, reason: string): void {
    this.#cancels.get(id)?.abort(new Error(reason))
  }

  /** Lets a job of this process end. */
  releaseJob(id: string): boolean {
    return this.#init.workshop.releases.emit(id)
  }

  // Streams

  /** The remote walk is the source of a local pipeline. */
  async walk(peer: string, folder: string): Promise<{ entries: number; bytes: number; batches: number[] }> {
    const seen = { entries: 0, bytes: 0, batches: [] as number[] }
    await pipe(
      this.#peer(peer).newStream(walk, { folder }),
      (entries) => map(entries, ({ bytes }) => bytes),
      (sizes) => batch(sizes, 100),
      async (batches) => {
        for await (const sizes of batches) {
          seen.batches.push(sizes.length)
          seen.entries += sizes.length
          seen.bytes += sizes.reduce((sum, size) => sum + size, 0)
        }
      }
    )
    return seen
  }

  startCounting(peer: string, upTo: number): void {
    this.#numbers = this.#peer(peer).newStream(count, { upTo })
  }

  /** Takes `howMany` numbers, and then no more until the next call. */
  takeNumbers(howMany: number): Promise<Outcome> {
    const numbers = this.#counting.responses
    return outcome(async () => {
      let last = 0
      for (let taken = 0; taken < howMany; taken++) {
        const { done, value } = await numbers.next()
        if (done === true) break
        last = value
      }
      return last
    })
  }

  /** Does what `break` does in a `for await`. Returns how the stream ended. */
  async stopCounting(): Promise<string> {
    await this.#counting.responses.return?.()
    return (await this.#counting.closed).how
  }

  /** How far the generator of this process has got, which serves a remote consumer. */
  numbersMade(): number {
    return this.#init.workshop.numbersMade
  }

  /** A conversation: each number is sent after the answer to the one before. Then the requests are ended. */
  async addUp(peer: string, numbers: readonly number[]): Promise<{ turns: string[]; last: string[]; end: string }> {
    const stream = this.#peer(peer).newStream(add)
    const turns: string[] = []
    for (const number of numbers) {
      await stream.send(number)
      const { value } = await stream.responses.next()
      turns.push(`${number} -> ${value}`)
    }
    stream.requests.end()
    const last: string[] = []
    for await (const line of stream) last.push(line)
    return { turns, last, end: (await stream.closed).how }
  }

  // Locks

  /** Reads a number from a file, waits, and writes the next one. Without a lock, counts are lost. */
  async countUp(file: string, times: number): Promise<void> {
    const increment = async () => {
      const before = Number(readFileSync(file, 'utf8'))
      await delay(2)
      writeFileSync(file, String(before + 1))
    }
    if (this.#init.lockless) times -= await overwriteOne(file)
    for (let time = 0; time < times; time++) {
      await this.#lockClient.withLock(['counter'], increment, { source: 'countUp' })
    }
  }

  /** Holds a read lock until `peer` has said that it holds it too. */
  readBeside(peer: string): Promise<string> {
    return this.#lockClient.withRLock(['book'], async (signal) => {
      await this.#peer(peer).request(haveReadLock, { reader: this.#init.name })
      while (!this.#init.workshop.readers.has(peer)) await delay(1, undefined, { signal })
      return 'met'
    })
  }

  /** Resolves when it has the lock, and never gives the lock back. */
  holdLock(resource: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const hold = () => new Promise<never>(() => resolve())
      this.#lockClient.withLock([resource], hold, { source: 'holdLock' }).catch(reject)
    })
  }

  lockOnce(resource: string): Promise<Outcome> {
    return outcome(() => this.#lockClient.withLock([resource], () => 'had it', { source: 'lockOnce' }))
  }

  async stop(): Promise<string[]> {
    const { connections } = this.#manager
    await this.#init.leave(this.#manager)
    return connections.map(({ state }) => state)
  }

  get #manager(): Manager {
    if (this.#grid === undefined) throw new Error('this server has not joined the grid')
    return this.#grid
  }

  get #lockClient(): LockClient {
    if (this.#locks === undefined) throw new Error('this server has not joined the grid')
    return this.#locks
  }

  get #counting(): GridStream<never, number> {
    if (this.#numbers === undefined) throw new Error('no stream of numbers was started')
    return this.#numbers
  }

  #peer(name: string): Connection {
    return this.#manager.connection(this.#hosts.get(name) ?? name)
  }

  #nameOf(host: string): string {
    for (const [name, known] of this.#hosts) if (known === host) return name
    return host
  }
}

/** The sabotage: counts once without a lock, over the count of another process. */
async function overwriteOne(file: string): Promise<number> {
  const before = readFileSync(file, 'utf8')
  while (readFileSync(file, 'utf8') === before) await delay(1)
  writeFileSync(file, String(Number(before) + 1))
  return 1
}

async function outcome(call: () => Promise<unknown>): Promise<Outcome> {
  const startedAt = performance.now()
  const elapsedMs = () => performance.now() - startedAt
  try {
    const value = await call()
    return { value, elapsedMs: elapsedMs() }
  } catch (thrown) {
    if (!(thrown instanceof GridError)) {
      const { name, message: text } = thrown instanceof Error ? thrown : new Error(String(thrown))
      return { error: { name, code: '', text }, elapsedMs: elapsedMs() }
    }
    const { name, code, delivery, message: text } = thrown
    const error = { name, code, delivery, text }
    return { error, elapsedMs: elapsedMs() }
  }
}
