/** Makes texts safe to print and to send: removes control characters, cuts them to a length, reads them without a throw. */

import { Buffer } from 'node:buffer'

const noBytes = Buffer.alloc(0)

/** The first `maxLength` characters, with spaces for control characters: those could forge lines of a log. */
export function printable(text: string, maxLength = text.length): string {
  return text.slice(0, maxLength).replace(/\p{Cc}/gu, ' ')
}

/** The text in UTF-8, cut to `maxBytes` without splitting a character. */
export function encodeText(text: string, maxBytes: number): Buffer {
  if (text === '') return noBytes
  const bytes = Buffer.from(text)
  if (bytes.length <= maxBytes) return bytes
  let end = maxBytes
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}

/** The text of anything that was thrown, cut to `maxLength` characters. Never throws, whatever its getters do. */
export function errorText(thrown: unknown, maxLength = 1024): string {
  try {
    const hasMessage = typeof thrown === 'object' && thrown !== null && 'message' in thrown
    const text = String(hasMessage ? thrown.message : thrown)
    return text.length > maxLength ? `${text.slice(0, maxLength)}…` : text
  } catch {
    return 'an error without a readable message'
  }
}

/** Of a stack, and of a line of a log. */
const maxFrames = 20
export const maxLine = 512

/** The frames of the stack of anything that was thrown, as lines of a log. Never throws. */
export function framesOf(thrown: unknown): string[] {
  const lines = readText(thrown, 'stack').split('\n', maxFrames + 50)
  const frames = lines.filter((line) => line.startsWith('    at '))
  return frames.slice(0, maxFrames).map((line) => printable(line, maxLine))
}

/** A field of anything that was thrown: empty where it is no text. Never throws, whatever its getters do. */
export function readText(thrown: unknown, field: string): string {
  try {
    const value: unknown = Reflect.get(Object(thrown), field)
    return typeof value === 'string' ? value : ''
  } catch {
    return ''
  }
}

/** A `URL` and a `Uint8Array` begin as `you` does. */
const article = (noun: string) => `${/^(?!u[ir])[aeiou]/i.test(noun) ? 'an' : 'a'} ${noun}`

/** A number of 64 bits, and what is just too large for one. */
const maxShown = 2n ** 65n

/** What a value is, for the error that refuses it: a number itself, of all else only its kind. Never throws. */
export function describeValue(value: unknown): string {
  if (typeof value === 'bigint') return value < maxShown && value > -maxShown ? `${value}n` : 'a larger bigint'
  // A number in quotes is the usual mistake; another text, or one of 16 characters, may be a secret.
  if (typeof value === 'string') return /^-?[\d.]{1,11} ?m?s?$/.test(value) ? `the string "${value}"` : 'a string'
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`
  if (typeof value !== 'object' || value === null) return String(value)
  try {
    if (Array.isArray(value)) return 'an array'
    const { name } = value.constructor
    return typeof name === 'string' && /^\w{1,64}$/.test(name) && name !== 'Object' ? article(name) : 'an object'
  } catch {
    return 'an object'
  }
}

/** The kind of a value, and nothing of it. */
export function describeKind(value: unknown): string {
  const isPlain = typeof value !== 'object' && value !== undefined
  return isPlain ? article(typeof value) : describeValue(value)
}

/** The kinds of a value that is wrong, such as "a number", and nothing of it. */
export interface Misfitting {
  readonly expected: string
  readonly found: string
}

export function describeMisfit({ expected, found }: Misfitting): string {
  return `${expected} was expected; it is ${found}`
}

/** The one of `names` that was probably meant, if one is near. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  if (name.length > maxNearLength) return undefined
  let best: string | undefined
  let least = Math.ceil(name.length / 3) + 1
  for (const each of names) {
    if (Math.abs(each.length - name.length) >= least) continue
    const edits = countEdits(name.toLowerCase(), each.toLowerCase())
    if (edits < least) [best, least] = [each, edits]
  }
  return best
}

/** Longer names are not compared: the time grows with the square. */
const maxNearLength = 64

/** Characters to insert, remove or replace until `a` is `b` (Levenshtein). */
function countEdits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
