/** The errors of a request that is given when none is taken: to which side, and why. */

import { ClosedError } from '../errors/errors.ts'
import { type Failure, readDelivery } from '../errors/failure.ts'

/** The remote end decides: what the definition of this side says does not count. */
export const takesNone = 'the handler takes no requests: its inCapacity is 0'

/** The requests have ended, by this failure if there was one; `isRefused` when the handler was the cause. */
export function createEndedError(failure: Failure | undefined, isRefused: boolean): ClosedError {
  const text = 'the requests of the stream have ended'
  if (failure === undefined) return isRefused ? noMoreTaken() : new ClosedError(text)
  const { reason } = failure
  if (ClosedError.is(reason) && reason.message === takesNone) return new ClosedError(takesNone)
  return new ClosedError(text, { cause: reason, delivery: readDelivery(reason) })
}

export function sourceGiven(): ClosedError {
  return new ClosedError('the requests already have a source')
}

export function noMoreTaken(): ClosedError {
  return new ClosedError('the handler takes no more requests')
}

/** A promise that is not awaited must not end the process: most of these errors are reported by `closed` and the responses, too. */
export function ignoreRejection<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}
