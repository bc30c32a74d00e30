/**
 * All there is in one schedule: the two ends, the network between them, the clock, the calls, and who waits for his turn.
 *
 * An actor (a consumer, a producer, a handler, a dial) that comes to a `pause` goes on only when the schedule picks it:
 * so the order of everything is the schedule's choice.
 */

import { type VirtualTime, virtualTime } from '../../../lib/extras/testing/index.ts'
import { type Auth, insecure, type Manager } from '../../../lib/index.ts'
import { errorStack } from '../errors.ts'
import { namesInOrder, testManager } from '../grid/manager.ts'
import { randomFrom, wholeBelow } from '../random.ts'
import { registerHandlers } from './answerer.ts'
import { Call } from './call.ts'
import { ModelNetwork, type Pair } from './network.ts'
import { type CallPlan, drawSchedule, type Fault, maxMessageBytes, type SchedulePlan } from './plan.ts'

export interface End {
  readonly index: 0 | 1
  readonly host: string
  manager: Manager
  /** It shuts down, or is down. */
  isDown: boolean
  /** Over which it became connected. */
  pair: Pair | undefined
  /** One signal for many calls. */
  shared: AbortController
}

export type Figures = ReturnType<typeof newFigures>

/** The end that dials comes first. */
const hosts = namesInOrder()
export const keepAliveMs = 1000

export class World {
  readonly random: () => number
  /** Installed until it is disposed of. */
  readonly clock: VirtualTime
  readonly plan: SchedulePlan
  readonly network: ModelNetwork
  ends!: readonly [End, End]
  readonly calls: Call[] = []
  readonly signals: AbortSignal[] = []
  /** Managers that are closed, or are about to be. */
  readonly retired: { readonly manager: Manager; readonly closed: Promise<void> }[] = []
  readonly figures: Figures
  readonly lines: string[] | undefined
  faults = 0
  renewals = 0
  /** Actors that have not come to their end. */
  actors = 0
  /** No more is begun: what waits for that goes on. */
  isEnding = false
  violation: Error | undefined
  /** Nothing gets through for a while. */
  isSilent = false
  readonly #waiting: (() => void)[] = []
  #elapsed = Promise.resolve()

  constructor(seed: number, figures: Figures, lines: string[] | undefined) {
    this.random = randomFrom(seed)
    this.plan = drawSchedule(seed, this.random)
    this.clock = virtualTime(this.random)
    this.figures = figures
    this.lines = lines
    this.network = new ModelNetwork(this.plan.linkCapacity)
  }

  /** Both ends start, on the clock of the world. */
  start(): void {
    this.ends = [this.#newEnd(0), this.#newEnd(1)]
  }

  get nowMs(): number {
    return this.clock.nowMs
  }

  get hasRenewals(): boolean {
    return this.plan.lifetimeMs !== undefined
  }

  get isCrowded(): boolean {
    return this.plan.ends.some(({ maxInboundStreams }) => maxInboundStreams < 1000)
  }

  /** Actors that wait for their turn. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Both ends are connected over a conn that works, and know it. */
  get isCalm(): boolean {
    const [a, b] = this.ends
    if (this.isSilent) return false
    const isAlive = a.pair !== undefined && a.pair === b.pair && !a.pair.isDead && this.network.pairs.includes(a.pair)
    return isAlive && this.ends.every((end) => this.connectionOf(end).state === 'connected')
  }

  /** The first broken rule counts. */
  readonly fail = (text: string): void => {
    this.log(`BROKEN: ${text}`)
    this.violation ??= new Error(text)
  }

  /** Without what is random outside of the seed: the instances of the managers. */
  readonly log = (text: string): void => {
    this.lines?.push(
      `${Math.round(this.nowMs - this.clock.startMs)} ms  ${text.replace(/instance [0-9a-f]+/, 'instance')}`
    )
  }

  other(end: End): End {
    return this.ends[end.index === 0 ? 1 : 0]
  }

  connectionOf(end: End) {
    return end.manager.connection(this.other(end).host)
  }

  /** Waits to be picked, unless it is let through at once. */
  pause(): Promise<void> {
    if (this.random() < 0.35) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Lets one of those who wait go on. */
  act(): void {
    const { length } = this.#waiting
    if (length === 0) return
    const [go] = this.#waiting.splice(wholeBelow(this.random, length), 1)
    go?.()
  }

  /** One turn of the event loop. */
  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }

  /** Time passes, behind what is to pass already, and each timer has a turn of its own. */
  elapse(ms: number): Promise<void> {
    this.#elapsed = this.#elapsed.then(async () => {
      const untilMs = this.nowMs + ms
      // What has happened by now is seen at its own time.
      do await this.turn()
      while (this.clock.fireNext(untilMs))
    })
    return this.#elapsed
  }

  /** An actor of its own. What it throws is a fault of the model. */
  spawn(actor: Promise<void>): void {
    this.actors++
    actor.catch((error) => this.fail(`an actor threw ${errorStack(error)}`)).finally(() => this.actors--)
  }

  newCall(plan: CallPlan): Call {
    const call = new Call(this.calls.length, plan, this)
    this.calls.push(call)
    this.figures.calls++
    return call
  }

  disturb(fault: Fault): void {
    this.faults++
    this.figures.faults[fault]++
    this.log(`FAULT: ${fault}`)
  }

  /** A new process under the same name. */
  restart(end: End): void {
    end.manager = this.#newManager(end.index)
    end.isDown = false
    end.pair = undefined
    this.#watch(end)
    this.log(`end ${end.index} has started`)
  }

  /** The process is gone, or is about to be. */
  retire(end: End, timeout: number): Promise<void> {
    const { manager } = end
    end.isDown = true
    if (end.index === 1 && timeout === 0) this.network.listening = undefined
    const closed = manager.close({ timeout })
    this.retired.push({ manager, closed })
    return closed
  }

  #newEnd(index: 0 | 1): End {
    const shared = new AbortController()
    const manager = this.#newManager(index)
    const end: End = { index, host: hosts[index], manager, isDown: false, pair: undefined, shared }
    this.signals.push(shared.signal)
    this.#watch(end)
    return end
  }

  #watch(end: End): void {
    const { manager } = end
    const peer = hosts[end.index === 0 ? 1 : 0]
    manager.connection(peer).on('state', ({ state, previous, reason }) => {
      this.log(`end ${end.index} is ${state}${reason === undefined ? '' : `: ${reason}`}`)
      if (manager !== end.manager) return
      if (state === 'connected') end.pair = this.network.newest
      // An identity that was not renewed in time, for the conn of the renewal was held up.
      else if (this.hasRenewals && previous === 'connected' && state !== 'closed') this.disturb('expire')
    })
  }

  #newManager(index: 0 | 1): Manager {
    const { ends, checksum } = this.plan
    const { windowBytes, maxInboundStreams } = ends[index]
    const manager = testManager({
      ...{ local: hosts[index], hosts, auth: this.#auth(), checksum },
      ...{ logger: { debug: this.log, info: this.log, warn: this.log, error: this.log } },
      limits: { maxMessageBytes, streamWindowBytes: windowBytes, maxInboundStreams },
      keepAlive: { intervalMs: keepAliveMs },
      dialer: (_, { signal }) => this.#dial(signal)
    })
    registerHandlers(manager, this, index)
    if (index === 1) this.network.listening = manager
    return manager
  }

  async #dial(signal: AbortSignal) {
    await this.pause()
    signal.throwIfAborted()
    if (this.isCalm) this.renewals++
    return this.network.dial()
  }

  #auth(): Auth {
    const { lifetimeMs } = this.plan
    const auth = insecure()
    if (lifetimeMs === undefined) return auth
    return { ...auth, verify: () => ({ expiresAt: Date.now() + lifetimeMs }) }
  }
}

export function newFigures() {
  const faults: Record<Fault, number> = { cut: 0, kill: 0, vanish: 0, close: 0, silence: 0, expire: 0 }
  return { calls: 0, messages: 0, cancels: 0, deadlines: 0, renewals: 0, faults }
}
