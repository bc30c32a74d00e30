/** That something failed, and with which reason. */

import { types } from 'node:util'
import { errorText } from './text.ts'

/** Any value can be thrown, even `undefined`: so the reason alone does not show whether there is a failure. */
export interface Failure {
  readonly reason: unknown
}

/** What was thrown, if it is an error of whatever realm, else an error with its text. Never throws, whatever was thrown. */
export function toError(thrown: unknown): Error {
  try {
    if (types.isNativeError(thrown) || thrown instanceof Error) return thrown
  } catch {
    // A proxy may refuse to be looked at.
  }
  return new Error(errorText(thrown), { cause: thrown })
}
