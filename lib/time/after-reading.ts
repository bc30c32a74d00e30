/**
 * Deadlines that count only after everything that has arrived was read.
 *
 * Node runs timers before it polls sockets. So after a stall of this process, each timeout fires while the awaited answer is
 * still unread in a socket. Therefore a decision by time lets the event loop poll first, if its timer was late.
 */

import { setImmediate } from 'node:timers'
import { maxTimeoutMs } from '../errors/options.ts'

/** A later timer than this means that the process did not run. Timers of Node are exact to about 1 ms. */
const timerSlackMs = 1
/** Reading ends after this many polls: at 64 KiB each, this is more than the buffers of a socket hold. */
const maxLooks = 64

/**
 * Calls `decide` once everything that has already arrived was read.
 *
 * @param arrived a number that grows as bytes arrive and are handled; reading goes on while it grows
 */
export function afterReading(decide: () => void, arrived: () => number = () => 0): void {
  let before = arrived()
  let looksLeft = maxLooks
  // One poll of the event loop reads each socket at most once; a second poll reads what a slice left.
  const poll = (): void => {
    setImmediate(look)
  }
  const look = (): void => {
    const now = arrived()
    if (now === before || --looksLeft === 0) return decide()
    before = now
    setImmediate(poll)
  }
  setImmediate(poll)
}

/**
 * Calls `decide` for a deadline of `dueMs`, by `performance.now()`: at once if it is just due; after reading if this process
 * is late, for then it stood still.
 */
export function decideInTime(dueMs: number, decide: () => void, arrived?: () => number): void {
  if (performance.now() - dueMs > timerSlackMs) afterReading(decide, arrived)
  else decide()
}

/** `setTimeout` for a decision, see `decideInTime`. */
export function setDeadline(decide: () => void, delayMs: number): NodeJS.Timeout {
  const dueMs = performance.now() + delayMs
  return setTimeout(() => decideInTime(dueMs, decide), delayMs)
}

/** A timer that never fires before its moment, and after a stall not before everything that has arrived by then was read. */
export class DeadlineTimer {
  readonly #atMs: number
  readonly #expire: () => void
  readonly #arrived: (() => number) | undefined
  #timer: NodeJS.Timeout
  #cleared = false

  /** `atMs` is of `performance.now()`; `arrived` as in `afterReading`. */
  constructor(atMs: number, expire: () => void, arrived?: () => number) {
    this.#atMs = atMs
    this.#expire = expire
    this.#arrived = arrived
    this.#timer = this.#arm()
  }

  /** Does not keep the process alive. */
  unref(): this {
    this.#timer.unref()
    return this
  }

  clear(): void {
    this.#cleared = true
    clearTimeout(this.#timer)
  }

  #arm(): NodeJS.Timeout {
    const leftMs = Math.max(0, Math.ceil(this.#atMs - performance.now()))
    return setTimeout(() => this.#fire(), Math.min(leftMs, maxTimeoutMs))
  }

  #fire(): void {
    // A timer counts from the start of its turn of the event loop, so after a long turn it fires early.
    if (performance.now() < this.#atMs) {
      const hadRef = this.#timer.hasRef()
      this.#timer = this.#arm()
      if (!hadRef) this.#timer.unref()
      return
    }
    const expire = (): void => {
      if (!this.#cleared) this.#expire()
    }
    decideInTime(this.#atMs, expire, this.#arrived)
  }
}
