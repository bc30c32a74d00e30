/** The timers of an identity: it is renewed some time before it ends, and its session is closed at that moment. */

import { maxTimeoutMs } from '../errors/options.ts'

export interface ExpiryInit {
  /** When this side ends the session, in ms since the epoch; undefined for never. */
  readonly expiresAt: number | undefined
  /** When either side ends it, as far as that is known. */
  readonly renewBefore: number | undefined
  /** Called once, and again after each `renewLater`; undefined where the other side renews. */
  readonly onRenew: (() => void) | undefined
  readonly onExpired: () => void
}

/** With less than this left, a dial would not be done in time. */
const minLeftMs = 10

export class Expiry {
  readonly #init: ExpiryInit
  #renewTimer: NodeJS.Timeout | undefined
  #endTimer: NodeJS.Timeout | undefined

  constructor(init: ExpiryInit) {
    this.#init = init
    this.renewLater()
    this.#endWhenOver()
  }

  /** The first of the two moments, in ms since the epoch. */
  get endsAt(): number | undefined {
    return this.#init.renewBefore
  }

  /**
   * Renews when between a half and three quarters of the time that is left have passed: early enough to try again, and not at
   * the same moment as all servers that got their certificates together.
   */
  renewLater(): void {
    const { onRenew, renewBefore } = this.#init
    if (onRenew === undefined || renewBefore === undefined) return
    const leftMs = renewBefore - Date.now()
    if (leftMs < minLeftMs) return
    const renewAt = Date.now() + leftMs * (0.5 + 0.25 * Math.random())
    const renew = () => {
      const waitMs = renewAt - Date.now()
      if (waitMs <= 0) onRenew()
      else this.#renewTimer = callLater(renew, waitMs)
    }
    clearTimeout(this.#renewTimer)
    this.#renewTimer = callLater(renew, renewAt - Date.now())
  }

  /** Calls back no more. */
  stop(): void {
    clearTimeout(this.#renewTimer)
    clearTimeout(this.#endTimer)
  }

  readonly #endWhenOver = (): void => {
    const { expiresAt, onExpired } = this.#init
    if (expiresAt === undefined) return
    const leftMs = expiresAt - Date.now()
    this.#endTimer = leftMs <= 0 ? callLater(onExpired, 0) : callLater(this.#endWhenOver, leftMs)
  }
}

/** Calls `fn` after `ms`, or after as much of it as a timer can count. Never at once. */
function callLater(fn: () => void, ms: number): NodeJS.Timeout {
  return setTimeout(fn, Math.min(Math.ceil(ms), maxTimeoutMs)).unref()
}
