/**
 * Time that moves only when it is told to, and chance that comes from a seed: minutes of timers run in as long as their
 * callbacks take, and the same again. For `node:test`, whose fake timers leave `performance.now()` real, or any other runner.
 *
 * While it is installed it stands in for the global timers, the clocks and `Math.random` of this process. `setImmediate`,
 * ticks, microtasks, and the timers of `node:timers` and `node:timers/promises` stay real.
 */

import { setImmediate as turn } from 'node:timers/promises'
import { InvalidOptionError } from '../../index.ts'
import { newSeed, randomFrom } from './random.ts'
import { type Due, TimerHeap } from './timer-heap.ts'

/** Not 0, which stands for no deadline in many a place. */
const startMs = 1_000_000
/** Times that Node's timers can count; anything else means 1 ms. */
const maxTimerMs = 2 ** 31 - 1
/** Of the event loop, for each timer: what it sends arrives before the next one, and is answered. */
const turnsPerTimer = 5

let installed: VirtualTime | undefined

class Timer implements Due {
  static #ids = 0
  readonly id = ++Timer.#ids
  dueMs = 0
  order = 0
  at = -1
  readonly fire: () => void
  /** Undefined for a timer that fires once. */
  readonly everyMs: number | undefined
  readonly #start: (timer: Timer) => void
  #hasRef = true

  constructor(fire: () => void, everyMs: number | undefined, start: (timer: Timer) => void) {
    this.fire = fire
    this.everyMs = everyMs
    this.#start = start
  }

  ref(): this {
    this.#hasRef = true
    return this
  }

  unref(): this {
    this.#hasRef = false
    return this
  }

  hasRef(): boolean {
    return this.#hasRef
  }

  refresh(): this {
    this.#start(this)
    return this
  }

  close(): this {
    clearTimeout(this as unknown as NodeJS.Timeout)
    return this
  }

  [Symbol.dispose](): void {
    this.close()
  }

  [Symbol.toPrimitive](): number {
    return this.id
  }
}

export class VirtualTime implements Disposable {
  /** What `performance.now()` and `Date.now()` give. */
  nowMs = startMs
  /** What they gave at first. */
  readonly startMs = startMs
  readonly #timers = new TimerHeap<Timer>()
  readonly #restore: () => void

  /** @internal by `virtualTime` */
  constructor(random: () => number) {
    if (installed !== undefined) throw new InvalidOptionError('virtual time is installed already: using ends it')
    installed = this
    const { setTimeout, setInterval, clearTimeout, clearInterval, Date: RealDate } = globalThis
    const { now } = RealDate
    const { random: realRandom } = Math
    this.#restore = () => {
      Object.assign(globalThis, { setTimeout, setInterval, clearTimeout, clearInterval, Date: RealDate })
      // What it hides is that of the prototype.
      Reflect.deleteProperty(performance, 'now')
      RealDate.now = now
      Math.random = realRandom
    }
    const clear = (timer: unknown) => {
      const ours = this.#find(timer)
      if (ours === undefined) clearTimeout(timer as NodeJS.Timeout | undefined)
      else this.#timers.delete(ours)
    }
    const timers = { setTimeout: this.#starter(false), setInterval: this.#starter(true) }
    Object.assign(globalThis, {
      ...timers,
      clearTimeout: clear,
      clearInterval: clear,
      Date: this.#createDate(RealDate)
    })
    performance.now = () => this.nowMs
    RealDate.now = () => this.nowMs
    Math.random = random
  }

  /** Puts back what was there before. */
  [Symbol.dispose](): void {
    if (installed !== this) return
    installed = undefined
    this.#restore()
  }

  /** Timers that are to fire. */
  get pending(): number {
    return this.#timers.size
  }

  /** Moves the time by `ms`, and fires what is due on the way; what it causes has turns of the event loop behind each timer. */
  readonly advance = async (ms: number): Promise<void> => {
    const untilMs = this.nowMs + ms
    do {
      for (let turns = 0; turns < turnsPerTimer; turns++) await turn()
    } while (this.fireNext(untilMs))
  }

  /** Runs `callback` in `delayMs`, which unlike that of a timer may be 0 or a fraction. */
  after(delayMs: number, callback: () => void): void {
    this.#start(this.#newTimer(Math.max(0, delayMs), callback), this.nowMs + Math.max(0, delayMs))
  }

  /** Resolves in `delayMs`. */
  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve))
  }

  /** Moves to the next timer that is due by then, and fires it; without one moves to `untilMs` and returns false. */
  fireNext(untilMs: number): boolean {
    const next = this.#timers.first
    if (next === undefined || next.dueMs > untilMs) {
      this.nowMs = Math.max(this.nowMs, untilMs)
      return false
    }
    this.#timers.delete(next)
    this.nowMs = Math.max(this.nowMs, next.dueMs)
    if (next.everyMs !== undefined) this.#start(next, this.nowMs + next.everyMs)
    next.fire()
    return true
  }

  /** Fires all that is due within `forMs`, or only until `isDone`; promises get one turn of the event loop between any two. */
  async run(forMs: number, isDone: () => boolean = () => false): Promise<void> {
    const untilMs = this.nowMs + forMs
    while (!isDone() && this.fireNext(untilMs)) await turn()
  }

  #starter(repeats: boolean) {
    return (callback: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => {
      const delayMs = timerMs(ms)
      const timer = this.#newTimer(delayMs, () => callback(...args), repeats ? delayMs : undefined)
      return this.#start(timer, this.nowMs + delayMs)
    }
  }

  #newTimer(delayMs: number, fire: () => void, everyMs?: number): Timer {
    return new Timer(fire, everyMs, (timer) => this.#start(timer, this.nowMs + delayMs))
  }

  #start(timer: Timer, dueMs: number): Timer {
    this.#timers.delete(timer)
    timer.dueMs = dueMs
    this.#timers.add(timer)
    return timer
  }

  /** By its number, too. */
  #find(timer: unknown): Timer | undefined {
    if (timer instanceof Timer) return timer
    if (typeof timer !== 'number' && typeof timer !== 'string') return undefined
    return [...this.#timers].find(({ id }) => id === Number(timer))
  }

  /** `new Date()` is now, too; all else is that of the real one. */
  #createDate(RealDate: DateConstructor): DateConstructor {
    return new Proxy(RealDate, {
      construct: (target, args, newTarget) =>
        Reflect.construct(target, args.length === 0 ? [this.nowMs] : args, newTarget),
      apply: (target) => new target(this.nowMs).toString()
    })
  }
}

/**
 * Takes over the clocks, the timers and `Math.random` of this process, until it is disposed of. Before the test grid is made:
 * `using time = virtualTime(7)`, then `testGrid(3, { seed: 7, advance: time.advance })`.
 *
 * @param seed of `Math.random`: a number, or what gives numbers in [0, 1). Default a new one
 * @throws {InvalidOptionError} when it is installed already
 */
export function virtualTime(seed: number | (() => number) = newSeed()): VirtualTime {
  return new VirtualTime(typeof seed === 'function' ? seed : randomFrom(seed))
}

/** As Node counts: whole ms, so that a timer may fire up to one early, and at least one. */
function timerMs(ms = 1): number {
  return ms >= 1 && ms <= maxTimerMs ? Math.trunc(ms) : 1
}
