/** Values to the bytes of a message and back by a codec of the user, whatever it throws or returns; and how large they may be. */

import { CodecError, type Delivery, type GridError, MessageTooLargeError, ValidationError } from '../base/errors.ts'
import { errorText } from '../base/text.ts'
import type { Codec } from './codec.ts'

/** @throws {CodecError} with this delivery, whatever the codec throws */
export function encodePayload<T>(codec: Codec<T>, value: T, delivery: Delivery): Uint8Array {
  try {
    return checkedPayload(codec.encode(value))
  } catch (cause) {
    throw new CodecError(errorText(cause), { delivery, cause })
  }
}

/** What a codec threw over the bytes of `what`, as the error of a call or, at a handler, without a delivery. */
export function decodeError(what: string, thrown: unknown, delivery?: Delivery): GridError {
  try {
    // An error of its own: one that a codec throws again and again must not be changed, nor may it be frozen.
    if (thrown instanceof ValidationError) return new ValidationError(thrown.details.path, { delivery })
  } catch {
    // Whatever it is, it is no error of ours.
  }
  return new CodecError(`${what} cannot be decoded: ${errorText(thrown)}`, { delivery, cause: thrown })
}

/** @throws {TypeError} when a codec gave something else than bytes */
export function checkedPayload(payload: Uint8Array): Uint8Array {
  if (payload instanceof Uint8Array) return payload
  throw new TypeError('the codec encoded the value to something that is no Uint8Array')
}

/** @throws {MessageTooLargeError} with this delivery, when the remote would not accept the payload */
export function checkSize(payload: Uint8Array, maxBytes: number, delivery: Delivery): void {
  if (payload.length <= maxBytes) return
  throw new MessageTooLargeError(`a message of ${payload.length} bytes; the remote accepts ${maxBytes}`, { delivery })
}
