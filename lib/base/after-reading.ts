/**
 * Nobody is judged by what has not arrived before what has arrived was read.
 *
 * Node runs timers before it looks at sockets. So after a stall of this very process each timeout is over while the
 * answer it waits for is still unread. Whatever judges by time therefore lets the event loop poll first.
 */

import { performance } from 'node:perf_hooks'
import { maxTimeoutMs } from './options.ts'

/** What comes without a pause is read for so long: at 64 KiB a turn this is more than the buffers of a socket hold. */
const maxLooks = 64

/**
 * Calls `judge` once what has already arrived was read.
 *
 * @param arrived anything that grows as bytes arrive and as they are dealt with; it is read for as long as that grows
 */
export function afterReading(judge: () => void, arrived: () => number = () => 0): void {
  let before = arrived()
  let looksLeft = maxLooks
  // One poll of the event loop reads each socket at most once; a second one catches what a slice left behind.
  const poll = (): void => {
    setImmediate(look)
  }
  const look = (): void => {
    const now = arrived()
    if (now === before || --looksLeft === 0) return judge()
    before = now
    setImmediate(poll)
  }
  setImmediate(poll)
}

/** A timer that judges: never before its moment, nor before what has arrived by then was read. */
export class JudgeTimer {
  readonly #atMs: number
  readonly #judge: () => void
  readonly #arrived: (() => number) | undefined
  #timer: NodeJS.Timeout
  #cleared = false

  /** `atMs` is of `performance.now()`; `arrived` as of `afterReading`. */
  constructor(atMs: number, judge: () => void, arrived?: () => number) {
    this.#atMs = atMs
    this.#judge = judge
    this.#arrived = arrived
    this.#timer = this.#arm()
  }

  /** The process need not wait for it. */
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
    // A timer counts from the start of its turn of the event loop: after a long turn it fires early.
    if (performance.now() < this.#atMs) {
      const isHolding = this.#timer.hasRef()
      this.#timer = this.#arm()
      if (!isHolding) this.#timer.unref()
      return
    }
    afterReading(() => {
      if (!this.#cleared) this.#judge()
    }, this.#arrived)
  }
}
