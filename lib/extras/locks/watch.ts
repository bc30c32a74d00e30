/** Keeps a lock while its owner works, and tells the owner when the lock may be lost. */

import { setMaxListeners } from 'node:events'
import { LockError } from './errors.ts'
import type { Grants } from './grants.ts'

export class Watch {
  readonly #grants: Grants
  readonly #ending = new AbortController()
  readonly #given: AbortSignal | undefined
  readonly #refreshTimer: NodeJS.Timeout
  #endTimer: NodeJS.Timeout | undefined
  #lost: LockError | undefined
  #isStopped = false

  /** `given` also aborts the work. */
  constructor(grants: Grants, given?: AbortSignal) {
    this.#grants = grants
    this.#given = given
    if (given?.aborted === true) this.#onGiven()
    // One signal may be that of any number of locks.
    if (given instanceof EventTarget) setMaxListeners(0, given)
    given?.addEventListener('abort', this.#onGiven)
    const { refreshEveryMs } = grants
    const refresh = () => grants.refresh().then(() => this.#look())
    this.#refreshTimer = setInterval(refresh, refreshEveryMs)
    this.#look()
    // Answers that were long on their way have left no time for a refresh that fails and another one.
    const leftMs = grants.holdUntilMs - performance.now()
    if (this.#lost === undefined && leftMs < 2 * refreshEveryMs) refresh()
  }

  /** Aborts when the lock is lost, or when `given` aborts. */
  get signal(): AbortSignal {
    return this.#ending.signal
  }

  /** Why the lock was lost, if it was, even if the timer that reports it has not run yet. */
  get lost(): LockError | undefined {
    this.#look()
    return this.#lost
  }

  /** Ends all that it waits for; what was lost stays lost. */
  stop(): void {
    this.#isStopped = true
    clearInterval(this.#refreshTimer)
    clearTimeout(this.#endTimer)
    this.#given?.removeEventListener('abort', this.#onGiven)
  }

  readonly #onGiven = (): void => this.#ending.abort(this.#given?.reason)

  #look(): void {
    if (this.#isStopped || this.#lost !== undefined) return
    clearTimeout(this.#endTimer)
    const leftMs = this.#grants.holdUntilMs - performance.now()
    if (leftMs > 0) {
      this.#endTimer = setTimeout(() => this.#look(), leftMs)
      return
    }
    this.#lost = new LockError('ERR_LOCK_LOST', 'no quorum surely keeps the lock any longer')
    // Who has lost it may never give it back.
    this.stop()
    this.#ending.abort(this.#lost)
  }
}
