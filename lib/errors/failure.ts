/** That something failed, and with which reason. */

import { types } from 'node:util'
import { errorText } from '../base/text.ts'
import { type Delivery, GridError } from './errors.ts'

/** Any value can be thrown, even `undefined`: so the reason alone does not show whether there is a failure. */
export interface Failure {
  readonly reason: unknown
  /** Of a reason that is made only when it is asked for. */
  readonly code?: string
  /** The stack of the reason leads to code of the user: it is theirs, or was made where they called. */
  readonly hasStack?: boolean
}

/** A failure by an error that few ask for, such as that of a call which its caller has left: its stack is dear. */
export class LateFailure implements Failure {
  readonly code: string
  readonly #create: () => GridError
  #reason: GridError | undefined

  /** @param create gives an error with this code */
  constructor(code: string, create: () => GridError) {
    this.code = code
    this.#create = create
  }

  get reason(): GridError {
    this.#reason ??= this.#create()
    return this.#reason
  }
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

/**
 * The cause of an error that tells `told` in its own text: where that is one of ours, what is behind it. So what prints
 * causes prints no text of ours twice.
 */
export function causeOf(told: unknown): { readonly cause?: unknown } {
  return GridError.is(told) ? causeBehind(told) : { cause: told }
}

/** The same for one that is told in whole, whosever it is. */
export function causeBehind(told: unknown): { readonly cause?: unknown } {
  const cause = types.isNativeError(told) ? told.cause : undefined
  return cause === undefined ? {} : { cause }
}

/** The text of an error of the system, for one that has it as its cause: what it is and where, not what was called. */
export function systemText(error: unknown): string {
  const text = errorText(error)
  const { code, address, port } = Object(error) as NodeJS.ErrnoException & { address?: unknown; port?: unknown }
  if (typeof code !== 'string' || !text.includes(code)) return text
  const at = typeof address !== 'string' ? '' : typeof port === 'number' ? ` at ${address}:${port}` : ` at ${address}`
  return `${code}${at}`
}

/** The `code` of an error, if it has one that is a word. */
export function readCode(error: unknown): string | undefined {
  try {
    const code: unknown = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
    return typeof code === 'string' && code !== '' ? code : undefined
  } catch {
    // A getter threw, or a proxy may refuse to be looked at.
    return undefined
  }
}

/** Whether the handler may have run, where `error` says so. */
export function readDelivery(error: unknown): Delivery | undefined {
  try {
    return GridError.is(error) ? error.delivery : undefined
  } catch {
    // As above.
    return undefined
  }
}
