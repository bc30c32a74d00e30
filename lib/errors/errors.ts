/**
 * Every error this library throws: one base class, one list of codes.
 *
 * `code` is stable and for programs; the message is for people. `docs/errors.md` says for each class when it is thrown,
 * where the fault is and what to do. No error contains payload bytes or secrets. What one is, is told by a brand that all
 * copies of the package share, and not by `instanceof`.
 */

import { brand, isOfClass } from '../base/brand.ts'
import type { GridEvent } from '../report/events.ts'
import type { DisconnectReason, RejectReason } from '../report/reasons.ts'

export type { DisconnectReason, RejectReason } from '../report/reasons.ts'

/** Whether the remote handler may have run, so that a caller knows whether a retry is safe. */
export type Delivery =
  /** The handler has certainly not run: a retry is always safe. */
  | 'notSent'
  /** The handler may have run, wholly or in part: retry only what is idempotent. */
  | 'maybeRan'
  /** The handler ran and ended: this is its answer. */
  | 'ran'

export interface GridErrorOptions {
  delivery?: Delivery
  cause?: unknown
}

/** The base class of all errors thrown by this library. */
export class GridError extends Error {
  /** Whether it is an error of this class, of any copy of the package. Each class has it: `RemoteError.is(error)`. */
  static readonly is = isOfClass
  override name = 'GridError'
  readonly code: string
  /** Set on every error of a call; `undefined` on errors that belong to no call. */
  readonly delivery: Delivery | undefined

  constructor(code: string, message: string, options: GridErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.delivery = options.delivery
  }

  /** @internal this error, with the delivery of a call unless it has one already */
  ofCall(delivery: Delivery): this {
    return this.delivery === undefined ? Object.assign(this, { delivery }) : this
  }
}

/** There is no conn to the host, or it was lost during the call. Code `ERR_DISCONNECTED`. */
export class DisconnectedError extends GridError {
  override name = 'DisconnectedError'
  readonly reason: DisconnectReason
  readonly #recent: (() => readonly GridEvent[]) | undefined

  constructor(
    reason: DisconnectReason,
    message: string,
    options: GridErrorOptions & { recent?: () => readonly GridEvent[] } = {}
  ) {
    super('ERR_DISCONNECTED', message, options)
    this.reason = reason
    this.#recent = options.recent
  }

  /** What happened on the connection before, oldest first, as far as it is still known. Not enumerable. */
  get recent(): readonly GridEvent[] {
    return #recent in this ? (this.#recent?.() ?? []) : []
  }
}

/** The remote handler threw. `code` is the handler's own, or `ERR_REMOTE` where it had none. */
export class RemoteError extends GridError {
  override name = 'RemoteError'
  /** What the handler attached as `details`, if anything. */
  readonly details: unknown
  /** The `name` of the error that the handler threw. */
  readonly remoteName: string

  constructor(
    code: string,
    message: string,
    options: GridErrorOptions & { details?: unknown; remoteName?: string } = {}
  ) {
    super(code, message, { delivery: 'ran', ...options })
    this.details = options.details
    this.remoteName = options.remoteName ?? 'Error'
  }
}

/**
 * The remote refused a call or a handshake before a handler ran. An interceptor of a handler throws it to refuse a call. Code
 * `ERR_REJECTED`.
 */
export class RejectedError extends GridError {
  override name = 'RejectedError'
  readonly reason: RejectReason
  /** What an interceptor added, such as `retryAfterMs`. */
  readonly details: unknown

  constructor(reason: RejectReason, message: string, options: GridErrorOptions & { details?: unknown } = {}) {
    super('ERR_REJECTED', message, { delivery: 'notSent', ...options })
    this.reason = reason
    this.details = options.details
  }
}

/** The peer broke the protocol; its conn is closed. Code `ERR_PROTOCOL`. */
export class ProtocolError extends GridError {
  override name = 'ProtocolError'
  /** The close code that tells the peer, see `docs/protocol.md`. */
  readonly reason: 'protocol' | 'checksum' | 'flood'

  constructor(message: string, options: GridErrorOptions & { reason?: 'protocol' | 'checksum' | 'flood' } = {}) {
    super('ERR_PROTOCOL', message, options)
    this.reason = options.reason ?? 'protocol'
  }
}

/** A peer sent more on one stream than its window allows; only that stream is reset. Code `ERR_FLOW_CONTROL`. */
export class FlowControlError extends GridError {
  override name = 'FlowControlError'

  constructor(message: string, options: GridErrorOptions = {}) {
    super('ERR_FLOW_CONTROL', message, options)
  }
}

/** One stream was reset by the peer for a reason that has no class of its own. Code `ERR_STREAM_RESET`. */
export class StreamResetError extends GridError {
  override name = 'StreamResetError'

  constructor(message: string, options: GridErrorOptions = {}) {
    super('ERR_STREAM_RESET', message, options)
  }
}

/** The call was cancelled: for a handler, by its caller; for a caller, by `cancel()` without a reason. Code `ERR_CANCELLED`. */
export class CancelledError extends GridError {
  override name = 'CancelledError'

  constructor(message = 'the call was cancelled', options: GridErrorOptions = {}) {
    super('ERR_CANCELLED', message, options)
  }
}

/** The deadline of the call has passed. Code `ERR_DEADLINE`. */
export class DeadlineError extends GridError {
  override name = 'DeadlineError'

  constructor(message: string, options: GridErrorOptions = {}) {
    super('ERR_DEADLINE', message, options)
  }
}

/** The manager of this handler is shutting down and aborted the call. Code `ERR_SHUTDOWN`. */
export class ShutdownError extends GridError {
  override name = 'ShutdownError'

  constructor(message = 'the manager is shutting down', options: GridErrorOptions = {}) {
    super('ERR_SHUTDOWN', message, options)
  }
}

/**
 * The reason of `draining` signals: one end of the conn begins to close. The call may still end within the grace. Never
 * thrown by this library. Code `ERR_DRAINING`.
 */
export class DrainingError extends GridError {
  override name = 'DrainingError'
  readonly reason: DisconnectReason
  /** Which end began to close. */
  readonly by: 'local' | 'remote'
  /** When calls that still run are aborted, ms since the epoch; undefined where the peer did not say, or where all of them may end. */
  readonly deadline: number | undefined

  constructor(reason: DisconnectReason, by: 'local' | 'remote', deadline: number | undefined) {
    const who = by === 'local' ? 'this server closes' : 'the peer closes'
    const until = deadline === undefined ? '' : ` until ${new Date(deadline).toISOString()}`
    super('ERR_DRAINING', `${who} the conn of this call (${reason}): it may end${until}, new calls go elsewhere`)
    this.reason = reason
    this.by = by
    this.deadline = deadline
  }
}

/** Use of something that was closed or ended on this side: a manager, a connection, a request sink. Code `ERR_CLOSED`. */
export class ClosedError extends GridError {
  override name = 'ClosedError'

  constructor(message: string, options: GridErrorOptions = {}) {
    super('ERR_CLOSED', message, options)
  }
}

/** The remote host has no such handler, or has one of the other kind (single, streaming). Code `ERR_UNKNOWN_HANDLER`. */
export class UnknownHandlerError extends GridError {
  override name = 'UnknownHandlerError'

  constructor(message: string, options: GridErrorOptions = {}) {
    super('ERR_UNKNOWN_HANDLER', message, { delivery: 'notSent', ...options })
  }
}

/** The host is not among the manager's `hosts`. Code `ERR_UNKNOWN_HOST`. */
export class UnknownHostError extends GridError {
  override name = 'UnknownHostError'

  constructor(message: string, options: GridErrorOptions = {}) {
    super('ERR_UNKNOWN_HOST', message, options)
  }
}

/** The same handler was registered twice under one subroute. Code `ERR_HANDLER_EXISTS`. */
export class HandlerExistsError extends GridError {
  override name = 'HandlerExistsError'

  constructor(message: string) {
    super('ERR_HANDLER_EXISTS', message)
  }
}

/** A value could not be encoded, or bytes could not be decoded. Code `ERR_CODEC`. */
export class CodecError extends GridError {
  override name = 'CodecError'

  constructor(message: string, options: GridErrorOptions = {}) {
    super('ERR_CODEC', message, options)
  }
}

/** A message is larger than the receiver's `maxMessageBytes`. Code `ERR_MESSAGE_TOO_LARGE`. */
export class MessageTooLargeError extends GridError {
  override name = 'MessageTooLargeError'

  constructor(message: string, options: GridErrorOptions = {}) {
    super('ERR_MESSAGE_TOO_LARGE', message, options)
  }
}

/** The handshake failed on this side: a wrong proof, a malformed or missing message, or its deadline. Code `ERR_HANDSHAKE`. */
export class HandshakeError extends GridError {
  override name = 'HandshakeError'

  constructor(message: string, options: GridErrorOptions = {}) {
    super('ERR_HANDSHAKE', message, options)
  }
}

/** The dial failed: the host refused, was unreachable, or did not answer the upgrade with a 101. Code `ERR_DIAL`. */
export class DialError extends GridError {
  override name = 'DialError'

  constructor(message: string, options: GridErrorOptions = {}) {
    super('ERR_DIAL', message, options)
  }
}

/** An option or argument is wrong; the message names it. Code `ERR_INVALID_OPTION`. */
export class InvalidOptionError extends GridError {
  override name = 'InvalidOptionError'

  constructor(message: string, options: GridErrorOptions = {}) {
    super('ERR_INVALID_OPTION', message, options)
  }
}

brand({
  ...{ GridError, DisconnectedError, RemoteError, RejectedError, ProtocolError, FlowControlError, StreamResetError },
  ...{
    CancelledError,
    DeadlineError,
    ShutdownError,
    DrainingError,
    ClosedError,
    UnknownHandlerError,
    UnknownHostError
  },
  ...{ HandlerExistsError, CodecError, MessageTooLargeError, HandshakeError, DialError },
  InvalidOptionError
})
