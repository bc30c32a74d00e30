/** The options of one call, and their checks. */

import type { AnySignal } from '../base/abort.ts'
import type { Metadata } from '../codec/metadata.ts'
import { aBoolean, anything, type Kind, type Own, optionsReader } from '../errors/check.ts'
import type { Delivery } from '../errors/errors.ts'
import { maxTimeoutMs } from '../errors/options.ts'
import type { Session } from '../session/session.ts'

export interface CallOptions {
  /**
   * Time that the whole call may take, in ms. It is sent to the handler. `Infinity` for no limit. Default 60 000 for a single
   * request, no limit for a stream.
   */
  readonly timeout?: number
  /** Cancels the call, which then rejects with `signal.reason`. */
  readonly signal?: AbortSignal
  /** Sent with the payload, for `context.metadata` of the handler. */
  readonly metadata?: Metadata
  /**
   * Waits for the connection, and for the handler, instead of failing at once while there is none. The timeout includes the
   * wait. Default false.
   */
  readonly waitForReady?: boolean
}

/** The options of a call as they were read, once. */
export type ReadCallOptions = Partial<Omit<Own<CallOptions>, 'signal'>> & {
  readonly signal?: AnySignal | undefined
  /** Hears of the session that takes the call. */
  readonly onSession?: ((session: Session) => void) | undefined
}

export const aTimeout: Kind = {
  must: `must be above 0 and at most ${maxTimeoutMs} ms, or Infinity`,
  // An object may be a number now, and none when its deadline passes.
  is: (value) => typeof value === 'number' && value > 0 && (value <= maxTimeoutMs || value === Number.POSITIVE_INFINITY)
}

/** For example, an AbortController is none. */
export const aSignal: Kind = {
  must: 'must be an AbortSignal',
  is: (value) => {
    const signal = value as AbortSignal | null
    return typeof signal?.addEventListener === 'function' && typeof signal.removeEventListener === 'function'
  }
}

const readGiven = optionsReader<CallOptions>(
  'a call',
  { timeout: aTimeout, signal: aSignal, metadata: anything, waitForReady: aBoolean },
  { subroute: 'use connection.subroute(name)' }
)

/** Of most calls. */
const noOptions: ReadCallOptions = readGiven(undefined)

/** @throws {InvalidOptionError}; of metadata, what can be wrong is found by `checkMetadata` */
export function readCallOptions(given: CallOptions | undefined, delivery: Delivery): ReadCallOptions {
  return given === undefined ? noOptions : readGiven(given, delivery)
}

/** @throws {InvalidOptionError} */
export const readWaitOptions = optionsReader<Pick<CallOptions, 'signal'>>(
  'waitForConnect()',
  { signal: aSignal },
  { timeout: 'use signal: AbortSignal.timeout(ms)' }
)

/** Time that the call may take, in ms; 0 for no limit. */
export function parseTimeout(timeout: number | undefined, defaultTimeoutMs: number): number {
  const timeoutMs = timeout ?? defaultTimeoutMs
  return timeoutMs === Number.POSITIVE_INFINITY ? 0 : timeoutMs
}
