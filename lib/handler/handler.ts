/** What a handler function takes and returns. Types only. */

import type { Remote } from '../base/remote.ts'
import type { Metadata } from '../codec/metadata.ts'
import type { Producer } from '../stream/producer.ts'
import type { Messages } from '../stream/source.ts'
import type { SingleDefinition, StreamingDefinition } from './definition.ts'

/** What a handler knows about its call. */
export interface HandlerContext {
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
  /** When the caller stops waiting, in ms since the epoch; undefined without a deadline. */
  readonly deadline: number | undefined
  readonly remote: Remote
  /** The id of the handler. */
  readonly handler: string
  /** The subroute of the handler, '' for none. */
  readonly subroute: string
  readonly metadata: Metadata
}

/**
 * The handler function of a single definition. A Node or web stream that it returns cannot be sent, and is destroyed or
 * cancelled: take care with `=> stream.on(...)`.
 */
export type SingleHandler<Req, Res> = (request: Req, context: HandlerContext) => Res | PromiseLike<Res>

/** The requests for a handler function: an async iterator, or null when it takes none. */
export type Requests<Req> = [Req] extends [never] ? null : Messages<Req>

/** What a streaming handler may return: anything that `for await` accepts, or nothing. It is released when the call ends first. */
export type Responses<Res> = Producer<Res> | undefined | void

/** The handler function of a streaming definition. The stream ends when the returned iterable ends. */
export type StreamingHandler<Payload, Req, Res> = (
  payload: Payload,
  requests: Requests<Req>,
  context: HandlerContext
) => Responses<Res> | PromiseLike<Responses<Res>>

/** The handler function of a definition. A string is the id of a raw single handler: bytes in and out. */
export type HandlerOf<D> = D extends string
  ? SingleHandler<Uint8Array, Uint8Array>
  : D extends SingleDefinition<infer Req, infer Res>
    ? SingleHandler<Req, Res>
    : D extends StreamingDefinition<infer Payload, infer Req, infer Res>
      ? StreamingHandler<Payload, Req, Res>
      : never
