/**
 * Definitions that both ends share: handlers are registered and calls are made with them, and they give the types.
 *
 * msgpack is the default codec. `table.ts` registers handlers.
 */

import { InvalidOptionError } from '../base/errors.ts'
import { defaultCapacity, maxCapacity } from '../base/options.ts'
import { msgpack } from '../codec/builtin.ts'
import type { Codec } from '../codec/codec.ts'
import { rawBytes } from '../codec/codec.ts'

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

export type AnySingle = SingleDefinition<unknown, unknown>
export type AnyStreaming = StreamingDefinition<unknown, unknown, unknown>
export type AnyDefinition = AnySingle | AnyStreaming

/** The payload of a call at a definition. A string is the id of a raw handler, which takes bytes or nothing. */
export type PayloadOf<D> = D extends string
  ? Uint8Array | undefined
  : D extends SingleDefinition<infer Req, unknown>
    ? Req
    : D extends StreamingDefinition<infer Payload, unknown, unknown>
      ? Payload
      : never

/** The requests of a stream at a definition. */
export type RequestOf<D> = D extends StreamingDefinition<unknown, infer Req, unknown> ? Req : Uint8Array

/** The response of a call at a definition, or each response of its stream. */
export type ResponseOf<D> = D extends string
  ? Uint8Array
  : D extends SingleDefinition<unknown, infer Res>
    ? Res
    : D extends StreamingDefinition<unknown, unknown, infer Res>
      ? Res
      : never

/** A copy, so that each property is read here and not in a call: in a definition made by hand it may throw, or change. */
export function copyDefinition(definition: AnyDefinition): AnyDefinition {
  const { id, request, response } = definition
  if (definition.kind === 'single') return { kind: 'single', id, request, response }
  const { payload, inCapacity, outCapacity } = definition
  return { kind: 'streaming', id, payload, request, response, inCapacity, outCapacity }
}

/** The definition of a single handler that is named by a string id only. */
export function rawSingle(id: string): AnySingle {
  return { kind: 'single', id, request: anything, response: anything }
}

/** The definition of a streaming handler named by a string id only, with the capacities that the remote advertised. */
export function rawStreaming(id: string, inCapacity: number, outCapacity: number): AnyStreaming {
  return { kind: 'streaming', id, payload: anything, request: anything, response: anything, inCapacity, outCapacity }
}

/** The codec of bytes checks its values itself, so any value may be passed. */
const anything = rawBytes as Codec<unknown>

export interface SingleOptions<Req, Res> {
  /** The codec of requests. Default msgpack. */
  readonly request?: Codec<Req>
  /** The codec of responses. Default msgpack. */
  readonly response?: Codec<Res>
}

/**
 * Defines a handler that answers each request with one response.
 *
 * @example
 *
 * ```ts
 * const rlock = single<LockArgs, LockReply>('lock.rlock')
 * ```
 *
 * @throws {InvalidOptionError} when a codec is not a codec
 */
export function single<Req = void, Res = void>(
  id: string,
  options: SingleOptions<Req, Res> = {}
): SingleDefinition<Req, Res> {
  return Object.freeze({
    kind: 'single',
    id,
    request: checkCodec('request', options.request),
    response: checkCodec('response', options.response)
  })
}

interface StreamingCodecs<Payload, Req, Res> {
  /** The codec of the payload. Default msgpack. */
  readonly payload?: Codec<Payload>
  /** The codec of requests. Default msgpack. */
  readonly request?: Codec<Req>
  /** The codec of responses. Default msgpack. */
  readonly response?: Codec<Res>
  /** Responses that may be sent ahead of the consumer. Default 128. */
  readonly outCapacity?: number
}

/** A handler without requests must say so by its capacity: at run time there are no types. */
export type StreamingOptions<Payload, Req, Res> = StreamingCodecs<Payload, Req, Res> &
  ([Req] extends [never]
    ? { readonly inCapacity: 0 }
    : {
        /** Requests that may be sent ahead of the handler, at least 1. Default 128. */
        readonly inCapacity?: number
      })

/**
 * Defines a handler that takes a payload and a stream of requests, and answers with a stream of responses.
 *
 * @example
 *
 * ```ts
 * const walk = streaming<WalkOptions, never, Entry>('storage.walk', { inCapacity: 0, outCapacity: 32 })
 * ```
 *
 * @throws {InvalidOptionError} when a capacity is not a whole number from 0 to 65 535, or a codec is not a codec
 */
export function streaming<Payload = void, Req = never, Res = never>(
  id: string,
  ...[options]: [Req] extends [never]
    ? [options: StreamingOptions<Payload, Req, Res>]
    : [options?: StreamingOptions<Payload, Req, Res>]
): StreamingDefinition<Payload, Req, Res> {
  const given: StreamingCodecs<Payload, Req, Res> & { readonly inCapacity?: number } = options ?? {}
  const { inCapacity = defaultCapacity, outCapacity = defaultCapacity } = given
  return Object.freeze({
    kind: 'streaming',
    id,
    payload: checkCodec('payload', given.payload),
    request: checkCodec('request', given.request),
    response: checkCodec('response', given.response),
    inCapacity: checkCapacity('inCapacity', inCapacity),
    outCapacity: checkCapacity('outCapacity', outCapacity)
  })
}

function checkCodec<T>(name: string, codec: Codec<T> = msgpack<T>()): Codec<T> {
  const isCodec = typeof codec?.encode === 'function' && typeof codec.decode === 'function'
  // A schema may have the same methods, but does not make bytes.
  if (isCodec && !('~standard' in codec)) return codec
  throw new InvalidOptionError(`${name} must be a codec, such as bytes() or json(schema)`)
}

/** @throws {InvalidOptionError} when the value is not a whole number from 0 to 65 535 */
export function checkCapacity(name: string, value: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= maxCapacity) return value
  throw new InvalidOptionError(`${name} must be a whole number from 0 to ${maxCapacity}`)
}
