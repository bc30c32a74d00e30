/** What a single call may ask for, and the checks of it. */

import type { Codec, Metadata } from './definition.ts'
import { CodecError, type Delivery, errorText, type GridError, InvalidOptionError, ValidationError } from './errors.ts'
import { decodeMsgpack, encodeMsgpack } from './msgpack.ts'
import { maxTimeoutMs } from './options.ts'

export interface CallOptions {
  /**
   * Time the whole call may take, in ms; it travels to the handler. `Infinity` for no limit. Default 60 000 for a single
   * request, none for a stream.
   */
  readonly timeout?: number
  /** Cancels the call; it then rejects with `signal.reason`. */
  readonly signal?: AbortSignal
  /** Travels beside the payload, as `ctx.metadata`. */
  readonly metadata?: Metadata
  /** Waits for the connection instead of failing at once while it is down. The timeout covers the wait. Default false. */
  readonly waitForReady?: boolean
}

export const noOptions: CallOptions = Object.freeze({})

/**
 * Time the call may take, in ms; 0 for no limit.
 *
 * @throws {InvalidOptionError}
 */
export function timeoutOf(timeout: number | undefined, defaultTimeoutMs: number): number {
  const timeoutMs = timeout ?? defaultTimeoutMs
  if (timeoutMs === Number.POSITIVE_INFINITY) return 0
  if (!(timeoutMs > 0) || timeoutMs > maxTimeoutMs) {
    const text = `timeout must be above 0 and at most ${maxTimeoutMs} ms, or Infinity`
    throw new InvalidOptionError(text, { delivery: 'notSent' })
  }
  return timeoutMs
}

/** @throws {InvalidOptionError} when the signal is none, such as a controller in its place */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined || typeof signal?.addEventListener === 'function') return
  throw new InvalidOptionError('signal must be an AbortSignal', { delivery: 'notSent' })
}

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

/** Metadata as it travels; undefined for none. */
export function encodeMetadata(metadata: Metadata | undefined, maxBytes: number): Uint8Array | undefined {
  if (metadata === undefined) return undefined
  const encoded = encodePayload<unknown>({ encode: encodeMsgpack, decode: decodeMsgpack }, metadata, 'notSent')
  if (encoded.length <= maxBytes) return encoded
  const text = `metadata of ${encoded.length} bytes; the remote accepts ${maxBytes}`
  throw new InvalidOptionError(text, { delivery: 'notSent' })
}
