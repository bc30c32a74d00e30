/**
 * What a controller fails with, at its caller: the same values as with the other transports of NestJS.
 *
 * NestJS has made one of an exception when it comes here: what an `RpcException` was made with, or `Internal server error`. It
 * crosses the grid as the details of an error. Errors of the grid itself are what they are.
 */

import { GridError, RemoteError } from '../../index.ts'

const code = 'ERR_NEST_RPC'

/** What goes to the caller. */
export function toGridError(thrown: unknown): Error {
  if (GridError.is(thrown)) return thrown
  const value = thrown instanceof Error ? { ...thrown, name: thrown.name, message: thrown.message } : thrown
  const text: unknown = typeof value === 'object' && value !== null && 'message' in value ? value.message : value
  return Object.assign(new Error(String(text)), { name: 'RpcException', code, details: value })
}

/** What the caller is given. */
export function toRpcError(error: unknown): unknown {
  if (!RemoteError.is(error) || error.code !== code) return error
  // Nothing, as well as what was too large to be sent, would be taken for no error.
  return error.details || { status: 'error', message: error.message }
}
