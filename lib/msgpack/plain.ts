/**
 * Plain values, as `msgpackr` must be given them to write them as what they are.
 *
 * Most values are plain as they come, and are only looked at. Others are copied: bytes, dates and arrays of another realm
 * or of odd classes, and instances. Values that would be changed are refused.
 */

import { Buffer } from 'node:buffer'
import { types } from 'node:util'
import { byteLengthOf, isBytes, isGone, viewPart } from '../base/bytes.ts'
import { describeValue } from '../base/text.ts'
import { Misfit } from './misfit.ts'

/** Nesting of arrays and maps, including the outermost. Deeper data is refused on both sides. */
export const maxMsgpackDepth = 64

/**
 * How msgpackr knows a value: as what it is; as what it is, but for properties that are `undefined` (`sparse`) and integers of
 * more than 32 bits (`wide`), one bit each; or, from `foreign` on, not.
 */
export type Form = number
export const plain = 0
export const sparse = 1
const wide = 2
export const foreign = 4

/**
 * msgpackr goes by `constructor` and by the classes of this realm, and writes all else as an object. So what is not plainly
 * one that it knows is foreign, and written as a copy. Every message is looked at here, so this finds no faults.
 */
export function formOf(value: unknown, depth: number): Form {
  if (typeof value === 'number') return value >> 0 === value || !isWide(value) ? plain : wide
  if (typeof value === 'object') return value === null ? plain : formOfObject(value, depth)
  if (typeof value === 'bigint') return is64Bits(value) ? plain : foreign
  return typeof value === 'function' || typeof value === 'symbol' ? foreign : plain
}

function formOfObject(value: object, depth: number): Form {
  if (isBytes(value)) return areKnownBytes(value) ? plain : foreign
  if (depth === maxMsgpackDepth) return foreign
  let found: Form = plain
  const made = value.constructor
  if (Array.isArray(value)) {
    if (made !== Array) return foreign
    for (let i = 0; i < value.length; i++) {
      found |= formOf(value[i], depth + 1)
      if (found >= foreign) return foreign
    }
    return found
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype === Date.prototype) return isKnownDate(value as Date) ? plain : foreign
  if ((prototype !== Object.prototype && prototype !== null) || made === Array || made === Map) return foreign
  const keys = Object.keys(value)
  if (keys.length === 0 && isBuiltIn(value)) return foreign
  for (const key of keys) {
    if (key === '__proto__') return foreign
    const property = (value as Record<string, unknown>)[key]
    found |= property === undefined ? sparse : formOf(property, depth + 1)
    if (found >= foreign) return foreign
  }
  return found
}

/** What msgpackr reads of a date must not be of the date's own. */
function isKnownDate(date: Date): boolean {
  const isPlain = date.constructor === Date && date.getTime === getTime && date.getMilliseconds === getMilliseconds
  return isPlain && isValidDate(date)
}

/** The classes of bytes that msgpackr knows; in a `vm` context, `Buffer` may be of another realm. */
const knownBytes = [Uint8Array.prototype, Buffer.prototype].filter(
  (prototype) => prototype === Uint8Array.prototype || prototype instanceof Uint8Array
)

function areKnownBytes(bytes: Uint8Array): boolean {
  const length = byteLengthOf(bytes)
  if (bytes.length !== length || bytes.byteLength !== length) return false
  const prototype = Object.getPrototypeOf(bytes)
  if (!knownBytes.includes(prototype) || bytes.constructor !== prototype.constructor) return false
  return length > 0 || !isGone(bytes)
}

/**
 * What `value` is sent as, in arrays and objects of ours.
 *
 * @throws {Misfit} with the path of what would be changed, or cannot be read
 */
export function toPlain(value: unknown, depth: number): unknown {
  if (typeof value === 'object') return value === null ? null : toPlainObject(value, depth)
  if (typeof value === 'bigint' && !is64Bits(value)) throw cannotEncode('a bigint of more than 64 bits')
  if (typeof value === 'function' || typeof value === 'symbol') throw cannotEncode(`a ${typeof value}`)
  return value
}

function toPlainObject(value: object, depth: number): unknown {
  if (isBytes(value)) return toPlainBytes(value)
  if (isDate(value)) return toPlainDate(value)
  if (depth === maxMsgpackDepth) throw cannotEncode(`a value nested deeper than ${maxMsgpackDepth}, or a cycle`)
  if (Array.isArray(value)) return toPlainItems(value, depth)
  const keys = Object.keys(value)
  checkClass(value, keys.length === 0)
  const copy: Record<string, unknown> = {}
  for (const key of keys) {
    try {
      if (key === '__proto__') throw new Misfit('is a property named __proto__')
      const property = (value as Record<string, unknown>)[key]
      if (property !== undefined) copy[key] = toPlain(property, depth + 1)
    } catch (thrown) {
      throw Misfit.reading(key, thrown)
    }
  }
  return copy
}

function toPlainItems(items: readonly unknown[], depth: number): unknown[] {
  const copy: unknown[] = []
  let at = 0
  try {
    for (; at < items.length; at++) copy.push(toPlain(items[at], depth + 1))
  } catch (thrown) {
    throw Misfit.reading(at, thrown)
  }
  return copy
}

/** A view of them. msgpackr would write what it finds in place of bytes that are not there. */
function toPlainBytes(bytes: Uint8Array): Uint8Array {
  if (isGone(bytes)) throw cannotEncode('bytes whose memory was given away')
  const length = byteLengthOf(bytes)
  if (length !== bytes.length) throw cannotEncode('bytes with a length that is not theirs')
  return viewPart(bytes, 0, length)
}

function toPlainDate(date: Date): Date {
  if (isValidDate(date)) return new Date(getTime.call(date))
  throw cannotEncode('an invalid Date')
}

/** The mark of a `many`. */
const manyValues = Symbol.for('it-grid.many')

/** An instance of a class that is plain data is sent as an object; everything else is refused. */
function checkClass(value: object, isEmpty: boolean): void {
  const prototype = Object.getPrototypeOf(value)
  const isInstance = prototype !== Object.prototype && prototype !== null
  // Each built-in class has a tag of its own, and its enumerable properties do not represent it.
  if ((isInstance && Object.prototype.toString.call(value) !== '[object Object]') || (isEmpty && isBuiltIn(value))) {
    throw cannotEncode(`${describeValue(value)}, which is no plain data`)
  }
  if (manyValues in value) throw new Misfit('is a many(), which is several messages of a stream and no value')
  if (isInstance && 'toJSON' in value) throw cannotEncode('an object with a toJSON method: convert it first')
}

const { isAnyArrayBuffer, isBoxedPrimitive, isDate, isMap, isNativeError, isPromise, isRegExp, isSet } = types

/** Whatever its prototype and its tag are by now. Asked of what has no properties: that is rarely meant. */
function isBuiltIn(value: object): boolean {
  return (
    isMap(value) ||
    isSet(value) ||
    isDate(value) ||
    isPromise(value) ||
    isRegExp(value) ||
    isNativeError(value) ||
    isBoxedPrimitive(value) ||
    isAnyArrayBuffer(value)
  )
}

const { getMilliseconds, getTime } = Date.prototype

/** Also for a date of another realm, which is no `instanceof Date`. */
export function isValidDate(value: unknown): value is Date {
  return isDate(value) && !Number.isNaN(getTime.call(value))
}

/** An integer that a number holds exactly, and 32 bits do not. */
function isWide(value: number): boolean {
  return (value > 0xffff_ffff || value < -0x8000_0000) && Number.isSafeInteger(value)
}

export function is64Bits(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value || BigInt.asUintN(64, value) === value
}

function cannotEncode(what: string): Misfit {
  return new Misfit(`holds ${what}`)
}
