/** What a handler function takes and returns. Types only. */

import type { HandlerContext } from '../hooks/call-info.ts'
import type { Producer } from '../producer/producer.ts'
import type { Messages } from '../stream/source.ts'
import type { SingleDefinition, StreamingDefinition } from './definition.ts'

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
