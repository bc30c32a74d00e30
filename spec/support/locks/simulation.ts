/**
 * Lock servers and clients on a simulated network in virtual time, where everything goes wrong that can: minutes of faults in
 * milliseconds, the same again from the same seed.
 *
 * The tables, handlers and clients are those of `examples/locks`. Each server has a clock of its own rate. Requests and
 * answers take their time, some of them longer than a grant lasts, overtake each other, or are lost; servers forget
 * everything; links pass nothing for a while, notice it or not. In the end all is healed, and everybody must get a lock.
 */

import { LockClient } from '../../../examples/locks/client.ts'
import { LockError } from '../../../examples/locks/errors.ts'
import type { LockKind } from '../../../examples/locks/table.ts'
import { type Manager, UnknownHostError } from '../../../lib/index.ts'
import { VirtualClock } from '../clock/virtual-clock.ts'
import { oneOf, randomFrom, wholeBelow } from '../random.ts'
import { Inside } from './holders.ts'
import { Link, maxDrift, maxLateMs, Network, Server, type ServerMutant, ttlMs } from './simulated-network.ts'

/** What is wrong on purpose, to see whether it is found. */
export interface Mutant extends ServerMutant {
  /** Holders work on whatever their signal says, as if nobody watched their lock. */
  readonly deafHolder?: boolean
}

export interface SimulationOptions {
  readonly seed: number
  readonly servers: number
  readonly mutant?: Mutant
}

export type SimulationResult = Awaited<ReturnType<typeof simulate>>
export type Figure = keyof SimulationResult['figures']

const faultsForMs = 4 * ttlMs
/** Enough for what goes on when all is healed, and for everybody's last lock. */
const healingMs = 30 * ttlMs
const lastTimeoutMs = 20 * ttlMs
const maxBlackHoleMs = 2 * ttlMs
const names = ['a', 'b', 'c']

/** Runs alone in its process: it takes over the clock and `Math.random`. */
export async function simulate(options: SimulationOptions) {
  const random = randomFrom(options.seed)
  using clock = new VirtualClock(random)
  const simulation = new Simulation(options, clock, random)
  const unhandled: string[] = []
  const onUnhandled = (reason: unknown) => unhandled.push(String(reason))
  // Thousands of errors are made here that are no surprise: most of the time would go into their stacks.
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  process.on('unhandledRejection', onUnhandled)
  try {
    await simulation.run()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
    process.off('unhandledRejection', onUnhandled)
  }
  const { figures, network, inside, stuck, unexpected, leftGrants } = simulation
  const { writes, reads, violations } = inside
  const all = { entries: writes + reads, ...figures, ...network.figures }
  return { figures: all, violations, stuck, unexpected, unhandled, leftGrants, leftTimers: clock.pending }
}

class Simulation {
  readonly network: Network
  readonly mutant: Mutant
  readonly figures = { losses: 0, timeouts: 0, aborts: 0, blackHoles: 0 }
  readonly inside = new Inside()
  /** Workers that did not get a lock once more after all was healed, or did not come to an end. */
  readonly stuck: string[] = []
  /** Errors that no caller should see. */
  readonly unexpected: string[] = []
  readonly #servers: readonly Server[]
  /** One row for each client. */
  readonly #links: readonly (readonly Link[])[]
  readonly #faultGapMs: number

  constructor({ servers, mutant = {} }: SimulationOptions, clock: VirtualClock, random: () => number) {
    const network = new Network(clock, random, mutant)
    this.network = network
    this.mutant = mutant
    this.#faultGapMs = oneOf(random, [500, 1000, 2000])
    this.#servers = Array.from({ length: servers }, (_, at) => new Server(network, `server-${at}`))
    this.#links = Array.from({ length: 2 + wholeBelow(random, 2) }, (_, at) =>
      this.#servers.map((server) => new Link(network, server, `client-${at}`))
    )
  }

  get leftGrants(): number {
    return this.#servers.reduce((sum, { table }) => sum + table.size, 0)
  }

  async run(): Promise<void> {
    const { clock } = this.network
    const working = new Set<Worker>()
    for (const [at, links] of this.#links.entries()) {
      const client = this.#client(`client-${at}`, links)
      for (const number of [1, 2]) {
        const worker = new Worker(this, client, `worker ${number} of client-${at}`)
        working.add(worker)
        void worker.work().then(() => working.delete(worker))
      }
    }
    this.#breakLater()
    await clock.run(faultsForMs)
    this.network.isHealed = true
    for (const link of this.#links.flat()) link.silentUntilMs = 0
    await clock.run(healingMs, () => working.size === 0)
    for (const { name } of working) this.stuck.push(`${name} has not come to an end`)
    // Whatever is still under way arrives, and what it is granted ends by itself.
    await clock.run(maxLateMs + maxBlackHoleMs + ttlMs * (1 + 2 * maxDrift))
  }

  #client(local: string, links: readonly Link[]): LockClient {
    const byHost = new Map(links.map((link) => [link.host, link]))
    const connection = (host: string) => {
      const link = byHost.get(host)
      if (link === undefined) throw new UnknownHostError(`${host} is not among the hosts`)
      return link
    }
    return new LockClient({ local, connection } as unknown as Manager, {
      servers: links.map(({ host }) => host),
      requestTimeoutMs: oneOf(this.network.random, [200, 1500, 3000])
    })
  }

  /** A server is restarted, or all are in a hurry; or nothing passes between a server and all or one, or a client and all. */
  #breakLater(): void {
    const { clock, random } = this.network
    clock.after(random() * this.#faultGapMs, () => {
      if (this.network.isHealed) return
      const at = wholeBelow(random, this.#servers.length)
      const chance = random()
      if (chance < 0.15) this.#restart(at)
      else if (chance < 0.25)
        for (const each of this.#servers.keys()) clock.after(random() * ttlMs, () => this.#restart(each))
      else {
        const ofServer = this.#links.map((row) => row[at] as Link)
        this.figures.blackHoles++
        const forMs = random() * maxBlackHoleMs
        const links = chance < 0.5 ? ofServer : chance < 0.75 ? [oneOf(random, ofServer)] : oneOf(random, this.#links)
        for (const link of links) link.blackHole(forMs)
      }
      this.#breakLater()
    })
  }

  #restart(at: number): void {
    this.#servers[at]?.restart(this.#links.map((row) => row[at] as Link))
  }
}

/** Takes locks one after the other, and once more when all is healed. */
class Worker {
  readonly name: string
  readonly #simulation: Simulation
  readonly #client: LockClient
  #rounds = 0

  constructor(simulation: Simulation, client: LockClient, name: string) {
    this.#simulation = simulation
    this.#client = client
    this.name = name
  }

  async work(): Promise<void> {
    const { network, figures, unexpected, stuck } = this.#simulation
    const { clock, random } = network
    while (!network.isHealed) {
      const maxHoldMs = ttlMs * oneOf(random, [0.04, 0.04, 0.4, 0.4, random() < 0.5 ? 3 : 0])
      const giveUp = new AbortController()
      if (random() < 0.1) clock.after(random() * ttlMs, () => giveUp.abort(giveUp))
      await this.#lock(random() * maxHoldMs, 3 * ttlMs, giveUp.signal).catch((error) => {
        const code = error instanceof LockError ? error.code : undefined
        if (error === giveUp) figures.aborts++
        else if (code === 'ERR_LOCK_LOST') figures.losses++
        else if (code === 'ERR_LOCK_TIMEOUT') figures.timeouts++
        else unexpected.push(`${this.name}: ${error}`)
      })
      await clock.wait(random() * 30)
    }
    await this.#lock(random() * 40, lastTimeoutMs).catch((error) => stuck.push(`${this.name}: ${error}`))
  }

  #lock(holdMs: number, timeout: number, signal?: AbortSignal): Promise<void> {
    const { random } = this.#simulation.network
    const kind: LockKind = random() < 0.5 ? 'write' : 'read'
    const wanted: string[] = [oneOf(random, names)]
    const others = names.filter((name) => name !== wanted[0])
    if (random() >= 0.6) wanted.push(oneOf(random, others))
    const fn = (lost: AbortSignal) => this.#hold(kind, wanted, holdMs, lost)
    const options = { timeout, signal }
    return kind === 'write' ? this.#client.withLock(wanted, fn, options) : this.#client.withRLock(wanted, fn, options)
  }

  async #hold(kind: LockKind, wanted: readonly string[], holdMs: number, lost: AbortSignal): Promise<void> {
    const { mutant, network, inside } = this.#simulation
    const { clock, random } = network
    const self = `${this.name} in round ${++this.#rounds}`
    const leave = () => inside.leave((who) => who === self)
    inside.enter(self, kind, wanted, ` at ${Math.round(clock.nowMs)} ms`)
    const ended = clock.wait(holdMs)
    if (mutant.deafHolder === true) await ended
    else {
      const aborted = new Promise<void>((resolve) => {
        lost.addEventListener('abort', () => {
          leave()
          clock.after(random() * 50, resolve)
        })
      })
      await Promise.race([ended, aborted])
    }
    leave()
  }
}
