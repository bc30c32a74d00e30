/** What a single call may ask for, and the checks of it. */

import { InvalidOptionError } from '../base/errors.ts'
import { maxTimeoutMs } from '../base/options.ts'
import type { Metadata } from '../codec/metadata.ts'

export interface CallOptions {
  /**
   * Time the whole call may take, in ms; it travels to the handler. `Infinity` for no limit. Default 60 000 for a single
   * request, none for a stream.
   */
  readonly timeout?: number
  /** Cancels the call; it then rejects with `signal.reason`. */
  readonly signal?: AbortSignal
  /** Travels beside the payload, as `context.metadata`. */
  readonly metadata?: Metadata
  /** Waits for the connection instead of failing at once while it is down. The timeout covers the wait. Default false. */
  readonly waitForReady?: boolean
}

export const noOptions: CallOptions = Object.freeze({})

/**
 * Time the call may take, in ms; 0 for no limit.
 *
 * @throws {InvalidOptionError}
 */
export function timeoutOf(timeout: number | undefined, defaultTimeoutMs: number): number {
  const timeoutMs = timeout ?? defaultTimeoutMs
  if (timeoutMs === Number.POSITIVE_INFINITY) return 0
  if (!(timeoutMs > 0) || timeoutMs > maxTimeoutMs) {
    const text = `timeout must be above 0 and at most ${maxTimeoutMs} ms, or Infinity`
    throw new InvalidOptionError(text, { delivery: 'notSent' })
  }
  return timeoutMs
}

/** @throws {InvalidOptionError} when the signal is none, such as a controller in its place */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined) return
  const isSignal = typeof signal?.addEventListener === 'function' && typeof signal.removeEventListener === 'function'
  if (isSignal) return
  throw new InvalidOptionError('signal must be an AbortSignal', { delivery: 'notSent' })
}
