/**
 * The codecs that need no declaration: plain values, raw bytes, and no value.
 *
 * JSON and structs have their own files, `json.ts` and `tuple.ts`.
 */

import { describeValue } from '../base/text.ts'
import { CodecError } from '../errors/errors.ts'
import { Misfit } from '../msgpack/misfit.ts'
import { decodeMsgpack, encodeMsgpack } from '../msgpack/msgpack.ts'
import type { IsLost, Lost } from './carried.ts'
import { type Codec, rawBytes } from './codec.ts'
import { type GivenSchema, withSchema } from './schema.ts'

/**
 * Any plain value as msgpack; `docs/protocol.md`, section "Values", lists them. With a `schema`, received values are checked.
 *
 * @throws {InvalidOptionError} when `schema` is not a schema
 */
export function msgpack<T>(...schema: true extends IsLost<T> ? CannotCarry<Lost<T>> : GivenSchema<T>): Codec<T> {
  return withSchema(msgpackCodec as Codec<T>, schema as GivenSchema<T>)
}

/** No arguments are these. */
interface CannotCarry<_Lost> extends ReadonlyArray<never> {
  readonly cannotBeCarried: true
}

/**
 * Raw bytes, unchanged. A received message is yours to keep. It begins anywhere in its buffer: copy it (`slice()`) before you
 * make a view of wider numbers, such as a `Float64Array`. With a `schema`, received values are checked.
 *
 * @throws {InvalidOptionError} when `schema` is not a schema
 */
export function bytes(...schema: GivenSchema<Uint8Array>): Codec<Uint8Array> {
  return withSchema(rawBytes, schema)
}

/** No value; encoded as zero bytes. A message with bytes is refused. */
export function none(): Codec<void> {
  return noneCodec
}

const msgpackCodec: Codec<unknown> = Object.freeze({
  encode: encodeMsgpack,
  decode: decodeMsgpack,
  readsInPlace: true,
  fingerprint: 'msgpack'
})

const noneCodec: Codec<void> = Object.freeze({
  encode(value: void): Uint8Array {
    if (value === undefined) return new Uint8Array(0)
    throw new Misfit(`must be undefined, as the codec is none(); it is ${describeValue(value)}`).toError()
  },
  decode(payload: Uint8Array): void {
    if (payload.length > 0) throw new CodecError(`expected no bytes, received ${payload.length}`)
  },
  readsInPlace: true,
  fingerprint: 'none'
})
