/** Metadata of a call: a few values that are sent beside its payload. */

import { isBytes } from '../base/bytes.ts'
import { shield } from '../base/promise.ts'
import { describeValue, printable } from '../base/text.ts'
import { CodecError, InvalidOptionError } from '../errors/errors.ts'
import { decodeMsgpack, encodeMsgpack } from '../msgpack/msgpack.ts'
import { is64Bits } from '../msgpack/plain.ts'
import { decodeTexts, encodeTexts } from '../msgpack/texts.ts'
import { encodePayload } from './payload.ts'

/** The values that metadata can contain. A received integer is a bigint, of at most 64 bits, only beyond ±(2^53-1). */
export type MetadataValue = string | number | bigint | boolean | Uint8Array | null

/** A few values about a call that are not its payload, such as a trace id. */
export type Metadata = Readonly<Record<string, MetadataValue>>

/**
 * The encoded metadata; undefined for none. A call that is sent at once has it checked here.
 *
 * @throws {InvalidOptionError} when it has other values, or more bytes; {CodecError} when it cannot be read
 */
export function encodeMetadata(metadata: Metadata | undefined, maxBytes: number): Uint8Array | undefined {
  if (metadata === undefined) return undefined
  const encoded = encodeTexts(metadata) ?? encodeChecked(metadata)
  if (encoded.length <= maxBytes) return encoded
  const text = `the metadata has ${encoded.length} bytes; the remote end accepts at most ${maxBytes}`
  throw new InvalidOptionError(text, { delivery: 'notSent' })
}

function encodeChecked(metadata: Metadata): Uint8Array {
  checkMetadata(metadata)
  return encodePayload<unknown>({ encode: encodeMsgpack, decode: decodeMsgpack }, metadata, 'metadata', 'notSent')
}

/**
 * For a call that cannot be sent yet.
 *
 * @throws {InvalidOptionError} naming the key; what throws when it is read is for `encodeMetadata` to refuse
 */
export function checkMetadata(metadata: Metadata | undefined): void {
  const wrong = metadata === undefined ? undefined : findWrong(metadata)
  if (wrong !== undefined) throw new InvalidOptionError(wrong, { delivery: 'notSent' })
}

/** A copy, which may be changed. @throws {CodecError} when it cannot be read */
export function copyMetadata(metadata: Metadata = noMetadata): Record<string, MetadataValue> {
  try {
    return { ...metadata }
  } catch {
    // The error of a getter of it may quote anything: that of the codec names the key.
    encodeChecked(metadata)
    return { ...metadata }
  }
}

/** Whether it has any; so has one that cannot be read. */
export function hasKeys(metadata: Metadata): boolean {
  try {
    return Object.keys(metadata).length > 0
  } catch {
    return true
  }
}

const mustBe = 'must be a string, number, bigint of at most 64 bits, boolean, Uint8Array or null'

function findWrong(metadata: unknown): string | undefined {
  shield(metadata)
  try {
    const isObject = Object.prototype.toString.call(metadata) === '[object Object]'
    if (!isObject) return `metadata must be an object, each value of which ${mustBe}; it is ${describeValue(metadata)}`
    for (const key of Object.keys(metadata as object)) {
      const value: unknown = Reflect.get(metadata as object, key)
      if (value === undefined || isMetadataValue(value)) continue
      shield(value)
      return `metadata.${printable(key, 64)} ${mustBe}; it is ${describeValue(value)}`
    }
  } catch {
    // It cannot be read.
  }
  return undefined
}

export const noMetadata: Metadata = Object.freeze({})

export function decodeMetadata(bytes: Uint8Array): Metadata {
  const texts = decodeTexts(bytes)
  if (texts !== undefined) return texts
  const decoded = decodeMsgpack(bytes)
  if (!isMap(decoded) || !Object.values(decoded).every(isMetadataValue)) {
    throw new CodecError('the metadata of the call is not a map of plain values')
  }
  return decoded
}

function isMap(value: unknown): value is Metadata {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

function isMetadataValue(value: unknown): boolean {
  if (typeof value === 'bigint') return is64Bits(value)
  if (typeof value === 'object') return value === null || isBytes(value)
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
