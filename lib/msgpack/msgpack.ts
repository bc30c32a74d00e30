/**
 * MessagePack, limited to plain data that arrives as it was sent.
 *
 * Which values are sent, and as what, is in `plain.ts`. Decoding checks the bytes before `msgpackr` reads them, because
 * `msgpackr` has extensions that cannot be switched off. Knows neither frames nor types.
 */

import { Packr, Unpackr } from 'msgpackr'
import { CodecError } from '../errors/errors.ts'
import { read32, toInteger, toNumber } from './integers.ts'
import { Misfit } from './misfit.ts'
import { type Form, foreign, formOf, maxMsgpackDepth, sparse, toPlain } from './plain.ts'

/** A view of a larger buffer is copied, so that a small message does not keep a large buffer alive. */
const maxPinnedBytes = 256 * 1024

const packOptions = { useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true, useToJSON: false }
const packr = new Packr({ ...packOptions })
// Leaving out properties costs a second list of the keys of each object, so only values with such properties use this one.
// `skipValues` is in the README of msgpackr but not in its types: an object literal would not compile.
const sparseOptions = { ...packOptions, skipValues: [undefined] }
const sparsePackr = new Packr(sparseOptions)
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, copyBuffers: true, structuredClone: false })
/** Small messages are copied here and decoded: cheaper than the view and the `DataView` that each would need. */
const scratch = new Uint8Array(4096)

/**
 * The bytes of a plain value: `null`, booleans, numbers, bigints of 64 bits, strings, `Uint8Array`, valid `Date`, arrays
 * and objects, also those of another realm. Properties that are `undefined` are left out. Elsewhere `undefined`, and holes
 * in arrays, are sent as nil and decoded as `null`. An instance of a class is sent as its own enumerable properties. Whole
 * numbers within ±(2^53-1) are sent as integers, all others as float 64. Minus zero becomes zero, a lone surrogate U+FFFD. Without the native part of msgpackr, strings over 64 bytes lose a leading byte
 * order mark. Properties are read more than once: a getter must give the same each time.
 *
 * The bytes may be a view into a larger buffer. That part of it is never written again.
 *
 * @throws {CodecError} for anything else: functions, symbols, cycles, depth over 64, `Map`, `Set`, `Error`, `RegExp`,
 * `Promise`, other typed arrays, objects with `toJSON`, a property named `__proto__`. The message quotes no data.
 */
export function encodeMsgpack(value: unknown): Uint8Array {
  try {
    return pack(value)
  } catch (thrown) {
    throw toEncodeError(thrown)
  }
}

/** The error for what was thrown while a value was encoded. Errors of getters can quote the value: they are not kept. */
export function toEncodeError(thrown: unknown): unknown {
  if (Misfit.is(thrown)) return thrown.toError()
  return new CodecError('the value cannot be encoded: it is too large, or a property of it threw when read')
}

/** @throws {Misfit} with the path in `value`; or what msgpackr throws */
export function pack(value: unknown): Uint8Array {
  const form = toForm(value)
  const packer = (form & sparse) === 0 ? packr : sparsePackr
  const packed = form >= foreign ? packr.pack(toPlain(value, 0)) : packer.pack(value)
  // msgpackr writes integers of more than 32 bits as float 64.
  if (form > sparse) checkItem(packed, packed.length, toInteger)
  // The buffer of msgpackr never shrinks: after one large message, each small one would be a view of it.
  return packed.buffer.byteLength > maxPinnedBytes && packed.length * 2 < packed.buffer.byteLength
    ? new Uint8Array(packed)
    : packed
}

/** What cannot be read is foreign: where that is, is found when it is copied. */
function toForm(value: unknown): Form {
  try {
    return formOf(value, 0)
  } catch {
    return foreign
  }
}

/**
 * The value of exactly one MessagePack item. Binary is copied, so `bytes` may be reused. Integers of any format are decoded
 * as numbers within ±(2^53-1), and as bigint beyond; timestamps as `Date`, nil as `null`. Of equal keys the last one counts. Invalid UTF-8 becomes U+FFFD.
 *
 * @throws {CodecError} naming the violation and its offset, quoting no data
 */
export function decodeMsgpack(bytes: Uint8Array): unknown {
  const isSmall = bytes.length <= scratch.length
  if (isSmall) scratch.set(bytes)
  let input = isSmall ? scratch : bytes
  const hasWide = checkItem(input, bytes.length, isSmall ? toNumber : undefined)
  try {
    // Never `bytes` itself: msgpackr adds a `dataView` property to its input, and copies binary with the class of its input.
    if (!isSmall) input = hasWide ? new Uint8Array(bytes) : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    if (!isSmall && hasWide) checkItem(input, input.length, toNumber)
    return unpackr.unpack(input, bytes.length)
  } catch {
    throw new CodecError('invalid msgpack: the value is too large for this process')
  }
}

// By first byte: how the item is checked, the size of its length field, and its length when it has no length field.
const refused = 0
const scalar = 1
const text = 2
const array = 3
const map = 4
const extension = 5
/** A number of 64 bits. */
const wide = 6
const shapes = new Uint8Array(256)
const lengthBytes = new Uint8Array(256)
const lengths = new Uint8Array(256)

function define(first: number, shape: number, fieldBytes: number, length: number): void {
  shapes[first] = shape
  lengthBytes[first] = fieldBytes
  lengths[first] = length
}

for (let i = 0; i < 0x80; i++) define(i, scalar, 0, 0) // positive fixint
for (let i = 0; i < 0x10; i++) define(0x80 + i, map, 0, i)
for (let i = 0; i < 0x10; i++) define(0x90 + i, array, 0, i)
for (let i = 0; i < 0x20; i++) define(0xa0 + i, text, 0, i)
for (let i = 0xe0; i < 0x100; i++) define(i, scalar, 0, 0) // negative fixint
for (const first of [0xc0, 0xc2, 0xc3]) define(first, scalar, 0, 0) // nil, false, true
for (let i = 0; i < 3; i++) {
  define(0xc4 + i, scalar, 1 << i, 0) // bin
  define(0xd9 + i, text, 1 << i, 0)
}
for (let i = 0; i < 3; i++) {
  define(0xcc + i, scalar, 0, 1 << i) // uint
  define(0xd0 + i, scalar, 0, 1 << i) // int
}
define(0xca, scalar, 0, 4)
for (const first of [0xcb, 0xcf, 0xd3]) define(first, wide, 0, 8) // float, uint, int
for (let i = 0; i < 2; i++) {
  define(0xdc + i, array, 2 << i, 0)
  define(0xde + i, map, 2 << i, 0)
}
define(0xd6, extension, 0, 4)
define(0xd7, extension, 0, 8)
define(0xc7, extension, 1, 0)

/** Items left in each container around the current one. One array for all calls: the check is synchronous. */
const outer = new Int32Array(maxMsgpackDepth)

/**
 * Checks one item without creating a value, so that the decoder can trust each length. Returns whether there are numbers of
 * 64 bits in it; each of them is changed in place by `change`.
 *
 * `left` counts what is left in the current container: items of an array as a positive number, keys and values of a map as
 * a negative one, which is even before a key. Both fit in 31 bits, since each item has at least one byte.
 */
function checkItem(bytes: Uint8Array, end: number, change: ((bytes: Uint8Array, at: number) => void) | undefined) {
  let hasWide = false
  let at = 0
  let depth = 0
  let left = 1
  while (left !== 0) {
    const start = at
    if (at >= end) throw invalid('truncated', start)
    const first = bytes[at++] as number
    const shape = shapes[first] as number
    const field = lengthBytes[first] as number
    let length = lengths[first] as number
    if (field !== 0) {
      length = readLength(bytes, at, field, end)
      at += field
    }
    if (left > 0) left--
    else if ((left++ & 1) === 0) checkKey(bytes, start, shape, at, length)
    if (shape === scalar || shape === text) {
      at += length
    } else if (shape === wide) {
      hasWide = true
      at += length
      if (at <= end) change?.(bytes, start)
    } else if (shape === array || shape === map) {
      const items = shape === array ? length : length * 2
      if (items > end - at) throw invalid('truncated', start)
      if (depth === maxMsgpackDepth) throw invalid(`nested deeper than ${maxMsgpackDepth}`, start)
      outer[depth++] = left
      left = shape === array ? items : -items
    } else {
      at += readTimestampLength(bytes, start, at, shape, length, end)
    }
    if (at > end) throw invalid('truncated', start)
    while (left === 0 && depth > 0) left = outer[--depth] as number
  }
  if (at !== end) throw invalid('trailing bytes', at)
  return hasWide
}

function readLength(bytes: Uint8Array, at: number, field: number, end: number): number {
  if (field > end - at) throw invalid('truncated', at - 1)
  let length = 0
  // No shifts: four bytes could become negative.
  for (let i = at; i < at + field; i++) length = length * 256 + (bytes[i] as number)
  return length
}

/** The bytes of a timestamp after its length. All other extensions are refused. */
function readTimestampLength(bytes: Uint8Array, start: number, at: number, shape: number, length: number, end: number) {
  if (shape === refused) {
    throw invalid(bytes[start] === 0xc1 ? 'the reserved byte 0xc1' : 'an extension that is not a timestamp', start)
  }
  if (at >= end) throw invalid('truncated', start)
  if (bytes[at] !== 0xff || (bytes[start] === 0xc7 && length !== 12)) {
    throw invalid('an extension that is not a timestamp', start)
  }
  if (length > end - at - 1) throw invalid('truncated', start)
  if (!isTimestamp(bytes, at + 1, length)) throw invalid('a timestamp with a second of nanoseconds or more', start)
  return 1 + length
}

/** In seconds; or in nanoseconds, of 30 or 32 bits, and seconds. One further away than a `Date` can tell is an invalid `Date`. */
function isTimestamp(bytes: Uint8Array, at: number, length: number): boolean {
  return length === 4 || read32(bytes, at) >>> (length === 8 ? 2 : 0) < 1e9
}

const forbiddenKey = new TextEncoder().encode('__proto__')

function checkKey(bytes: Uint8Array, start: number, shape: number, at: number, length: number): void {
  if (shape !== text) throw invalid('a key that is not a string', start)
  if (length !== forbiddenKey.length || bytes[at] !== forbiddenKey[0]) return
  if (forbiddenKey.every((byte, i) => bytes[at + i] === byte)) throw invalid('a key named __proto__', start)
}

function invalid(what: string, offset: number): CodecError {
  return new CodecError(`invalid msgpack: ${what} at byte ${offset}`)
}
