/** The options of one call, and their checks. */

import { InvalidOptionError } from '../base/errors.ts'
import { maxTimeoutMs } from '../base/options.ts'
import type { Metadata } from '../codec/metadata.ts'

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
  /** Waits for the connection instead of failing at once while there is none. The timeout includes the wait. Default false. */
  readonly waitForReady?: boolean
}

export const noOptions: CallOptions = Object.freeze({})

/**
 * Time that the call may take, in ms; 0 for no limit.
 *
 * @throws {InvalidOptionError}
 */
export function parseTimeout(timeout: number | undefined, defaultTimeoutMs: number): number {
  const timeoutMs = timeout ?? defaultTimeoutMs
  if (timeoutMs === Number.POSITIVE_INFINITY) return 0
  // An object may be a number now, and none when its deadline passes.
  if (typeof timeoutMs !== 'number' || !(timeoutMs > 0) || timeoutMs > maxTimeoutMs) {
    const text = `timeout must be above 0 and at most ${maxTimeoutMs} ms, or Infinity`
    throw new InvalidOptionError(text, { delivery: 'notSent' })
  }
  return timeoutMs
}

/** @throws {InvalidOptionError} when the signal is not a signal, for example an AbortController */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined) return
  const isSignal = typeof signal?.addEventListener === 'function' && typeof signal.removeEventListener === 'function'
  if (isSignal) return
  throw new InvalidOptionError('signal must be an AbortSignal', { delivery: 'notSent' })
}
