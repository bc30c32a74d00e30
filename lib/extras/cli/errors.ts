/** How errors are told: one sentence with the code, what is known of the handler, and in JSON all of it. */

import { GridError, RejectedError, RemoteError } from '../../index.ts'
import { exitCodeOf, exitCodes, UsageError } from './exit.ts'
import type { Options } from './options.ts'
import type { Output } from './output.ts'
import { printable, printableBlock } from './text.ts'
import { toJson } from './values.ts'

const deliveries = {
  notSent: 'the handler did not run',
  maybeRan: 'the handler may have run',
  ran: 'the handler ran'
} as const

/** Of an error of a call that reached a host. */
const told = new Set<number>([exitCodes.failed, exitCodes.deadline, exitCodes.lost, exitCodes.value, exitCodes.refused])

/** Errors that came about before there was a conn to a host. */
const ofDials = new WeakSet<object>()
const advices = new WeakMap<object, string>()

/** The error, of which `tellError` says what to do, if there is more to say. */
export function ofDial(error: unknown, advice: string | undefined): unknown {
  if (GridError.is(error)) ofDials.add(error)
  return advice === undefined ? error : advised(error, advice)
}

/** The error, of which `tellError` says what to do. */
export function advised(error: unknown, advice: string): unknown {
  if (GridError.is(error)) advices.set(error, advice)
  return error
}

export async function tellError(error: unknown, err: Output, asJson: boolean): Promise<void> {
  if (asJson) return await err.line(toJson({ error: describe(error) }))
  const { message, code, delivery, details, advice } = describe(error)
  // Where there was no conn, there was no call.
  const isOfCall = !(GridError.is(error) && ofDials.has(error)) && told.has(exitCodeOf(error))
  const ran = delivery !== undefined && isOfCall ? `; ${deliveries[delivery]}` : ''
  const isUsage = UsageError.is(error)
  await err.line(`${err.paint('red', 'it-grid:')} ${printable(message)}${isUsage ? '' : ` (${printable(code)}${ran})`}`)
  if (advice !== undefined) await err.line(`  ${printable(advice)}`)
  if (details !== undefined) await err.line(`details: ${toJson(details)}`)
  // A full disk and its like say it by their code.
  const isFault = exitCodeOf(error) === exitCodes.internal && error instanceof Error && !('code' in error)
  if (isFault) await err.line(printableBlock(error.stack ?? ''))
}

interface Teller {
  readonly err: Output
  readonly options: Options
}

/** What is no error, and no part of the answer either. */
export async function tellNote({ err, options }: Teller, text: string): Promise<void> {
  await err.line(options.has('json') ? toJson({ note: { message: text } }) : `it-grid: ${printable(text)}`)
}

interface Description {
  readonly code: string
  readonly name: string
  readonly message: string
  readonly delivery?: keyof typeof deliveries
  readonly reason?: string
  readonly details?: unknown
  /** What to do. */
  readonly advice?: string
}

function describe(error: unknown): Description {
  if (UsageError.is(error)) return { code: 'ERR_USAGE', name: error.name, message: error.message }
  if (!GridError.is(error)) {
    const { name = 'Error', message = String(error), code = 'ERR_INTERNAL' } = (error ?? {}) as Partial<Description>
    return { code: String(code), name: String(name), message: String(message) }
  }
  const { code, name, message, delivery } = error
  const { reason } = error as { readonly reason?: unknown }
  const advice = advices.get(error)
  const details = RemoteError.is(error) || RejectedError.is(error) ? error.details : undefined
  return {
    ...{ code, name: RemoteError.is(error) ? error.remoteName : name, message },
    ...(delivery === undefined ? {} : { delivery }),
    ...(typeof reason === 'string' ? { reason } : {}),
    ...(details === undefined ? {} : { details }),
    ...(advice === undefined ? {} : { advice })
  }
}
