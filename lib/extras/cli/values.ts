/**
 * Values as JSON text and back. What JSON has no form for is an object with one key: `{"$bytes":"…"}` in base64,
 * `{"$date":"…"}`, `{"$bigint":"…"}`, `{"$number":"NaN"}`, the same in both directions.
 */

import { Buffer } from 'node:buffer'
import { UsageError } from './exit.ts'
import { printable, textOf } from './text.ts'

const numbers: Readonly<Record<string, number>> = {
  ...{ NaN: Number.NaN, Infinity: Number.POSITIVE_INFINITY, '-Infinity': Number.NEGATIVE_INFINITY, '-0': -0 }
}

/** In one line, or indented for people. No value is `null`. */
export function toJson(value: unknown, indent = 0): string {
  return printableJson(JSON.stringify(value, replace, indent) ?? 'null')
}

/** Line breaks of the indentation stay. */
function printableJson(json: string): string {
  return json.includes('\n') ? json.split('\n').map(printable).join('\n') : printable(json)
}

/** `this` is what holds it: dates and buffers have turned themselves into something else by now. */
function replace(this: unknown, key: string, given: unknown): unknown {
  const value = (this as Record<string, unknown>)[key]
  if (typeof value === 'bigint') return { $bigint: String(value) }
  if (typeof value === 'number' && !Number.isFinite(value)) return { $number: String(value) }
  // A peer may send a time that no Date has.
  if (value instanceof Date) return { $date: Number.isNaN(value.getTime()) ? String(value) : value.toISOString() }
  if (value instanceof Uint8Array) {
    return { $bytes: Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64') }
  }
  return given
}

/** @param what names the text in the error @throws {UsageError} */
export function fromJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text, revive)
  } catch (error) {
    if (UsageError.is(error)) throw error
    const hint = /^[\p{L}\p{N}_ -]+$/u.test(text) && text.length < 64 ? `; a text is written as '"${text}"'` : ''
    throw new UsageError(`${what} is no JSON: ${textOf(error)}${hint}`)
  }
}

function revive(this: unknown, _: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const [[key, text] = [], second] = Object.entries(value)
  if (key === undefined || second !== undefined || typeof text !== 'string') return value
  if (key === '$bytes')
    return checked(/^[A-Za-z0-9+/]*={0,2}$/.test(text), key, () => new Uint8Array(Buffer.from(text, 'base64')))
  if (key === '$bigint') return checked(/^-?\d{1,40}$/.test(text), key, () => BigInt(text))
  if (key === '$date') return checked(!Number.isNaN(Date.parse(text)), key, () => new Date(text))
  if (key === '$number') return checked(Object.hasOwn(numbers, text), key, () => numbers[text])
  return value
}

function checked(isValid: boolean, key: string, make: () => unknown): unknown {
  if (isValid) return make()
  const must = {
    $bytes: 'base64',
    $bigint: 'digits',
    $date: 'a time such as 2026-01-31T12:00:00Z',
    $number: 'NaN, Infinity or -Infinity'
  }
  throw new UsageError(`${key} must be ${must[key as keyof typeof must]}`)
}
