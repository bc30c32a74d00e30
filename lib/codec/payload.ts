/** Encodes and decodes messages with the user's codec, whatever it throws or returns, and checks their size. */

import { CodecError, type Delivery, type GridError, MessageTooLargeError, ValidationError } from '../base/errors.ts'
import { fragmentBytes } from '../base/options.ts'
import { errorText } from '../base/text.ts'
import type { Codec } from './codec.ts'

/** @throws {CodecError} with this delivery, whatever the codec throws or returns */
export function encodePayload<T>(codec: Codec<T>, value: T, delivery: Delivery): Uint8Array {
  try {
    return checkPayload(codec.encode(value))
  } catch (cause) {
    throw new CodecError(errorText(cause), { delivery, cause })
  }
}

/** The error for what a codec threw when it decoded `what`. At a handler it has no delivery. */
export function toDecodeError(what: string, thrown: unknown, delivery?: Delivery): GridError {
  try {
    // A new error: a codec may throw the same object each time, or a frozen one.
    if (thrown instanceof ValidationError) return new ValidationError(thrown.details.path, { delivery })
  } catch {
    // A getter of it threw, so it is not our error.
  }
  return new CodecError(`${what} cannot be decoded: ${errorText(thrown)}`, { delivery, cause: thrown })
}

/** @throws {TypeError} when a codec returned anything but bytes */
export function checkPayload(payload: Uint8Array): Uint8Array {
  if (payload instanceof Uint8Array) return payload
  throw new TypeError('the codec did not return a Uint8Array')
}

/** How large a message the remote end accepts. */
export interface SendLimits {
  readonly maxSendBytes: number
  readonly maxSendFragments: number
}

/**
 * The payload, if the remote end accepts it.
 *
 * @throws {MessageTooLargeError} with this delivery; at a handler it has none
 */
export function checkSize(payload: Uint8Array, limits: SendLimits, delivery?: Delivery): Uint8Array {
  const { maxSendBytes, maxSendFragments } = limits
  if (payload.length <= Math.min(maxSendBytes, maxSendFragments * fragmentBytes)) return payload
  const most =
    payload.length > maxSendBytes
      ? `${maxSendBytes} (maxMessageBytes)`
      : `${maxSendFragments} fragments (maxFragments) of ${fragmentBytes}`
  throw new MessageTooLargeError(`the message has ${payload.length} bytes; its receiver accepts at most ${most}`, {
    delivery
  })
}
