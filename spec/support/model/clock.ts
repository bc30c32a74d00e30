/**
 * Time that moves only when it is told to, and chance that comes from a seed: what a schedule needs to be replayed.
 *
 * While it is installed it stands in for the timers, the clocks and `Math.random` of this process. `setImmediate`, ticks
 * and microtasks stay real: their order is always the same.
 */

/** Not 0, which stands for no deadline in many a place. */
export const startMs = 1_000_000

class Timer {
  readonly dueMs: number
  readonly fire: () => void

  constructor(dueMs: number, fire: () => void) {
    this.dueMs = dueMs
    this.fire = fire
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return false
  }
}

export class VirtualClock {
  nowMs = startMs
  readonly #timers = new Set<Timer>()

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.size
  }

  /** Returns what puts the real ones back. */
  install(random: () => number): () => void {
    const { setTimeout, clearTimeout } = globalThis
    const { random: realRandom } = Math
    const { now } = Date
    const set = (fn: (...args: unknown[]) => void, delayMs = 0, ...args: unknown[]) => {
      const timer = new Timer(this.nowMs + Math.max(1, delayMs), () => fn(...args))
      this.#timers.add(timer)
      return timer
    }
    const clear = (timer: unknown) => {
      this.#timers.delete(timer as Timer)
    }
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear })
    Object.defineProperty(performance, 'now', { value: () => this.nowMs, configurable: true })
    Date.now = () => this.nowMs
    Math.random = random
    return () => {
      Object.assign(globalThis, { setTimeout, clearTimeout })
      Reflect.deleteProperty(performance, 'now')
      Date.now = now
      Math.random = realRandom
    }
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
    next.fire()
    return true
  }
}
