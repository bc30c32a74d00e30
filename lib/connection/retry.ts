/**
 * When the next try is: a dial where this side dials, a knock where the other one does. Both are made once, and none where a
 * conn arrives before.
 */

import { setImmediate } from 'node:timers'

/** So late that the usual peer has dialed by then, and not all in the same moment; and soon enough to be there within a second. */
const minHurryMs = 100
const maxHurryMs = 500
/** How often hurry waits on while the process is busy with handshakes: for a few seconds, as it may be for ever. */
const maxPatience = 20
const minPatienceMs = 50
const maxPatienceMs = 250
/** A timer that is later than this says that the machine has more to do than it can. */
const busyMs = 20

export class Retry {
  readonly #onDue: () => void
  readonly #isBusy: () => boolean
  #timer: NodeJS.Timeout | undefined
  /** Of `performance.now()`; undefined while there is none. */
  #dueMs: number | undefined
  #dueAt = 0

  /** @param isBusy handshakes are under way, with peers that are late by no fault of theirs */
  constructor(onDue: () => void, isBusy: () => boolean) {
    this.#onDue = onDue
    this.#isBusy = isBusy
  }

  /** In `ms`, unless it is due sooner anyway. */
  in(ms: number): void {
    this.#start(ms, () => {
      this.#dueMs = undefined
      this.#onDue()
    })
  }

  /**
   * Within half a second, or later where all are busy: when a whole grid starts, most peers come by themselves, and telling
   * them would only cost what they lack.
   */
  soon(): void {
    this.#hurry(minHurryMs + Math.random() * (maxHurryMs - minHurryMs), maxPatience)
  }

  /** When the next try begins, in ms since the epoch; undefined while there is none to come. */
  get dueAt(): number | undefined {
    return this.#dueMs === undefined ? undefined : this.#dueAt
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#dueMs = undefined
  }

  #hurry(ms: number, patience: number): void {
    this.#start(ms, (dueMs) => {
      const isLate = performance.now() - dueMs > busyMs
      // Conns that have arrived meanwhile are seen first.
      setImmediate(() => {
        if (this.#dueMs !== dueMs) return
        this.#dueMs = undefined
        if (patience === 0 || !(isLate || this.#isBusy())) return this.#onDue()
        this.#hurry(minPatienceMs + Math.random() * (maxPatienceMs - minPatienceMs), patience - 1)
      })
    })
  }

  #start(ms: number, onDue: (dueMs: number) => void): void {
    const dueMs = performance.now() + ms
    if (this.#dueMs !== undefined && this.#dueMs <= dueMs) return
    this.stop()
    this.#dueMs = dueMs
    this.#dueAt = Date.now() + ms
    this.#timer = setTimeout(() => onDue(dueMs), ms)
  }
}
