/**
 * When a peer counts as slow: data waits for it, and for the whole time it has read nothing of what was sent.
 *
 * It reads when the conn takes a batch, and when it answers a ping, for it must have read everything before that. Batches
 * alone do not show it: the buffers of a network hold megabytes and take more in bulk only, so a peer that reads steadily
 * seems to read nothing for a minute. Therefore a ping goes with each `markBytes` of batches.
 */

import { afterReading } from '../time/after-reading.ts'
import type { Outbox } from '../wire/outbox.ts'

export interface SlowWatchInit {
  readonly outbox: Pick<Outbox, 'batches' | 'isBlocked'>
  /** How many pings the peer has answered. */
  readonly pings: { readonly answered: number }
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly onSlow: () => void
  /** As in `time/after-reading.ts`. */
  readonly afterReading?: (decide: () => void) => void
}

export class SlowWatch {
  readonly #init: SlowWatchInit
  readonly #afterReading: (decide: () => void) => void
  #taken = 0
  /** Intervals in a row in which nothing was read. A stall of this process counts as one, however long it was. */
  #idleIntervals = 0

  constructor(init: SlowWatchInit) {
    this.#init = init
    this.#afterReading = init.afterReading ?? afterReading
  }

  /** Called once per interval. */
  onTick(): void {
    this.#idleIntervals = this.#takesNothing() ? this.#idleIntervals + 1 : 0
    this.#taken = this.#takenSoFar()
    if (this.#idleIntervals * this.#init.intervalMs < this.#init.timeoutMs) return
    this.#afterReading(() => {
      if (this.#takesNothing()) this.#init.onSlow()
    })
  }

  #takesNothing(): boolean {
    return this.#init.outbox.isBlocked && this.#takenSoFar() === this.#taken
  }

  #takenSoFar(): number {
    return this.#init.outbox.batches + this.#init.pings.answered
  }
}
