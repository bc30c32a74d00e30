/**
 * What servers say to each other as bytes: JSON, as Socket.IO itself sends events to clients, with binary values beside it.
 *
 * So a client of another server gets what a client of this one gets: `toJSON` is asked, `undefined` in an array is null. A
 * message is encoded once for all servers, and is split into parts that every grid carries. What is said is in `words.ts`.
 */

import { types } from 'node:util'

/** An encoded message, in the parts in which it is sent. */
export interface Message {
  readonly parts: readonly Uint8Array[]
  readonly bytes: number
}

/** Small enough for every setting of `limits.maxMessageBytes` that somebody would choose. */
const partBytes = 32 * 1024
/** The first byte of a part. */
const last = 0
const more = 1
/** The length of the JSON text. */
const headBytes = 4

/** Where a binary value belongs, and its length. */
type Place = readonly [path: readonly (string | number)[], bytes: number]
type Binary = NodeJS.ArrayBufferView | ArrayBuffer

/** @throws {TypeError} when the value is circular, or has something else that JSON cannot say */
export function encodeMessage(value: unknown): Message {
  try {
    return split(hasBinary(value) ? encodeBinary(value) : join(JSON.stringify([value]), []))
  } catch (error) {
    // Too deep for the stack.
    if ((error as Error | undefined)?.name === 'RangeError')
      throw new TypeError('it is circular, or nested too deep', { cause: error })
    throw error
  }
}

/** What a listener or a `toJSON` has thrown may be anything. Never throws. */
export function textOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? String(thrown.message) : String(thrown)
  } catch {
    return 'an error without a readable message'
  }
}

/** @throws {TypeError} when these are not the bytes of a message */
export function decodeMessage(bytes: Uint8Array): unknown {
  try {
    return decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  } catch (cause) {
    throw new TypeError(`what it says cannot be read: ${(cause as Error).message}`, { cause })
  }
}

function decode(bytes: Buffer): unknown {
  const textEnd = headBytes + bytes.readUInt32LE(0)
  const [value, places = []] = JSON.parse(bytes.toString('utf8', headBytes, textEnd)) as [unknown, Place[]?]
  const root = { value }
  let at = textEnd
  for (const [path, length] of places) {
    if (at + length > bytes.length) throw new RangeError('a binary value is missing')
    // A copy, which does not keep the whole message alive.
    put(root, ['value', ...path], Buffer.from(bytes.subarray(at, at + length)))
    at += length
  }
  return root.value
}

/** The parts of messages, put together again. */
export class Assembly {
  readonly #maxBytes: number
  #parts: Uint8Array[] = []
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * The bytes of a message, when this was its last part.
   *
   * @throws {RangeError} at the last part of one that is too large
   */
  add(part: Uint8Array): Uint8Array | undefined {
    const isLast = part[0] === last
    if (isLast && this.#parts.length === 0) return part.subarray(1)
    this.#bytes += part.length
    if (this.#bytes <= this.#maxBytes) this.#parts.push(part.subarray(1))
    if (!isLast) return undefined
    const [parts, bytes] = [this.#parts, this.#bytes]
    this.#parts = []
    this.#bytes = 0
    if (bytes > this.#maxBytes) throw new RangeError(`a message has more than ${this.#maxBytes} bytes`)
    return Buffer.concat(parts)
  }
}

function split(whole: Uint8Array): Message {
  if (whole.length <= partBytes) return { parts: [whole], bytes: whole.length }
  const parts: Uint8Array[] = []
  for (let at = 1; at < whole.length; at += partBytes - 1) {
    const end = Math.min(at + partBytes - 1, whole.length)
    const part = new Uint8Array(1 + end - at)
    part[0] = end === whole.length ? last : more
    part.set(whole.subarray(at, end), 1)
    parts.push(part)
  }
  return { parts, bytes: whole.length }
}

/** The byte of a last part, the length of the text, the text, the binary values. */
function join(text: string, binary: readonly Binary[]): Uint8Array {
  const textBytes = Buffer.byteLength(text)
  const whole = Buffer.allocUnsafe(
    1 + headBytes + textBytes + binary.reduce((sum, { byteLength }) => sum + byteLength, 0)
  )
  whole[0] = last
  whole.writeUInt32LE(textBytes, 1)
  whole.write(text, 1 + headBytes)
  let at = 1 + headBytes + textBytes
  for (const value of binary) {
    whole.set(toBytes(value), at)
    at += value.byteLength
  }
  return whole
}

function encodeBinary(value: unknown): Uint8Array {
  const binary: Binary[] = []
  const places: Place[] = []
  const path: (string | number)[] = []
  const takeAt = (key: string | number, value: unknown): unknown => {
    path.push(key)
    const taken = take(value)
    path.pop()
    return taken
  }
  const take = (value: unknown): unknown => {
    const plain = isBinary(value) ? value : toPlain(value)
    if (isBinary(plain)) {
      binary.push(plain)
      places.push([[...path], plain.byteLength])
      return null
    }
    if (Array.isArray(plain)) return plain.map((item, at) => takeAt(at, item))
    if (!isRecord(plain)) return plain
    // Without a prototype, `__proto__` is a key as any other.
    const copy: Record<string, unknown> = Object.create(null)
    for (const [key, item] of Object.entries(plain)) copy[key] = takeAt(key, item)
    return copy
  }
  const stripped = take(value)
  return join(JSON.stringify([stripped, places]), binary)
}

/** Asked of every message, and few have any. What is inherited may count: then the message is only looked at more closely. */
function hasBinary(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (isBinary(value)) return true
  const plain = toPlain(value)
  if (Array.isArray(plain)) {
    for (const item of plain) if (hasBinary(item)) return true
    return false
  }
  if (!isRecord(plain)) return false
  if (isBinary(plain)) return true
  for (const key in plain) if (hasBinary((plain as Readonly<Record<string, unknown>>)[key])) return true
  return false
}

function isBinary(value: unknown): value is Binary {
  return ArrayBuffer.isView(value) || types.isArrayBuffer(value)
}

function toBytes(value: Binary): Uint8Array {
  return ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : new Uint8Array(value)
}

/** What JSON writes for it. */
function toPlain(value: unknown): unknown {
  const toJSON = (value as { readonly toJSON?: unknown } | undefined | null)?.toJSON
  return typeof toJSON === 'function' ? Reflect.apply(toJSON, value, ['']) : value
}

/** JSON takes the value out of a `new String()`. */
function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !types.isBoxedPrimitive(value)
}

/** Every object on the way is one that JSON has made, with the key as its own. */
function put(root: object, path: readonly (string | number)[], value: unknown): void {
  let holder = root as Record<string | number, unknown>
  for (const key of path.slice(0, -1)) {
    const next = Object.hasOwn(holder, key) ? holder[key] : undefined
    if (!isRecord(next)) throw new TypeError('a binary value has no place')
    holder = next as Record<string | number, unknown>
  }
  const key = path.at(-1) as string | number
  if (!Object.hasOwn(holder, key)) throw new TypeError('a binary value has no place')
  holder[key] = value
}
