/**
 * Maps of a few short texts in ASCII, as metadata nearly always is: written and read in a fraction of the time that
 * `msgpack.ts` takes, from and to the same bytes.
 *
 * Of all else it says that it is none, and leaves it to `msgpack.ts`, with all that may be wrong in it.
 */

import { Buffer } from 'node:buffer'
import { shield } from '../base/promise.ts'

const maxKeys = 15
const maxTextLength = 255
/** The texts that are read are parts of one that is as long as all of them, and is kept with any of them. */
const maxReadBytes = 512

/** The encoded map; undefined where it is not such a one, or cannot be read. */
export function encodeTexts(map: object): Uint8Array | undefined {
  try {
    if (!isPlainObject(map)) return undefined
    const keys = Object.keys(map)
    if (keys.length === 0 || keys.length > maxKeys) return undefined
    const texts: string[] = []
    let bytes = 1
    for (const key of keys) {
      const value: unknown = map[key]
      if (typeof value !== 'string' || key === '__proto__') {
        // It is read once more for its error: a getter may give another promise then.
        shield(value)
        return undefined
      }
      texts.push(key, value)
      bytes += lengthOf(key) + lengthOf(value)
    }
    return writeTexts(texts, bytes)
  } catch {
    return undefined
  }
}

/** The map; undefined where the bytes are not such a one. */
export function decodeTexts(bytes: Uint8Array): Record<string, string> | undefined {
  const { length } = bytes
  if (length < 2 || length > maxReadBytes || ((bytes[0] as number) & 0xf0) !== 0x80) return undefined
  const buffer = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, length)
  const whole = buffer.toString('latin1')
  const map: Record<string, string> = {}
  let at = 1
  for (let left = (bytes[0] as number) & 0x0f; left > 0; left--) {
    const keyAt = textAt(bytes, at)
    const keyEnd = endOfText(bytes, at, keyAt)
    const valueAt = textAt(bytes, keyEnd)
    const valueEnd = endOfText(bytes, keyEnd, valueAt)
    if (valueEnd === 0) return undefined
    const key = whole.slice(keyAt, keyEnd)
    if (key === '__proto__') return undefined
    map[key] = whole.slice(valueAt, valueEnd)
    at = valueEnd
  }
  return at === length ? map : undefined
}

function isPlainObject(map: object): map is Record<string, unknown> {
  return Object.getPrototypeOf(map) === Object.prototype && Object.prototype.toString.call(map) === '[object Object]'
}

/** With its header. */
function lengthOf({ length }: string): number {
  return (length < 0x20 ? 1 : 2) + length
}

function writeTexts(texts: readonly string[], length: number): Uint8Array | undefined {
  // From a pool: it need not be filled first, and all of it is written.
  const bytes = Buffer.allocUnsafe(length)
  bytes[0] = 0x80 | (texts.length / 2)
  let at = 1
  for (const text of texts) {
    const { length } = text
    if (length > maxTextLength) return undefined
    if (length < 0x20) bytes[at++] = 0xa0 | length
    else {
      bytes[at++] = 0xd9
      bytes[at++] = length
    }
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i)
      if (code > 0x7f) return undefined
      bytes[at++] = code
    }
  }
  return bytes
}

/** Where the characters of the text begin whose header is at `at`. */
function textAt(bytes: Uint8Array, at: number): number {
  return bytes[at] === 0xd9 ? at + 2 : at + 1
}

/** Where they end; 0 where there is no such text. */
function endOfText(bytes: Uint8Array, at: number, start: number): number {
  const header = bytes[at] as number
  const end = start + (header === 0xd9 ? (bytes[at + 1] as number) : header & 0x1f)
  // Of what lies beyond the end nothing is defined, and no comparison is true.
  if (at === 0 || (header !== 0xd9 && (header & 0xe0) !== 0xa0) || !(end <= bytes.length)) return 0
  for (let i = start; i < end; i++) if ((bytes[i] as number) > 0x7f) return 0
  return end
}
