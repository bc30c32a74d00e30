/**
 * Definitions that both ends share: handlers are registered and calls are made with them, and they give the types.
 *
 * msgpack is the default codec. `table.ts` registers handlers.
 */

import { printable } from '../base/text.ts'
import { msgpack } from '../codec/builtin.ts'
import type { CodecNeededFor, IsLost, Lost } from '../codec/carried.ts'
import type { Codec } from '../codec/codec.ts'
import { rawBytes } from '../codec/codec.ts'
import { aBoolean, aString, aWholeNumber, check, type Kind, optionsReader } from '../errors/check.ts'
import { type Delivery, InvalidOptionError } from '../errors/errors.ts'
import { defaultCapacity, maxCapacity } from '../errors/options.ts'

/** A handler that answers each request with one response. Made by `single()`. */
export interface SingleDefinition<Req, Res> {
  readonly kind: 'single'
  readonly id: string
  readonly request: Codec<Req>
  readonly response: Codec<Res>
  /** Running it twice does what running it once does. */
  readonly idempotent?: boolean
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

const kinds = ['single', 'streaming']
/** Characters of an id in a text: the peer, and not this end, knows how long it may be. */
const maxShown = 256

/**
 * For code without types, and for definitions made by hand.
 *
 * @throws {InvalidOptionError} when it is no definition, or not one of this kind
 */
export function checkDefinition(
  definition: AnyDefinition,
  method: string,
  kind?: AnyDefinition['kind'],
  delivery: Delivery | undefined = kind === undefined ? undefined : 'notSent'
): void {
  const wanted = kind === undefined ? 'single() or streaming()' : `${kind}()`
  const must = `must be a definition made by ${wanted}, or the id of a raw handler`
  const given: Partial<AnyDefinition> | null = definition
  check(
    `the first argument of ${method}`,
    definition,
    { must, is: () => kinds.includes(String(given?.kind)) },
    delivery
  )
  checkId(definition.id)
  if (kind !== undefined && definition.kind !== kind) {
    const other = method === 'quorum()' ? 'all()' : kind === 'single' ? 'newStream()' : 'request()'
    const text = `${method} is for ${kind} handlers; "${printable(definition.id, maxShown)}" is ${definition.kind}: use ${other}`
    throw new InvalidOptionError(text, { delivery })
  }
  const codecs = definition.kind === 'single' ? ['request', 'response'] : ['payload', 'request', 'response']
  for (const name of codecs)
    check(`${name} of "${printable(definition.id, maxShown)}"`, Reflect.get(definition, name), aCodec, delivery)
}

/**
 * A copy, so that each property is read here and not in a call: in a definition made by hand it may throw, or change.
 *
 * @throws {InvalidOptionError} when it is no definition
 */
export function copyDefinition(definition: AnyDefinition): AnyDefinition {
  if (typeof definition !== 'object' || definition === null) checkDefinition(definition, 'handle()')
  const copy = copyProperties(definition)
  checkDefinition(copy, 'handle()')
  return copy
}

function copyProperties(definition: AnyDefinition): AnyDefinition {
  const { kind, id, request, response } = definition
  if (kind === 'single') return { kind, id, request, response }
  const { payload, inCapacity, outCapacity } = definition
  return { kind, id, payload, request, response, inCapacity, outCapacity }
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
  /**
   * Running it twice does what running it once does: `grid.any` and `retries` may make the call again when it may have run.
   * Default false.
   */
  readonly idempotent?: boolean
}

/** The codec that must be given for a type that msgpack cannot carry. */
type NeededCodec<Name extends string, T> = IsLost<T> extends true ? { readonly [N in Name]: Codec<T> } : unknown

type GivenSingleOptions<Req, Res> = true extends IsLost<Req> | IsLost<Res>
  ? CodecNeededFor<
      Lost<Req> | Lost<Res>,
      SingleOptions<Req, Res> & NeededCodec<'request', Req> & NeededCodec<'response', Res>
    >
  : [options?: SingleOptions<Req, Res>]

/**
 * Defines a handler that answers each request with one response. A type that msgpack cannot carry, such as a `Map`, needs a
 * codec.
 *
 * @example
 *
 * ```ts
 * const rlock = single<LockArgs, LockReply>('lock.rlock')
 * ```
 *
 * @throws {InvalidOptionError} when the id is no name, or an option is wrong
 */
export function single<Req = void, Res = void>(
  id: string,
  ...[options]: GivenSingleOptions<Req, Res>
): SingleDefinition<Req, Res> {
  checkId(id)
  const read = readSingle<SingleOptions<Req, Res>>(options)
  const { request = msgpack<Req>(), response = msgpack<Res>(), idempotent } = read
  return Object.freeze({ kind: 'single', id, request, response, ...(idempotent === true ? { idempotent } : {}) })
}

interface StreamingCodecs<Payload, Req, Res> {
  /** The codec of the payload. Default msgpack. */
  readonly payload?: Codec<Payload>
  /** The codec of requests. Default msgpack. */
  readonly request?: Codec<Req>
  /** The codec of responses. Default msgpack. */
  readonly response?: Codec<Res>
  /** Responses that may be sent ahead of the consumer. Default 128, and up to 1024 for one that keeps up. */
  readonly outCapacity?: number
}

/** A handler without requests must say so by its capacity: at run time there are no types. */
export type StreamingOptions<Payload, Req, Res> = StreamingCodecs<Payload, Req, Res> &
  ([Req] extends [never]
    ? { readonly inCapacity: 0 }
    : {
        /** Requests that may be sent ahead of the handler, at least 1. Default 128, and up to 1024 for one that keeps up. */
        readonly inCapacity?: number
      })

type GivenStreamingOptions<Payload, Req, Res> = true extends IsLost<Payload> | IsLost<Req> | IsLost<Res>
  ? CodecNeededFor<
      Lost<Payload> | Lost<Req> | Lost<Res>,
      StreamingOptions<Payload, Req, Res> &
        NeededCodec<'payload', Payload> &
        NeededCodec<'request', Req> &
        NeededCodec<'response', Res>
    >
  : [Req] extends [never]
    ? [options: StreamingOptions<Payload, Req, Res>]
    : [options?: StreamingOptions<Payload, Req, Res>]

/**
 * Defines a handler that takes a payload and a stream of requests, and answers with a stream of responses. A type that
 * msgpack cannot carry, such as a `Map`, needs a codec.
 *
 * @example
 *
 * ```ts
 * const walk = streaming<WalkOptions, never, Entry>('storage.walk', { inCapacity: 0, outCapacity: 32 })
 * ```
 *
 * @throws {InvalidOptionError} when the id is no name, or an option is wrong: a capacity is a whole number from 0 to 65 535
 */
export function streaming<Payload = void, Req = never, Res = never>(
  id: string,
  ...[options]: GivenStreamingOptions<Payload, Req, Res>
): StreamingDefinition<Payload, Req, Res> {
  checkId(id)
  const read = readStreaming<StreamingCodecs<Payload, Req, Res> & { readonly inCapacity?: number }>(options)
  const { payload = msgpack<Payload>(), request = msgpack<Req>(), response = msgpack<Res>() } = read
  const { inCapacity = defaultCapacity, outCapacity = defaultCapacity } = read
  return Object.freeze({ kind: 'streaming', id, payload, request, response, inCapacity, outCapacity })
}

const aCodec: Kind = {
  must: 'must be a codec, such as bytes() or json(schema)',
  // A schema may have the same methods, but does not make bytes.
  is: (value) => {
    const codec = value as Partial<Codec<unknown>> | null
    return typeof codec?.encode === 'function' && typeof codec.decode === 'function' && !('~standard' in codec)
  }
}
const aCapacity = aWholeNumber(0, maxCapacity)
const capacities = { outCapacity: aCapacity, inCapacity: aCapacity }
const readSingle = optionsReader<SingleOptions<unknown, unknown>>(
  'single()',
  { request: aCodec, response: aCodec, idempotent: aBoolean },
  { payload: 'it is called request', inCapacity: 'it belongs in streaming()', outCapacity: 'it belongs in streaming()' }
)
const readStreaming = optionsReader<StreamingCodecs<unknown, unknown, unknown> & { readonly inCapacity?: number }>(
  'streaming()',
  { payload: aCodec, request: aCodec, response: aCodec, ...capacities }
)

/** @throws {InvalidOptionError} when it is empty, or no name */
export function checkId(id: string): void {
  checkName('handler id', id)
  if (id === '') throw new InvalidOptionError('a handler id must not be empty')
}

/** @throws {InvalidOptionError} when it is no string, contains NUL or is no Unicode */
export function checkName(what: string, name: string): void {
  check(`a ${what}`, name, aString)
  if (name.includes('\0')) throw new InvalidOptionError(`a ${what} must not contain NUL`)
  // Two names with other halves of a pair would be one name to the peer.
  if (Buffer.from(name).toString() !== name) throw new InvalidOptionError(`a ${what} must be well-formed Unicode`)
}

/** @throws {InvalidOptionError} when the value is not a whole number from 0 to 65 535 */
export function checkCapacity(name: string, value: number): number {
  check(name, value, aCapacity)
  return value
}
