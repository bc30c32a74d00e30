/** Metadata of a call: a few values that are sent beside its payload. */

import { isBytes } from '../base/bytes.ts'
import { CodecError, InvalidOptionError } from '../base/errors.ts'
import { decodeMsgpack, encodeMsgpack } from './msgpack.ts'
import { encodePayload } from './payload.ts'

/** The values that metadata can contain. */
export type MetadataValue = string | number | boolean | Uint8Array | null

/** A few values about a call that are not its payload, such as a trace id. */
export type Metadata = Readonly<Record<string, MetadataValue>>

/** The encoded metadata; undefined for none. */
export function encodeMetadata(metadata: Metadata | undefined, maxBytes: number): Uint8Array | undefined {
  if (metadata === undefined) return undefined
  const encoded = encodePayload<unknown>({ encode: encodeMsgpack, decode: decodeMsgpack }, metadata, 'notSent')
  if (encoded.length <= maxBytes) return encoded
  const text = `the metadata has ${encoded.length} bytes; the remote end accepts at most ${maxBytes}`
  throw new InvalidOptionError(text, { delivery: 'notSent' })
}

export const noMetadata: Metadata = Object.freeze({})

export function decodeMetadata(bytes: Uint8Array): Metadata {
  const decoded = decodeMsgpack(bytes)
  if (!isMap(decoded) || !Object.values(decoded).every(isMetadataValue)) {
    throw new CodecError('the metadata of the call is not a map of plain values')
  }
  return decoded
}

export function isMap(value: unknown): value is Metadata {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

export function isMetadataValue(value: unknown): boolean {
  return value === null || isBytes(value) || ['string', 'number', 'boolean'].includes(typeof value)
}
