/** Which failed calls may be made again, at the same peer or at another one. */

import { type Delivery, GridError, RejectedError, RemoteError, UnknownHandlerError } from '../errors/errors.ts'

/** They come again however often the call is made: what was passed is wrong, or this side is closed. */
const hopeless: ReadonlySet<string> = new Set([
  'ERR_INVALID_OPTION',
  'ERR_CODEC',
  'ERR_MESSAGE_TOO_LARGE',
  'ERR_CLOSED'
])

/** @param mayRunTwice a call that may have run may run again */
export function mayRepeat(error: unknown, mayRunTwice: boolean): boolean {
  if (!GridError.is(error) || hopeless.has(error.code)) return false
  const allowed: readonly (Delivery | undefined)[] = mayRunTwice ? ['notSent', 'maybeRan'] : ['notSent']
  return allowed.includes(error.delivery)
}

const mistakes: ReadonlySet<string> = new Set(['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError'])

/** It comes again at the same peer, which denies the call, has no such handler, or a mistake in what stands before it. */
export function isHopelessThere(error: unknown): boolean {
  if (RejectedError.is(error)) return error.reason === 'denied'
  return UnknownHandlerError.is(error) || (RemoteError.is(error) && mistakes.has(error.remoteName))
}

/** How long the peer wants nothing: `retryAfterMs` of its details, 0 where it says nothing. */
export function readRetryAfterMs(error: unknown): number {
  if (!RejectedError.is(error)) return 0
  const { retryAfterMs } = Object(error.details)
  return typeof retryAfterMs === 'number' && retryAfterMs > 0 ? retryAfterMs : 0
}
