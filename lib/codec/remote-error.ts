/**
 * Sends the error of a handler to its caller: plain fields of bounded size.
 *
 * docs/protocol.md, section "Error payloads". Survives getters that throw.
 */

import { shieldWithin } from '../base/promise.ts'
import { errorText } from '../base/text.ts'
import { type GridError, RejectedError, type RejectReason, RemoteError } from '../errors/errors.ts'
import { decodeMsgpack, encodeMsgpack } from '../msgpack/msgpack.ts'

/** An error payload never exceeds this, so that it is never split. */
export const maxErrorBytes = 16 * 1024
const maxMessageLength = 4096
const maxNameLength = 128
const defaultCode = 'ERR_REMOTE'

/** Words for a refusal by a rule of the remote server. With another one it is a `RemoteError`. */
export const refusalReasons: readonly RejectReason[] = ['denied', 'rateLimited', 'busy', 'tooManyStreams', 'goingAway']

/**
 * The error payload for what a handler threw.
 *
 * @param isRefusal it was thrown before the handler ran, which will not run any more
 */
export function encodeRemoteError(thrown: unknown, isRefusal = false): Uint8Array {
  const plain = {
    name: readField(thrown, 'name', 'Error').slice(0, maxNameLength),
    message: errorText(thrown, maxMessageLength),
    code: readCode(thrown),
    ...(isRefusal ? { refused: RejectedError.is(thrown) ? readReason(thrown) : true } : {})
  }
  try {
    const details = typeof thrown === 'object' && thrown !== null && 'details' in thrown ? thrown.details : undefined
    if (details !== undefined) {
      const payload = encodeMsgpack({ ...plain, details })
      if (payload.length <= maxErrorBytes) return payload
    }
  } catch {
    shieldWithin(thrown)
    // Details that cannot be read or encoded are left out: the error itself must arrive.
  }
  return encodeMsgpack(plain)
}

/**
 * The error for the caller. A payload that is not an error map still means that the handler failed.
 *
 * @param hasStack that of here: 5 us, for nothing where `rejectToCaller` gives it one
 */
export function decodeRemoteError(payload: Uint8Array, hasStack = true): GridError {
  if (hasStack) return createError(payload)
  const { stackTraceLimit } = Error
  // It cannot be set where a program has frozen `Error`.
  Reflect.set(Error, 'stackTraceLimit', 0)
  try {
    return createError(payload)
  } finally {
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit)
  }
}

function createError(payload: Uint8Array): GridError {
  try {
    const plain = decodeMsgpack(payload)
    if (typeof plain === 'object' && plain !== null) {
      const details = 'details' in plain ? plain.details : undefined
      const message = readField(plain, 'message', 'the remote handler failed').slice(0, maxMessageLength + 1)
      const remoteName = readField(plain, 'name', 'Error').slice(0, maxNameLength)
      const refused = 'refused' in plain ? plain.refused : undefined
      const reason = refusalReasons.find((word) => word === refused)
      if (reason !== undefined) return new RejectedError(reason, message, { details })
      return new RemoteError(readField(plain, 'code', defaultCode).slice(0, maxNameLength), message, {
        details,
        remoteName,
        ...(refused === true || typeof refused === 'string' ? { delivery: 'notSent' } : {})
      })
    }
  } catch {
    // The payload is unreadable. The call has failed all the same.
  }
  return new RemoteError(defaultCode, 'the remote handler failed with an unreadable error')
}

/**
 * The code that the caller gets. A number is sent as its text: peers take a string. Only one of the error itself: that of each
 * `DOMException` is of its class.
 */
export function readCode(thrown: unknown): string {
  try {
    const own: unknown = Object.getOwnPropertyDescriptor(Object(thrown), 'code')?.value
    if (Number.isFinite(own)) return String(own)
  } catch {
    // A proxy may refuse to be looked at.
  }
  return readField(thrown, 'code', defaultCode).slice(0, maxNameLength)
}

/** Why a call was refused, in a word that peers know; whatever `error` holds. */
export function readRefusal(error: RejectedError): RejectReason {
  const reason = readReason(error)
  return refusalReasons.find((word) => word === reason) ?? 'denied'
}

function readReason(thrown: RejectedError): string | true {
  const reason = readField(thrown, 'reason', '').slice(0, maxNameLength)
  return reason === '' ? true : reason
}

/** A string field of an unknown value; `fallback` when it is missing, has another type, or its getter throws. */
function readField(of: unknown, name: string, fallback: string): string {
  try {
    const value = typeof of === 'object' && of !== null ? (of as Record<string, unknown>)[name] : undefined
    return typeof value === 'string' && value !== '' ? value : fallback
  } catch {
    return fallback
  }
}
