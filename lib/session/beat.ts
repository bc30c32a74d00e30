/**
 * One beat for all sessions of a manager: a single timer, and what is due together happens together.
 *
 * It falls on whole fractions of the interval since the epoch, so that the pings of different servers meet: most of what an
 * idle conn costs is waking up, and a process that is awake for one ping deals with all others.
 */

/** Called at each beat, with whether an interval begins. Must not throw. */
export type OnBeat = (beginsInterval: boolean) => void

export const beatsPerInterval = 4

export class Beat {
  readonly intervalMs: number
  readonly #listeners = new Set<OnBeat>()
  /** Of `performance.now()`: unlike the clock of the day it cannot be set. */
  readonly #epochMs = performance.now() - Date.now()
  /** Beats since the epoch. */
  #count = 0
  #timer: NodeJS.Timeout | undefined

  constructor(intervalMs: number) {
    this.intervalMs = intervalMs
  }

  /** Calls `onBeat` from now on. That does not keep the process alive. */
  join(onBeat: OnBeat): void {
    this.#listeners.add(onBeat)
    if (this.#timer === undefined) this.#arm()
  }

  leave(onBeat: OnBeat): void {
    this.#listeners.delete(onBeat)
    if (this.#listeners.size > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #arm(): void {
    const periodMs = this.intervalMs / beatsPerInterval
    this.#count = Math.floor((performance.now() - this.#epochMs) / periodMs)
    const dueMs = (this.#count + 1) * periodMs + this.#epochMs
    this.#timer = setTimeout(() => this.#fire(), Math.ceil(dueMs - performance.now())).unref()
  }

  #fire(): void {
    const before = this.#count
    this.#arm()
    // A timer counts from the start of its turn of the event loop, so after a long turn it fires early.
    if (this.#count === before) return
    const beginsInterval = Math.floor(this.#count / beatsPerInterval) > Math.floor(before / beatsPerInterval)
    for (const onBeat of this.#listeners) onBeat(beginsInterval)
  }
}
