/**
 * Values as JSON text and back. What JSON has no form for is an object with one key: `{"$bytes":"…"}` in base64,
 * `{"$date":"…"}`, `{"$bigint":"…"}`, `{"$number":"NaN"}`, the same in both directions.
 */

import { Buffer } from 'node:buffer'
import { UsageError } from './exit.ts'
import { cut, printable, textOf } from './text.ts'

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
    const value: unknown = JSON.parse(text, revive)
    checkNumbers(text)
    return value
  } catch (error) {
    if (UsageError.is(error)) throw error
    const hint = /^[\p{L}\p{N}_ -]+$/u.test(text) && text.length < 64 ? `; a text is written as '"${text}"'` : ''
    throw new UsageError(`${what} is no JSON: ${textOf(error)}${hint}`)
  }
}

const aNumber = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/
/** Each string, to be left out, and each number. */
const numbersAndStrings = /"|-?\d[\d.eE+-]*/g

/**
 * A number that is not sent as it is written would be another one there, such as the last digits of a long id.
 *
 * @throws {UsageError}
 */
function checkNumbers(json: string): void {
  // Of fewer digits, and without an exponent of three, each is what it says.
  if (!/\d[\d.]{15}|[eE][+-]?\d{3}/.test(json)) return
  numbersAndStrings.lastIndex = 0
  for (let found = numbersAndStrings.exec(json); found !== null; found = numbersAndStrings.exec(json)) {
    const [text] = found
    if (text === '"') numbersAndStrings.lastIndex = endOfString(json, found.index)
    else if (!isExact(text)) {
      const whole = wholeOf(text)
      const written = whole === undefined ? `{"$number":"${Number(text)}"}` : `{"$bigint":"${whole}"}`
      const how = text.length > 40 || Number(text) === 0 ? 'a text' : `${written}, or a text`
      throw new UsageError(`the number ${cut(text, 40)} would be sent as ${Number(text)}: write ${how}`)
    }
  }
}

function endOfString(json: string, start: number): number {
  for (let at = start + 1; ; at++) {
    if (json[at] === '\\') at++
    else if (json[at] === '"') return at + 1
  }
}

/**
 * What is written as a fraction, or without its last digits as 1e300, is as near as can be, unless nothing or no number is left
 * of it; a whole number is itself or another one.
 */
function isExact(text: string): boolean {
  const value = Number(text)
  if (!Number.isFinite(value)) return false
  if (value === 0) return !/^-?[0.]*[1-9]/.test(text)
  const whole = wholeOf(text)
  return whole === undefined || whole === BigInt(value)
}

/** The whole number of a text that has all digits of one, however it is written: `12`, `12.0`, `1.2e1`. */
function wholeOf(text: string): bigint | undefined {
  const [, sign = '', before = '', after = '', exponent = '0'] = aNumber.exec(text) ?? []
  const digits = before + after
  const length = Math.max(0, before.length + Number(exponent))
  return length > digits.length || /[1-9]/.test(digits.slice(length))
    ? undefined
    : BigInt(`${sign}${digits.slice(0, length)}`)
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
