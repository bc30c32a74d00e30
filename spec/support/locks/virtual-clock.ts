/**
 * A clock that stands in for that of this process: whole minutes of timers run in as long as their callbacks take.
 *
 * While it is installed, `performance.now` tells its time, and the global timers belong to it. What comes next is run in
 * the order of its time; between any two comes a real turn of the event loop, so that all promises get as far as they can.
 * `Date` and the timers of `node:timers` are left alone.
 */

type Callback = (...args: unknown[]) => void

/** Times that Node's timers can count; anything else means 1 ms. */
const maxTimerMs = 2 ** 31 - 1

export class VirtualTimer {
  readonly callback: () => void
  /** Undefined for a timer that fires once. */
  readonly everyMs: number | undefined
  isCleared = false
  #hasRef = true

  constructor(callback: () => void, everyMs?: number) {
    this.callback = callback
    this.everyMs = everyMs
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
}

interface Due {
  readonly atMs: number
  /** Of what is due at the same time, the first to be asked for comes first. */
  readonly order: number
  readonly timer: VirtualTimer
}

const realImmediate = globalThis.setImmediate

export class VirtualClock implements Disposable {
  #nowMs = 0
  #asked = 0
  /** A binary heap: what is due first is first. */
  readonly #due: Due[] = []
  readonly #restore: () => void

  /** Installs it. */
  constructor() {
    const { setTimeout, setInterval, clearTimeout, clearInterval } = globalThis
    this.#restore = () => {
      Object.assign(globalThis, { setTimeout, setInterval, clearTimeout, clearInterval })
      // What it hides is that of the prototype.
      Reflect.deleteProperty(performance, 'now')
    }
    performance.now = () => this.#nowMs
    const clear = (timer: VirtualTimer | NodeJS.Timeout | undefined) => {
      if (timer instanceof VirtualTimer) timer.isCleared = true
      else clearTimeout(timer)
    }
    Object.assign(globalThis, {
      setTimeout: (callback: Callback, ms?: number, ...args: unknown[]) =>
        this.#start(new VirtualTimer(() => callback(...args)), timerMs(ms)),
      setInterval: (callback: Callback, ms?: number, ...args: unknown[]) =>
        this.#start(new VirtualTimer(() => callback(...args), timerMs(ms)), timerMs(ms)),
      clearTimeout: clear,
      clearInterval: clear
    })
  }

  /** Puts back what was there before. */
  [Symbol.dispose](): void {
    this.#restore()
  }

  get nowMs(): number {
    return this.#nowMs
  }

  /** Timers that are to fire. */
  get waiting(): number {
    return this.#due.filter(({ timer }) => !timer.isCleared).length
  }

  /** Runs `callback` in `delayMs`, which unlike that of a timer may be 0 or a fraction. */
  after(delayMs: number, callback: () => void): void {
    this.#start(new VirtualTimer(callback), Math.max(0, delayMs))
  }

  /** Resolves in `delayMs`. */
  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve))
  }

  /** Runs all that is due within `forMs`, or, with `isDone`, only until that is so. */
  async run(forMs: number, isDone: () => boolean = () => false): Promise<void> {
    const untilMs = this.#nowMs + forMs
    for (let next = this.#due[0]; next !== undefined && next.atMs <= untilMs; next = this.#due[0]) {
      this.#take()
      const { atMs, timer } = next
      if (timer.isCleared) continue
      if (isDone()) {
        this.#put(next)
        return
      }
      this.#nowMs = atMs
      timer.callback()
      if (timer.everyMs !== undefined) this.#start(timer, timer.everyMs)
      await new Promise((resolve) => realImmediate(resolve))
    }
    if (!isDone()) this.#nowMs = untilMs
  }

  #start(timer: VirtualTimer, delayMs: number): VirtualTimer {
    this.#put({ atMs: this.#nowMs + delayMs, order: this.#asked++, timer })
    return timer
  }

  #put(due: Due): void {
    const heap = this.#due
    let at = heap.push(due) - 1
    while (at > 0) {
      const parentAt = (at - 1) >> 1
      const parent = heap[parentAt] as Due
      if (isBefore(parent, due)) break
      heap[at] = parent
      at = parentAt
    }
    heap[at] = due
  }

  /** Removes the first. */
  #take(): void {
    const heap = this.#due
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]]
      const isRight = left !== undefined && right !== undefined && isBefore(right, left)
      const child = isRight ? right : left
      if (child === undefined || isBefore(last, child)) break
      heap[at] = child
      at = 2 * at + (isRight ? 2 : 1)
    }
    heap[at] = last
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

/** As Node counts: whole ms, so that a timer may fire up to one early, and at least one. */
function timerMs(ms = 1): number {
  return ms >= 1 && ms <= maxTimerMs ? Math.trunc(ms) : 1
}
