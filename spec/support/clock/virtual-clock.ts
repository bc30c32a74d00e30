/**
 * Time that moves only when it is told to, and chance that comes from a seed: minutes of timers run in as long as their
 * callbacks take, and the same again.
 *
 * While it is installed it stands in for the global timers, the clocks and `Math.random` of this process. `setImmediate`,
 * ticks, microtasks and the timers of `node:timers` stay real.
 */

import { setImmediate as turn } from 'node:timers/promises'

/** Not 0, which stands for no deadline in many a place. */
export const startMs = 1_000_000
/** Times that Node's timers can count; anything else means 1 ms. */
const maxTimerMs = 2 ** 31 - 1

class Timer {
  dueMs: number
  readonly fire: () => void
  /** Undefined for a timer that fires once. */
  readonly everyMs: number | undefined
  readonly ref = (): this => this
  readonly unref = this.ref

  constructor(dueMs: number, fire: () => void, everyMs?: number) {
    this.dueMs = dueMs
    this.fire = fire
    this.everyMs = everyMs
  }
}

export class VirtualClock implements Disposable {
  nowMs = startMs
  /** In the order in which they were asked for. */
  readonly #timers = new Set<Timer>()
  readonly #restore: () => void

  /** Installs it. */
  constructor(random: () => number) {
    const { setTimeout, setInterval, clearTimeout, clearInterval } = globalThis
    const { now } = Date
    const { random: realRandom } = Math
    this.#restore = () => {
      Object.assign(globalThis, { setTimeout, setInterval, clearTimeout, clearInterval })
      // What it hides is that of the prototype.
      Reflect.deleteProperty(performance, 'now')
      Date.now = now
      Math.random = realRandom
    }
    const set =
      (repeats: boolean) =>
      (callback: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => {
        const delayMs = timerMs(ms)
        return this.#start(new Timer(this.nowMs + delayMs, () => callback(...args), repeats ? delayMs : undefined))
      }
    const clear = (timer: unknown) => {
      if (timer instanceof Timer) this.#timers.delete(timer)
      else clearTimeout(timer as NodeJS.Timeout | undefined)
    }
    const timers = { setTimeout: set(false), setInterval: set(true), clearTimeout: clear, clearInterval: clear }
    Object.assign(globalThis, timers)
    performance.now = () => this.nowMs
    Date.now = () => this.nowMs
    Math.random = random
  }

  /** Puts back what was there before. */
  [Symbol.dispose](): void {
    this.#restore()
  }

  /** Timers that are to fire. */
  get pending(): number {
    return this.#timers.size
  }

  /** Runs `callback` in `delayMs`, which unlike that of a timer may be 0 or a fraction. */
  after(delayMs: number, callback: () => void): void {
    this.#start(new Timer(this.nowMs + Math.max(0, delayMs), callback))
  }

  /** Resolves in `delayMs`. */
  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve))
  }

  /** Moves to the next timer that is due by then, and fires it; without one moves to `untilMs` and returns false. */
  fireNext(untilMs: number): boolean {
    let next: Timer | undefined
    for (const timer of this.#timers) if (next === undefined || timer.dueMs < next.dueMs) next = timer
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

  /** Fires all that is due within `forMs`, or only until `isDone`; promises get as far as they can between any two. */
  async run(forMs: number, isDone: () => boolean = () => false): Promise<void> {
    const untilMs = this.nowMs + forMs
    while (!isDone() && this.fireNext(untilMs)) await turn()
  }

  #start(timer: Timer, dueMs = timer.dueMs): Timer {
    timer.dueMs = dueMs
    this.#timers.add(timer)
    return timer
  }
}

/** As Node counts: whole ms, so that a timer may fire up to one early, and at least one. */
function timerMs(ms = 1): number {
  return ms >= 1 && ms <= maxTimerMs ? Math.trunc(ms) : 1
}
