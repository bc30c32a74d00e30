/** What is known of a call by interceptors, channels, rules and handlers alike. Types only. */

import type { Remote } from '../base/remote.ts'
import type { Metadata } from '../codec/metadata.ts'
import type { HandlerName } from '../report/stats.ts'

export type Kind = HandlerName['kind']

/** A call, without its payload and its response. */
export interface CallInfo extends HandlerName {
  readonly side: 'caller' | 'handler'
  /** Canonical name of the server at the other end. */
  readonly host: string
  /** Of that server; at a caller undefined until a session has taken the call. */
  readonly instance: string | undefined
  /** When the caller stops waiting, in ms since the epoch; undefined without a deadline. */
  readonly deadline: number | undefined
  readonly metadata: Metadata
  /** Aborts when the answer is no longer wanted. */
  readonly signal: AbortSignal
}

/** What a handler knows about its call. */
export interface HandlerContext extends CallInfo {
  readonly side: 'handler'
  readonly instance: string
  /**
   * Aborts when the answer is no longer needed. Its `reason` is a `GridError`, in most cases a `CancelledError`,
   * `DeadlineError`, `DisconnectedError` or `ShutdownError`; docs/errors.md lists all of them.
   * What a listener of it throws is dropped: the call is over by then.
   */
  readonly signal: AbortSignal
  /**
   * Aborts when either end begins to close the conn of this call, by a shutdown, a renewal or the removal of a host: a handler
   * without an end ends now, and its caller goes on elsewhere. Its `reason` is a `DrainingError`. `signal` aborts later, when
   * the grace is over. What a listener of it throws is dropped.
   */
  readonly draining: AbortSignal
  readonly remote: Remote
}

/** What interceptors and rules at a handler get: its context, and the payload of the call. */
export interface HandlerCall<Payload = unknown> extends HandlerContext {
  /**
   * Decoded when it is first asked for, so that a call can be refused before that.
   *
   * @throws {CodecError} when it cannot be decoded
   */
  readonly payload: Payload
}

/** What interceptors at a caller get. */
export interface CallerCall<Payload = unknown> extends CallInfo {
  readonly side: 'caller'
  /** As it was given to the call, and as it was encoded then: it cannot be changed. */
  readonly payload: Payload
  /** Of the whole call, in ms; `Infinity` for none. */
  readonly timeout: number
  /** As its definition says. */
  readonly idempotent: boolean
}
