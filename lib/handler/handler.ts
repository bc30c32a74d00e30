/** What a handler function gets and gives. Types only. */

import type { Remote } from '../base/remote.ts'
import type { Metadata } from '../codec/metadata.ts'
import type { Producer } from '../stream/producer.ts'

/** What a handler knows of its call. */
export interface HandlerContext {
  /**
   * Aborts when the answer is no longer wanted. Its `reason` is a `GridError`, in most cases a `CancelledError`,
   * `DeadlineError`, `DisconnectedError` or `ShutdownError`; docs/errors.md has them all.
   */
  readonly signal: AbortSignal
  /** When the caller stops waiting, in ms since the epoch; undefined when it waits for ever. */
  readonly deadline: number | undefined
  readonly remote: Remote
  /** The id under which the handler was called. */
  readonly handler: string
  /** The subroute under which it was called, '' for none. */
  readonly subroute: string
  readonly metadata: Metadata
}

/** The function behind a single definition. */
export type SingleHandler<Req, Res> = (request: Req, context: HandlerContext) => Res | PromiseLike<Res>

/** The requests that a handler function gets: an async iterator, or null where it takes none. */
export type Requests<Req> = [Req] extends [never] ? null : AsyncIterableIterator<Req, undefined>

/** What a streaming handler may return: anything that `for await` takes, or nothing. */
export type Responses<Res> = Producer<Res> | undefined | void

/** The function behind a streaming definition. The stream ends when what it returns ends. */
export type StreamingHandler<Payload, Req, Res> = (
  payload: Payload,
  requests: Requests<Req>,
  context: HandlerContext
) => Responses<Res> | PromiseLike<Responses<Res>>
