/**
 * The codecs that need no declaration: plain values, raw bytes, and nothing at all.
 *
 * JSON and structs have files of their own, `json.ts` and `tuple.ts`.
 */

import { CodecError } from '../base/errors.ts'
import { type Codec, rawBytes } from './codec.ts'
import { decodeMsgpack, encodeMsgpack } from './msgpack.ts'
import { type GivenSchema, validated } from './schema.ts'

/**
 * Any plain value as msgpack; see `docs/protocol.md`, section "Values", for what it carries. With a `schema` it is
 * checked when it arrives.
 *
 * @throws {InvalidOptionError} when `schema` is none
 */
export function msgpack<T>(...schema: GivenSchema<T>): Codec<T> {
  return validated(msgpackCodec as Codec<T>, schema)
}

/**
 * Raw bytes: a payload is what it is. A message that is handed out is the receiver's to keep. With a `schema` it is
 * checked when it arrives.
 *
 * @throws {InvalidOptionError} when `schema` is none
 */
export function bytes(...schema: GivenSchema<Uint8Array>): Codec<Uint8Array> {
  return validated(rawBytes, schema)
}

/** Nothing, in no bytes; any byte that arrives in its place is refused. */
export function none(): Codec<void> {
  return noneCodec
}

const msgpackCodec: Codec<unknown> = Object.freeze({
  encode: encodeMsgpack,
  decode: decodeMsgpack,
  readsInPlace: true
})

const noneCodec: Codec<void> = Object.freeze({
  encode(value: void): Uint8Array {
    if (value !== undefined) throw new CodecError('the value cannot be encoded: nothing is expected')
    return new Uint8Array(0)
  },
  decode(payload: Uint8Array): void {
    if (payload.length > 0) throw new CodecError('bytes where nothing is expected')
  },
  readsInPlace: true
})
