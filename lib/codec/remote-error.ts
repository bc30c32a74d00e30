/**
 * The error of a handler on its way to the caller: plain fields, cut to a bounded size.
 *
 * docs/protocol.md, section "Error payloads". Reads only own data of what was thrown, and survives hostile getters.
 */

import { RemoteError } from '../base/errors.ts'
import { errorText } from '../base/text.ts'
import { decodeMsgpack, encodeMsgpack } from './msgpack.ts'

/** An error payload never exceeds this, so that it is never split. */
export const maxErrorBytes = 16 * 1024
const maxMessageLength = 4096
const maxNameLength = 128
const defaultCode = 'ERR_REMOTE'

/** The payload that tells the caller what the handler threw. */
export function encodeRemoteError(thrown: unknown): Uint8Array {
  const plain = {
    name: field(thrown, 'name', 'Error').slice(0, maxNameLength),
    message: errorText(thrown, maxMessageLength),
    code: field(thrown, 'code', defaultCode).slice(0, maxNameLength)
  }
  try {
    const details = typeof thrown === 'object' && thrown !== null && 'details' in thrown ? thrown.details : undefined
    if (details !== undefined) {
      const payload = encodeMsgpack({ ...plain, details })
      if (payload.length <= maxErrorBytes) return payload
    }
  } catch {
    // Details that cannot be read or encoded are left out: the error itself must arrive.
  }
  return encodeMsgpack(plain)
}

/** The error that the caller gets. A payload that is no error map still says that the handler failed. */
export function decodeRemoteError(payload: Uint8Array): RemoteError {
  try {
    const plain = decodeMsgpack(payload)
    if (typeof plain === 'object' && plain !== null) {
      const details = 'details' in plain ? plain.details : undefined
      const message = field(plain, 'message', 'the remote handler failed').slice(0, maxMessageLength + 1)
      const remoteName = field(plain, 'name', 'Error').slice(0, maxNameLength)
      return new RemoteError(field(plain, 'code', defaultCode).slice(0, maxNameLength), message, {
        details,
        remoteName
      })
    }
  } catch {
    // Falls through: what the peer sent as an error is unreadable, which changes nothing for the caller.
  }
  return new RemoteError(defaultCode, 'the remote handler failed with an unreadable error')
}

/** A string field of something unknown; `fallback` where it is missing, of another type, or its getter throws. */
function field(of: unknown, name: string, fallback: string): string {
  try {
    const value = typeof of === 'object' && of !== null ? (of as Record<string, unknown>)[name] : undefined
    return typeof value === 'string' && value !== '' ? value : fallback
  } catch {
    return fallback
  }
}
