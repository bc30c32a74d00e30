/**
 * A simulated network of lock servers, in virtual time: the servers, and what their clients have in place of connections.
 *
 * Requests and answers take their time, some of them longer than a grant lasts, overtake each other, or are lost. Servers
 * are restarted and forget everything. Links pass nothing for a while, and their ends notice it or do not.
 */

import { setMaxListeners } from 'node:events'
import type { LockArgs } from '../../../examples/locks/definitions.ts'
import { serveLocks } from '../../../examples/locks/server.ts'
import { LockTable } from '../../../examples/locks/table.ts'
import { parseTimeout } from '../../../lib/call/options.ts'
import { decodeRemoteError, encodeRemoteError } from '../../../lib/codec/remote-error.ts'
import { type CallOptions, DeadlineError, DisconnectedError, type Manager } from '../../../lib/index.ts'
import type { VirtualClock } from '../clock/virtual-clock.ts'
import { oneOf } from '../random.ts'

/** How long a grant lasts, by the clock of its server. */
export const ttlMs = 1000
/** Clocks of servers go faster or slower by so much. */
export const maxDrift = 0.03
export const maxLateMs = 2 * ttlMs
const redialMs = 50
const maxDownMs = 0.3 * ttlMs

/** What is wrong with the servers on purpose. */
export interface ServerMutant {
  /** They grant as soon as they are restarted. */
  readonly openAtOnce?: boolean
  /** They tell a time that is so many times as long as the one that they keep. */
  readonly lyingTtl?: number
}

/** What the ways through it have in common. */
export class Network {
  readonly clock: VirtualClock
  readonly random: () => number
  readonly mutant: ServerMutant
  readonly figures = { restarts: 0, late: 0, lost: 0 }
  /** From now on nothing more is late or lost. */
  isHealed = false
  readonly #meanDelayMs: number
  readonly #lateShare: number
  readonly #lossShare: number

  constructor(clock: VirtualClock, random: () => number, mutant: ServerMutant) {
    this.clock = clock
    this.random = random
    this.mutant = mutant
    this.#meanDelayMs = oneOf(random, [3, 10, 40])
    this.#lateShare = oneOf(random, [0, 0.1, 0.4])
    this.#lossShare = oneOf(random, [0, 0.02, 0.1])
  }

  /** Time that the next message is on its way; undefined when it gets lost. */
  delayMs(): number | undefined {
    if (this.#happens(this.#lossShare)) return void this.figures.lost++
    if (!this.#happens(this.#lateShare)) return -Math.log(1 - this.random()) * this.#meanDelayMs
    this.figures.late++
    return this.random() * maxLateMs
  }

  #happens(share: number): boolean {
    return !this.isHealed && this.random() < share
  }
}

type Handler = (args: LockArgs, context: unknown) => unknown

/** A lock server: a table behind the handlers of `serveLocks`, and a clock of its own. */
export class Server {
  readonly host: string
  isUp = true
  life = 1
  table: LockTable
  #handlers = new Map<string, Handler>()
  readonly #network: Network
  readonly #rate: number

  constructor(network: Network, host: string) {
    this.#network = network
    this.host = host
    this.#rate = 1 + (2 * network.random() - 1) * maxDrift
    this.table = this.#start(true)
  }

  get instance(): string {
    return `${this.host} in its life ${this.life}`
  }

  /** @throws {LockError} */
  answer(id: string, args: LockArgs, client: string): unknown {
    const reply = this.#handlers.get(id)?.(args, { remote: { host: client } })
    const factor = this.#network.mutant.lyingTtl
    if (factor === undefined || typeof reply !== 'object' || reply === null) return reply
    return { ...reply, ttlMs: ttlMs * factor }
  }

  restart(links: readonly Link[]): void {
    if (!this.isUp) return
    const { clock, random, figures, mutant } = this.#network
    figures.restarts++
    this.isUp = false
    for (const link of links) clock.after(random() * 20, () => link.disconnect())
    clock.after(random() * maxDownMs, () => {
      this.life++
      this.table = this.#start(mutant.openAtOnce === true)
      this.isUp = true
    })
  }

  #start(isOpen: boolean): LockTable {
    let aheadMs = 0
    const table = new LockTable({ ttlMs, now: () => this.#network.clock.nowMs * this.#rate + aheadMs })
    if (isOpen) aheadMs = ttlMs
    this.#handlers = new Map()
    const handle = ({ id }: { id: string }, handler: Handler) => this.#handlers.set(id, handler)
    serveLocks({ handle } as unknown as Manager, table)
    return table
  }
}

interface Call {
  readonly id: string
  readonly args: LockArgs
  isSent: boolean
  end(settle: (resolve: (reply: unknown) => void, reject: (error: unknown) => void) => void): void
}

/** What a client has of one server: as much of a `Connection` as locks use. */
export class Link {
  readonly host: string
  instance: string | undefined
  silentUntilMs = 0
  readonly #network: Network
  readonly #server: Server
  readonly #client: string
  readonly #calls = new Set<Call>()
  #isConnected = true

  constructor(network: Network, server: Server, client: string) {
    this.#network = network
    this.#server = server
    this.#client = client
    this.host = server.host
    this.instance = server.instance
  }

  request({ id }: { id: string }, given: LockArgs, options: CallOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { signal } = options
      const timeoutMs = parseTimeout(options.timeout, 60_000)
      const isReady = this.#isConnected || options.waitForReady === true
      if (!isReady) throw new DisconnectedError('notConnected', 'there is no conn', { delivery: 'notSent' })
      signal?.throwIfAborted()
      const onAbort = () => call.end((_resolve, fail) => fail(signal?.reason))
      const call: Call = {
        ...{ id, args: { ...given, resources: [...given.resources] }, isSent: false },
        end: (settle) => {
          if (!this.#calls.delete(call)) return
          clearTimeout(timer)
          signal?.removeEventListener('abort', onAbort)
          settle(resolve, reject)
        }
      }
      const timer = setTimeout(() => {
        const delivery = call.isSent ? 'maybeRan' : 'notSent'
        call.end((_resolve, fail) => fail(new DeadlineError('no answer in time', { delivery })))
      }, Math.ceil(timeoutMs))
      if (signal !== undefined) setMaxListeners(0, signal)
      signal?.addEventListener('abort', onAbort)
      this.#calls.add(call)
      if (this.#isConnected) this.#send(call)
    })
  }

  /** Passes nothing for a while; this end may notice it before it is over. */
  blackHole(forMs: number): void {
    const { clock, random } = this.#network
    this.silentUntilMs = Math.max(this.silentUntilMs, clock.nowMs + forMs)
    clock.after(random() * ttlMs, () => {
      if (clock.nowMs < this.silentUntilMs) this.disconnect()
    })
  }

  disconnect(): void {
    if (!this.#isConnected) return
    this.#isConnected = false
    const error = new DisconnectedError('lost', 'the conn was lost', { delivery: 'maybeRan' })
    for (const call of [...this.#calls]) if (call.isSent) call.end((_resolve, fail) => fail(error))
    this.#redialLater()
  }

  #redialLater(): void {
    const { clock, random } = this.#network
    clock.after(random() * redialMs, () => {
      if (!this.#server.isUp || clock.nowMs < this.silentUntilMs) return this.#redialLater()
      this.#isConnected = true
      this.instance = this.#server.instance
      for (const call of [...this.#calls]) this.#send(call)
    })
  }

  #send(call: Call): void {
    call.isSent = true
    const { instance } = this
    this.#pass(() => {
      // What an older conn carried may well arrive after this end has given it up, but not at another process.
      if (!this.#server.isUp || this.#server.instance !== instance) return
      const settle = this.#answer(call)
      this.#pass(() => call.end(settle))
    })
  }

  #answer({ id, args }: Call): Parameters<Call['end']>[0] {
    try {
      const reply = this.#server.answer(id, args, this.#client)
      return (resolve) => resolve(reply)
    } catch (error) {
      const payload = encodeRemoteError(error)
      return (_resolve, reject) => reject(decodeRemoteError(payload))
    }
  }

  /** One way over the network. What a black hole has swallowed is lost, or sent again when it is over. */
  #pass(arrive: () => void): void {
    const { clock, random } = this.#network
    const delayMs = this.#network.delayMs()
    if (delayMs === undefined) return
    clock.after(delayMs, () => {
      const silentMs = this.silentUntilMs - clock.nowMs
      if (silentMs <= 0) arrive()
      else if (random() < 0.5) clock.after(silentMs, arrive)
    })
  }
}
