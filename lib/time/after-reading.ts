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
/** Reading ends after this many polls that brought something: at 64 KiB each, this is more than the buffers of a socket hold. */
const maxLooks = 64
/** Those that brought nothing count as well from then on: so long may it take to deal with what has arrived. */
const maxHandlingMs = 5000

/** Numbers that grow: reading goes on while one of them does. */
export interface Reading {
  /** As bytes arrive. */
  readonly arrived: () => number
  /** As they are dealt with, in however many rounds of the event loop: other conns may leave this one a frame in each. */
  readonly handled: () => number
}

const nothing: Reading = { arrived: () => 0, handled: () => 0 }

/** Calls `decide` once everything that has already arrived was read, and dealt with. */
export function afterReading(decide: () => void, { arrived, handled } = nothing): void {
  let arrivedBefore = arrived()
  let handledBefore = handled()
  let looksLeft = maxLooks
  const untilMs = performance.now() + maxHandlingMs
  // One poll of the event loop reads each socket at most once; a second poll reads what a slice left.
  const poll = (): void => {
    setImmediate(look)
  }
  const look = (): void => {
    const [arrivedNow, handledNow] = [arrived(), handled()]
    const hasArrived = arrivedNow !== arrivedBefore
    if (!hasArrived && handledNow === handledBefore) return decide()
    if (hasArrived || performance.now() > untilMs) looksLeft--
    if (looksLeft === 0) return decide()
    arrivedBefore = arrivedNow
    handledBefore = handledNow
    setImmediate(poll)
  }
  setImmediate(poll)
}

/**
 * Calls `decide` for a deadline of `dueMs`, by `performance.now()`: at once if it is just due; after reading if this process
 * is late, for then it stood still.
 */
export function decideInTime(dueMs: number, decide: () => void, reading?: Reading): void {
  if (performance.now() - dueMs > timerSlackMs) afterReading(decide, reading)
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
  readonly #reading: Reading | undefined
  #timer: NodeJS.Timeout
  #cleared = false

  /** `atMs` is of `performance.now()`. */
  constructor(atMs: number, expire: () => void, reading?: Reading) {
    this.#atMs = atMs
    this.#expire = expire
    this.#reading = reading
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
    decideInTime(this.#atMs, expire, this.#reading)
  }
}
