/**
 * What a handler is, to both ends: its id, its kind, its codecs, its capacities; and what a handler function gets.
 *
 * Types only, with the one codec that does nothing. `typed.ts` makes definitions, `handlers.ts` registers them.
 */

import type { Identity } from './auth.ts'
import { CodecError } from './errors.ts'
import type { Producer } from './sink.ts'

/** Turns values into the bytes of a message and back. */
export interface Codec<T> {
  /** Throws when the value cannot be encoded. */
  encode(value: T): Uint8Array
  /** Throws when the bytes are not a value. */
  decode(bytes: Uint8Array): T
  /**
   * True when `decode` keeps no reference to its input. It is then given a view that is overwritten soon after, which
   * spares a copy of each message. Default false: the input is the codec's to keep.
   */
  readonly readsInPlace?: boolean
}

/** A handler that answers each request with one response. Made by `single()`. */
export interface SingleDefinition<Req, Res> {
  readonly kind: 'single'
  readonly id: string
  readonly request: Codec<Req>
  readonly response: Codec<Res>
}

/** A handler that takes a payload and a stream of requests, and answers with a stream of responses. Made by `streaming()`. */
export interface StreamingDefinition<Payload, Req, Res> {
  readonly kind: 'streaming'
  readonly id: string
  readonly payload: Codec<Payload>
  readonly request: Codec<Req>
  readonly response: Codec<Res>
  readonly inCapacity: number
  readonly outCapacity: number
}

/** The values that metadata can hold. */
export type MetadataValue = string | number | boolean | Uint8Array | null
/** A few words about a call that are not its payload, such as a trace id. */
export type Metadata = Readonly<Record<string, MetadataValue>>

/** The server at the other end of a conn, as the handshake proved it. */
export interface Remote {
  /** Canonical host name. */
  readonly host: string
  /** New at each start of the remote server, in hex. */
  readonly instance: string
  /** What its `Auth` said of it. */
  readonly identity: Identity
  /** The address of the conn, for logs. */
  readonly address: string
}

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

/** The codec of raw bytes. */
export const rawBytes: Codec<Uint8Array> = Object.freeze({
  encode(value: Uint8Array): Uint8Array {
    if (value instanceof Uint8Array) return value
    throw new CodecError(`a raw payload must be a Uint8Array, not ${value === null ? 'null' : typeof value}`)
  },
  decode: (payload: Uint8Array): Uint8Array => payload
})

/** The definition that a string id stands for. */
export function rawSingle(id: string): SingleDefinition<unknown, unknown> {
  return { kind: 'single', id, request: anything, response: anything }
}

/** What a string id stands for as a stream, in the shape that the remote advertised. */
export function rawStreaming(
  id: string,
  inCapacity: number,
  outCapacity: number
): StreamingDefinition<unknown, unknown, unknown> {
  return { kind: 'streaming', id, payload: anything, request: anything, response: anything, inCapacity, outCapacity }
}

/** `encode` checks what it gets, so the codec of bytes may be handed anything. */
const anything = rawBytes as Codec<unknown>
