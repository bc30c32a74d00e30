/** What a codec is, and the codec of raw bytes. */

import { isBytes } from '../base/bytes.ts'
import { describeValue } from '../base/text.ts'
import { Misfit } from '../msgpack/misfit.ts'

/** Turns values into the bytes of a message and back. */
export interface Codec<T> {
  /** Throws when the value cannot be encoded. A promise is refused. */
  encode(value: T): Uint8Array
  /**
   * Throws when the bytes are not a value. A promise is refused, as is any object with a method `then`. Its async context is
   * nobody's in particular: at a caller, and for messages of one stream, it differs with when a message arrived.
   */
  decode(bytes: Uint8Array): T
  /**
   * True when `decode` keeps no reference to its input, and leaves its memory as it is. It is then given a view that is
   * overwritten soon after, which spares a copy of each message. Default false: the input is the codec's to keep.
   */
  readonly readsInPlace?: boolean
  /**
   * A short text that is the same where bytes mean the same: of it the fingerprint of a handler is made, by which two servers
   * that use other codecs are told of it. Default none: nothing is compared.
   */
  readonly fingerprint?: string
}

export interface Decoder<T> {
  decode(payload: Uint8Array): T
  /** True when `decode` keeps no reference to its input, which may then be a view that is soon overwritten. */
  readonly readsInPlace?: boolean
}

/** What a decoder says of itself; one that cannot be asked is given what it may keep. */
export function readsInPlace(decoder: Decoder<unknown>): boolean {
  try {
    return decoder.readsInPlace === true
  } catch {
    return false
  }
}

/** What a codec or field says it is; undefined where it does not, as that of a user may do anything. */
export function readFingerprint(of: Pick<Codec<never>, 'fingerprint'>): string | undefined {
  try {
    const { fingerprint } = of
    return typeof fingerprint === 'string' && fingerprint !== '' ? fingerprint : undefined
  } catch {
    return undefined
  }
}

/** The codec of raw bytes. */
export const rawBytes: Codec<Uint8Array> = Object.freeze({
  encode(value: Uint8Array): Uint8Array {
    if (isBytes(value)) return value
    throw new Misfit(`must be a Uint8Array; it is ${describeValue(value)}`).toError()
  },
  decode: (payload: Uint8Array): Uint8Array => payload
})
