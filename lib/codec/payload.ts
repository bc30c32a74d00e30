/** Encodes and decodes messages with the user's codec, whatever it throws or returns, and checks their size. */

import { byteLengthOf, isBytes, isGone, viewPart } from '../base/bytes.ts'
import { isPromise, shield, shieldWithin } from '../base/promise.ts'
import { describeKind, errorText } from '../base/text.ts'
import { CodecError, type Delivery, type GridError, MessageTooLargeError } from '../errors/errors.ts'
import { causeOf } from '../errors/failure.ts'
import { fragmentBytes } from '../errors/options.ts'
import { ValidationError } from '../errors/validation-error.ts'
import { describeRefusal } from '../msgpack/misfit.ts'
import { decodeMsgpack } from '../msgpack/msgpack.ts'
import { type Codec, type Decoder, rawBytes } from './codec.ts'
import { json } from './json.ts'

/** What a value is for the one whose codec refuses it. */
export type Root = 'payload' | 'request' | 'response' | 'metadata'

/** @throws {CodecError} with this delivery, whatever the codec throws or returns; at a handler it has none */
export function encodePayload<T>(codec: Codec<T>, value: T, root: Root, delivery?: Delivery): Uint8Array {
  return (codec as Codec<unknown>) === rawBytes && isBytes(value) ? value : encodeBy(codec, value, root, delivery)
}

function encodeBy<T>(codec: Codec<T>, value: T, root: Root, delivery: Delivery | undefined): Uint8Array {
  try {
    const payload = codec.encode(value)
    if (isBytes(payload)) return payload
    shield(payload)
    throw new CodecError(`the codec of the ${root} returned ${describeKind(payload)}, which is no Uint8Array`)
  } catch (cause) {
    shieldWithin(value)
    throw new CodecError(describeRefusal(cause, root), { delivery, ...causeOf(cause) })
  }
}

/**
 * The value of `what`, such as "the response".
 *
 * @throws {CodecError} with this delivery, whatever the codec throws, or when it returns a promise; at a handler it has none
 * @throws {ValidationError} likewise
 */
export function decodePayload<T>(decoder: Decoder<T>, payload: Uint8Array, what: string, delivery?: Delivery): T {
  // They are the value: nothing to decode, nothing that could be a promise.
  return (decoder as Decoder<unknown>) === rawBytes ? (payload as T) : decodeBy(decoder, payload, what, delivery)
}

function decodeBy<T>(decoder: Decoder<T>, payload: Uint8Array, what: string, delivery: Delivery | undefined): T {
  let value: T | undefined
  try {
    value = decoder.decode(payload)
    if (!isPromise(value)) return value
    throw new TypeError('the codec returned a promise')
  } catch (thrown) {
    shield(value)
    throw toDecodeError(what, thrown, payload, delivery)
  }
}

function toDecodeError(what: string, thrown: unknown, payload: Uint8Array, delivery?: Delivery): GridError {
  try {
    // A new error: a codec may throw the same object each time, or a frozen one.
    if (ValidationError.is(thrown)) {
      const { path, ...kinds } = thrown.details
      return new ValidationError(path, { ...kinds, delivery })
    }
  } catch {
    // A getter of it threw, so it is not our error.
  }
  const text = errorText(thrown)
  return new CodecError(`${what} cannot be decoded: ${text}${describeForm(text, payload)}`, {
    delivery,
    ...causeOf(thrown)
  })
}

/** Larger ones are not read again, to save time: a peer may send as many as it likes. */
const maxLookedAtBytes = 64 * 1024
const forms: readonly [name: string, decode: (bytes: Uint8Array) => unknown][] = [
  ['JSON', json<unknown>().decode],
  ['msgpack', decodeMsgpack]
]

/** What the bytes are that one of our codecs found to be wrong, if another one can read them. */
function describeForm(text: string, payload: Uint8Array): string {
  if (!/^(invalid (msgpack|JSON)|expected no bytes)/.test(text) || payload.length > maxLookedAtBytes) return ''
  for (const [name, decode] of forms) {
    if (text.includes(name)) continue
    try {
      decode(payload)
      return `; it is ${name}: the codecs of the two ends differ`
    } catch {
      // It is something else.
    }
  }
  return ''
}

/** Of what cannot be sent, as its memory was transferred, or its buffer shrank. */
export const memoryGone = 'the memory of the bytes was given away before they were sent'

/** The payload of a call that waits: as long as it is now, or gone, also where it is as long as its buffer. */
export function keepLength(payload: Uint8Array): Uint8Array {
  return isGone(payload) ? payload : viewPart(payload, 0, byteLengthOf(payload))
}

/** How large a message the remote end accepts. */
export interface SendLimits {
  readonly maxSendBytes: number
  readonly maxSendFragments: number
}

/**
 * The size of a payload in bytes, if its memory is there and the remote end accepts so many.
 *
 * @throws {CodecError} with this delivery, when its memory was given away; at a handler it has none
 * @throws {MessageTooLargeError} likewise
 */
export function checkSize(payload: Uint8Array, limits: SendLimits, delivery?: Delivery): number {
  const bytes = byteLengthOf(payload)
  if (bytes > limits.maxSendBytes || bytes > limits.maxSendFragments * fragmentBytes) {
    throw createTooLargeError(bytes, limits, delivery)
  }
  if (bytes === 0) checkThere(payload, delivery)
  return bytes
}

function checkThere(payload: Uint8Array, delivery: Delivery | undefined): void {
  if (isGone(payload)) throw new CodecError(memoryGone, { delivery })
}

/** What a message of a stream is sent as. @throws what `encodePayload` and `checkSize` throw */
export function encodeMessage<T>(
  codec: Codec<T>,
  value: T,
  root: Root,
  limits: SendLimits,
  delivery?: Delivery
): Uint8Array {
  const payload = encodePayload(codec, value, root, delivery)
  checkSize(payload, limits, delivery)
  return payload
}

function createTooLargeError(bytes: number, limits: SendLimits, delivery: Delivery | undefined): MessageTooLargeError {
  const { maxSendBytes, maxSendFragments } = limits
  const most =
    bytes > maxSendBytes
      ? `${maxSendBytes} (maxMessageBytes)`
      : `${maxSendFragments} fragments (maxFragments) of ${fragmentBytes}`
  return new MessageTooLargeError(`the message has ${bytes} bytes; its receiver accepts at most ${most}`, { delivery })
}
