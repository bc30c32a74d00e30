/** How long to wait before the next dial: exponential with full jitter, quick at first. */

import { RejectedError } from '../errors/errors.ts'
import type { ReconnectOptions } from '../errors/options.ts'

/** A refusal as `unknownHost` lasts until the host has the list that this server has: so long it waits at most, */
const catchUpMs = 1000
/** and so often: for some 10 s. */
const maxCatchUps = 20

export class Backoff {
  /** Waits since the last good session, or since the host was last known to be there. */
  attempts = 0
  readonly #options: Readonly<ReconnectOptions>
  readonly #random: () => number

  constructor(options: Readonly<ReconnectOptions>, random: () => number = Math.random) {
    this.#options = options
    this.#random = random
  }

  /**
   * The next wait in ms: a random time below a bound that doubles with each attempt. "Full jitter" of M. Brooker,
   * "Exponential Backoff And Jitter" (2015): it spreads the redials of many peers of one restarted server best.
   *
   * @param mostMs a bound for this wait
   */
  nextMs(mostMs = Number.POSITIVE_INFINITY): number {
    const { firstDelayMs, baseDelayMs, maxDelayMs } = this.#options
    const bound = this.attempts === 0 ? firstDelayMs : baseDelayMs * 2 ** Math.min(this.attempts - 1, 30)
    this.attempts++
    return this.#random() * Math.min(bound, maxDelayMs, mostMs)
  }

  /** A bound for the wait after a dial that failed so, if it has one. */
  mostMsAfter(error: Error): number | undefined {
    const isSoonOver = RejectedError.is(error) && error.reason === 'unknownHost' && this.attempts < maxCatchUps
    return isSoonOver ? catchUpMs : undefined
  }

  /** The host is there: the next wait is the first one. */
  reset(): void {
    this.attempts = 0
  }

  /** A session ended that had lived for so many ms. Returns whether that was a good one. */
  onSessionEnd(livedMs: number): boolean {
    const isGood = livedMs >= this.#options.stableAfterMs
    if (isGood) this.reset()
    return isGood
  }
}
