/**
 * Whether what a host tells of itself has the shape that is known here. It may be of another version, or something may stand
 * around its answers; and what is printed is checked to be what it is printed as.
 */

import { CodecError } from '../../index.ts'

type Is = (value: unknown) => boolean

const maxDateMs = 8.64e15
const isText: Is = (value) => typeof value === 'string'
const isNumber: Is = (value) => typeof value === 'number' && Number.isFinite(value)
const isTime: Is = (value) => isNumber(value) && Math.abs(value as number) <= maxDateMs / 2
const optional =
  (is: Is): Is =>
  (value) =>
    value === undefined || is(value)
const isOneOf =
  (...values: readonly unknown[]): Is =>
  (value) =>
    values.includes(value)
const isListOf =
  (is: Is): Is =>
  (value) =>
    Array.isArray(value) && value.every(is)
const has =
  (fields: Readonly<Record<string, Is>>): Is =>
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.entries(fields).every(([name, is]) => is(Reflect.get(value, name)))

const isCounted = has({ calls: isNumber })
const isConnection = has({
  ...{ host: isText, state: isText, lastError: optional(isText), called: isCounted, served: isCounted },
  totals: has({ bytesIn: isNumber, bytesOut: isNumber }),
  session: optional(
    has({ inboundStreams: isNumber, outboundStreams: isNumber, sendQueueBytes: isNumber, rttMs: optional(isNumber) })
  )
})

/** By the handler of `$grid` that tells it. */
const shapes = {
  hosts: isListOf(
    has({
      ...{ host: isText, state: isText, since: isNumber, downSince: optional(isNumber) },
      ...{ instance: optional(isText), rttMs: optional(isNumber), lastError: optional(isText) }
    })
  ),
  ping: has({ at: isNumber, instance: isText }),
  watch: has({
    ...{ at: isNumber, instance: isText, startedAt: optional(isNumber), local: optional(isText) },
    ...{ removed: optional(isListOf(isText)), connections: optional(isListOf(isConnection)) },
    loop: optional(has({ activeMs: isNumber, idleMs: isNumber }))
  }),
  trace: has({
    ...{ side: isOneOf('caller', 'handler'), host: isText, handler: isText, subroute: isText, code: isText },
    ...{ startedAt: isTime, durationMs: isTime, bytesIn: isNumber, bytesOut: isNumber },
    ...{ delivery: isOneOf(undefined, 'notSent', 'maybeRan', 'ran'), attempts: isNumber, skipped: isNumber }
  })
}

/** @throws {CodecError} naming the host */
export function checkTold<T>(host: string, what: keyof typeof shapes, value: T): T {
  if (shapes[what](value)) return value
  const why = 'it is of another version, or something stands around its answers'
  throw new CodecError(`what ${host} answers to ${what} of $grid has another shape than is known here: ${why}`)
}
