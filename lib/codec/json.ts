/**
 * Values as JSON, which people can read on the wire.
 *
 * Refuses values that JSON has no form for, and keys that could change prototypes. Its errors quote no data.
 */

import { Buffer } from 'node:buffer'
import { describeValue } from '../base/text.ts'
import { CodecError } from '../errors/errors.ts'
import { Misfit } from '../msgpack/misfit.ts'
import type { Codec } from './codec.ts'
import { type GivenSchema, withSchema } from './schema.ts'

/**
 * JSON in UTF-8. What `JSON.stringify` leaves out or changes is sent that way. With a `schema`, received values are checked.
 *
 * @throws {InvalidOptionError} when `schema` is not a schema
 */
export function json<T>(...schema: GivenSchema<T>): Codec<T> {
  return withSchema(jsonCodec as Codec<T>, schema)
}

/** Nesting of arrays and objects. */
const maxDepth = 512
const [quote, backslash] = [0x22, 0x5c]
const [openArray, closeArray, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d]

const jsonCodec: Codec<unknown> = Object.freeze({
  encode(value: unknown): Uint8Array {
    const text = stringify(value)
    if (text === undefined) throw new Misfit(`has no form in JSON; it is ${describeValue(value)}`).toError()
    return Buffer.from(text)
  },

  decode(bytes: Uint8Array): unknown {
    if (bytes.length > maxDepth) checkDepth(bytes)
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()
    try {
      // Only a text that may contain the key, plainly or escaped, is checked for it.
      return text.includes('__proto__') || text.includes('\\u') ? JSON.parse(text, refuseProto) : JSON.parse(text)
    } catch (error) {
      // The message of a SyntaxError quotes the data.
      throw CodecError.is(error) ? error : new CodecError('invalid JSON')
    }
  },

  readsInPlace: true,
  fingerprint: 'json'
})

/** Counts brackets outside of strings: deep data costs `JSON.parse`, and code that walks the value, far more than its size. */
function checkDepth(bytes: Uint8Array): void {
  let depth = 0
  let isString = false
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (isString && byte === backslash) at++
    else if (byte === quote) isString = !isString
    else if (isString) continue
    else if (byte === openArray || byte === openObject) depth++
    else if (byte === closeArray || byte === closeObject) depth--
    if (depth > maxDepth) throw new CodecError(`invalid JSON: nested deeper than ${maxDepth}`)
  }
}

function stringify(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch {
    throw toEncodeError(value)
  }
}

/** Errors of getters and of `toJSON` can quote the value: they are not kept. */
function toEncodeError(value: unknown): CodecError {
  try {
    findMisfit(value, '', new Set())
  } catch (thrown) {
    if (Misfit.is(thrown)) return thrown.toError()
  }
  return new CodecError('the value cannot be encoded: it is too large, or a property of it threw when read')
}

/** Reads the value as `JSON.stringify` does, which does not say where it failed. */
function findMisfit(given: unknown, givenKey: string, within: Set<unknown>): void {
  const toJSON: unknown = given === null || given === undefined ? undefined : Object(given).toJSON
  const value: unknown = typeof toJSON === 'function' ? toJSON.call(given, givenKey) : given
  if (typeof value === 'bigint') throw new Misfit('holds a bigint')
  if (typeof value !== 'object' || value === null) return
  if (within.has(value)) throw new Misfit('holds a cycle')
  if (within.size === maxDepth) throw new Misfit(`is nested deeper than ${maxDepth}`)
  within.add(value)
  for (const key of Object.keys(value)) {
    try {
      findMisfit(Reflect.get(value, key), key, within)
    } catch (thrown) {
      throw Misfit.reading(Array.isArray(value) ? Number(key) : key, thrown)
    }
  }
  within.delete(value)
}

function refuseProto(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new CodecError('invalid JSON: a key named __proto__')
  return value
}
