/** Keeps a lock while its owner works, and tells it when the lock is no longer sure to be its own. */

import { LockError } from './errors.ts'
import type { Grants } from './grants.ts'

export class Watch {
  readonly #grants: Grants
  readonly #ending = new AbortController()
  readonly #given: AbortSignal | undefined
  #lost: LockError | undefined
  #refreshTimer: NodeJS.Timeout | undefined
  #endTimer: NodeJS.Timeout | undefined

  /** `given` aborts the work as well. */
  constructor(grants: Grants, given?: AbortSignal) {
    this.#grants = grants
    this.#given = given
    if (given?.aborted === true) this.#onGiven()
    given?.addEventListener('abort', this.#onGiven)
    this.#waitForEnd()
    this.#refreshLater()
  }

  /** Aborts when the lock is lost, or the work is given up. */
  get signal(): AbortSignal {
    return this.#ending.signal
  }

  /** Why the lock was lost, if it was; also when the timer that tells of it has had no turn yet. */
  get lost(): LockError | undefined {
    if (this.#lost === undefined && this.#grants.holdUntilMs <= performance.now()) this.#lose()
    return this.#lost
  }

  stop(): void {
    clearTimeout(this.#refreshTimer)
    clearTimeout(this.#endTimer)
    this.#refreshTimer = undefined
    this.#given?.removeEventListener('abort', this.#onGiven)
  }

  readonly #onGiven = (): void => this.#ending.abort(this.#given?.reason)

  #waitForEnd(): void {
    const leftMs = this.#grants.holdUntilMs - performance.now()
    clearTimeout(this.#endTimer)
    if (leftMs <= 0) this.#lose()
    else this.#endTimer = setTimeout(() => this.#waitForEnd(), leftMs)
  }

  /** Thrice in the time of a grant: one refresh may fail, and there is time for another. */
  #refreshLater(): void {
    const timer = setTimeout(async () => {
      await this.#grants.refresh()
      // Stopped meanwhile, or lost.
      if (this.#refreshTimer !== timer || this.#lost !== undefined) return
      this.#waitForEnd()
      this.#refreshLater()
    }, this.#grants.ttlMs / 3)
    this.#refreshTimer = timer
  }

  #lose(): void {
    const { resources } = this.#grants.args
    this.#lost = new LockError(
      'ERR_LOCK_LOST',
      `no quorum is sure to keep the lock on ${resources.join(', ')} any longer`
    )
    this.#ending.abort(this.#lost)
    clearTimeout(this.#endTimer)
  }
}
