/** Calls that wait for a connection to be usable, or for a handler of the peer, each with a deadline and a signal of its own. */

import { type AnySignal, abortReason, listenToAbort } from '../base/abort.ts'
import { rejectToCaller } from '../base/promise.ts'
import { RareSet } from '../base/rare.ts'
import { tellDelivery } from '../errors/cancellation.ts'
import type { Failure } from '../errors/failure.ts'
import type { Session } from '../session/session.ts'
import { DeadlineTimer } from '../time/after-reading.ts'

type Outcome = { readonly session: Session } | Failure

export class ReadyWaiters {
  readonly #waiters = new RareSet<(outcome: Outcome) => void>()

  /**
   * Resolves with the session of the next `settle`.
   *
   * @param deadlineMs of `performance.now()`, 0 for none
   * @param createError makes what it rejects with when the deadline passes
   */
  wait(deadlineMs: number, signal: AnySignal | undefined, createError: () => Error): Promise<Session> {
    if (signal?.aborted === true) return Promise.reject(abortReason(signal))
    return new Promise((resolve, reject) => {
      let timer: DeadlineTimer | undefined
      let unlisten: (() => void) | undefined
      const leave = () => {
        timer?.clear()
        unlisten?.()
        this.#waiters.delete(settle)
      }
      const settle = (outcome: Outcome) => {
        leave()
        if ('session' in outcome) resolve(outcome.session)
        else reject(outcome.reason)
      }
      // First, as a signal that is not one of Node may throw.
      if (signal !== undefined) {
        unlisten = listenToAbort(signal, (reason) => {
          tellDelivery(reason, 'notSent')
          settle({ reason })
        })
      }
      this.#waiters.add(settle)
      if (deadlineMs === 0) return
      timer = new DeadlineTimer(deadlineMs, () => {
        leave()
        resolve(rejectToCaller(createError()))
      })
    })
  }

  settle(outcome: Outcome): void {
    for (const settle of [...this.#waiters]) settle(outcome)
  }
}
