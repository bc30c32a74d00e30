/** Calls that wait for a connection to be usable, each with a deadline and a signal of its own. */

import { abortReason, listenToAbort } from '../base/abort.ts'
import { DeadlineTimer } from '../base/after-reading.ts'
import { DeadlineError } from '../base/errors.ts'
import type { Failure } from '../base/failure.ts'
import type { Session } from '../session/session.ts'

type Outcome = { readonly session: Session } | Failure

export class ReadyWaiters {
  readonly #host: string
  readonly #waiters = new Set<(outcome: Outcome) => void>()

  constructor(host: string) {
    this.#host = host
  }

  /**
   * Resolves with the next usable session.
   *
   * @param deadlineMs of `performance.now()`, 0 for none
   * @param cause told with the error when the deadline passes
   */
  wait(deadlineMs: number, signal: AbortSignal | undefined, cause: () => unknown): Promise<Session> {
    if (signal?.aborted === true) return Promise.reject(abortReason(signal))
    return new Promise((resolve, reject) => {
      let timer: DeadlineTimer | undefined
      let unlisten: (() => void) | undefined
      const settle = (outcome: Outcome) => {
        timer?.clear()
        unlisten?.()
        this.#waiters.delete(settle)
        if ('session' in outcome) resolve(outcome.session)
        else reject(outcome.reason)
      }
      // First, as a signal that is not one of Node may throw.
      if (signal !== undefined) unlisten = listenToAbort(signal, (reason) => settle({ reason }))
      this.#waiters.add(settle)
      if (deadlineMs > 0) {
        const text = `no connection to ${this.#host} before the deadline`
        timer = new DeadlineTimer(deadlineMs, () =>
          settle({ reason: new DeadlineError(text, { delivery: 'notSent', cause: cause() }) })
        )
      }
    })
  }

  settle(outcome: Outcome): void {
    for (const settle of [...this.#waiters]) settle(outcome)
  }
}
