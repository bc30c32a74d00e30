/**
 * What a server tells, held to its shape before anything is made of it: another version may tell less, and a hostile one
 * anything. An entry that is not of its shape is left out, and so the others are told.
 *
 * Texts and lists have bounds here, so that nothing that is kept of a server grows with what it says.
 */

import type {
  CallerReport,
  CallRecord,
  ConnectionStats,
  GridEvent,
  HandlerStats,
  StatsChange,
  StreamInfo
} from '../../index.ts'

interface Check {
  (value: unknown): boolean
  /** Of a record. */
  readonly fields?: Readonly<Record<string, Check>>
}

const longestText = 16_384
const longestName = 4096
/** A moment that is further off is none, and a page could not write it. */
const mostNumber = 4e15
const mostBuckets = 64
const mostCodes = 256
const mostGuests = 100

const aNumber: Check = (value) => typeof value === 'number' && Math.abs(value) <= mostNumber
const aCount: Check = (value) => aNumber(value) && Number(value) >= 0
const aFlag: Check = (value) => typeof value === 'boolean'
const aText: Check = (value) => typeof value === 'string' && value.length <= longestText
/** Half of a surrogate pair is no part of an address. */
const aName: Check = (value) =>
  typeof value === 'string' && value.length <= longestName && !/\p{Surrogate}/u.test(value)

function optional(is: Check): Check {
  const check: Check = (value) => value === undefined || value === null || is(value)
  return Object.assign(check, is.fields && { fields: is.fields })
}

function oneOf(...words: readonly string[]): Check {
  return (value) => words.includes(value as string)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function shape(fields: Readonly<Record<string, Check>>): Check {
  const checks = Object.entries(fields)
  const check: Check = (value) => isRecord(value) && checks.every(([name, is]) => is(value[name]))
  return Object.assign(check, { fields })
}

/** What of its shape was told, and nothing else. */
function only(value: unknown, { fields }: Check): unknown {
  if (fields === undefined || !isRecord(value)) return value
  const known = Object.entries(fields).filter(([name]) => Object.hasOwn(value, name))
  return Object.fromEntries(known.map(([name, is]) => [name, only(value[name], is)]))
}

function recordOf(is: Check, most: number): Check {
  return (value) => {
    if (!isRecord(value)) return false
    const all = Object.entries(value)
    return all.length <= most && all.every(([name, each]) => aName(name) && is(each))
  }
}

function listOf(is: Check, most: number): Check {
  return (value) => Array.isArray(value) && value.length <= most && value.every(is)
}

const call = { handler: aName, subroute: aName, kind: oneOf('single', 'streaming') }

const isConnection = shape({
  ...{ host: aName, since: aNumber, reconnects: aNumber, instance: optional(aText), lastError: optional(aText) },
  state: oneOf('idle', 'connecting', 'connected', 'waiting', 'closed'),
  ...{
    lastSeenAt: optional(aNumber),
    downSince: optional(aNumber),
    isDialer: optional(aFlag),
    dialing: optional(shape({ nextAt: optional(aNumber) }))
  },
  session: optional(
    shape({
      ...{ rttMs: optional(aCount), inboundStreams: aCount, outboundStreams: aCount, runningHandlers: aCount },
      ...{ sendQueueBytes: aCount, sendQueueStreams: aCount }
    })
  ),
  waits: recordOf(shape({ oldestMs: optional(aNumber) }), 32),
  totals: shape({ messagesOut: aCount, bytesOut: aCount, refusals: aCount })
})

const hasFigures = shape({
  ...{ ...call, calls: aCount, running: aCount, mistakes: aCount, bytesIn: aCount, bytesOut: aCount },
  ...{ oldestMs: optional(aNumber), errors: recordOf(aCount, mostCodes) },
  durations: shape({ boundsMs: listOf(aCount, mostBuckets), counts: listOf(aCount, mostBuckets + 1) })
})

const isGuest = shape({
  ...{ host: aName, since: aNumber, called: shape({ calls: aCount }) },
  served: shape({ calls: aCount, running: aCount, errors: recordOf(aCount, mostCodes) }),
  session: optional(shape({ rttMs: optional(aCount) }))
})

const isChange = shape({
  ...{ at: aNumber, instance: aText, startedAt: optional(aNumber) },
  ...{ connections: optional(Array.isArray), called: optional(Array.isArray), served: optional(Array.isArray) },
  ...{ removed: optional(Array.isArray), guests: optional(Array.isArray), keepAliveMs: optional(aCount) },
  loop: optional(shape({ activeMs: aNumber, idleMs: aNumber }))
})

const aRoom = optional(shape({ messages: aNumber, bytes: aNumber }))
const aHalf = optional(
  shape({
    waitsFor: oneOf('producer', 'credit', 'conn', 'consumer', 'peer'),
    ...{ waitedMs: aNumber, totalBytes: aCount, totalMessages: optional(aCount) },
    ...{ room: aRoom, capacity: aRoom, unread: aRoom }
  })
)
const isStream = shape({
  ...{ ...call, session: aName, id: aCount, side: oneOf('caller', 'handler'), host: aName, ageMs: aNumber },
  ...{ sending: aHalf, receiving: aHalf }
})

const isCaller = shape({ ...call, host: aName, open: aCount, oldestMs: aNumber })

const isRecordOfCall = shape({
  ...{ ...call, side: oneOf('caller', 'handler'), host: aName, code: aText, delivery: optional(aText) },
  ...{ durationMs: aCount, firstResponseMs: optional(aCount), traceId: optional(aText) },
  ...{ bytesIn: aCount, bytesOut: aCount, startedAt: aNumber, skipped: aCount }
})

const base = { type: aText, seq: aCount, at: aNumber, host: aName, local: aName }
const called = { ...base, handler: aName, subroute: aName }
const words = { reason: aText, message: aText }
/** Those that are told in words; others of another version are none. */
const events: Readonly<Record<string, Check>> = {
  state: shape({ ...base, state: aText, previous: aText, reason: optional(aText) }),
  dial: shape({ ...base, error: optional(shape({ code: aText, message: aText })) }),
  hello: shape({ ...base, instance: aText }),
  goAway: shape({ ...base, reason: aText, direction: aText }),
  close: shape({ ...base, ...words, failed: shape({ notSent: aCount, maybeRan: aCount }) }),
  rtt: shape({ ...base, durationMs: aCount, previousMs: aCount }),
  refused: shape({ ...base, ...words, direction: aText, handler: optional(aName), subroute: optional(aName) }),
  reset: shape({ ...called, reason: aText }),
  slowTurn: shape({ ...base, durationMs: aCount }),
  mistake: shape({ ...called, name: aText })
}

/** What is null was not given. */
function given<T>(value: T): T {
  return Object.fromEntries(Object.entries(value as object).filter(([, each]) => each !== null)) as T
}

function entries<T>(list: unknown, is: Check): T[] {
  return Array.isArray(list) ? list.filter(is).map((each) => given(each as T)) : []
}

/** A guest as its server tells of it. */
export interface GuestFigures {
  readonly host: string
  readonly since: number
  readonly rttMs: number | undefined
  /** Its calls, and those of the server to it. */
  readonly calls: number
  readonly running: number
  readonly errors: Readonly<Record<string, number>>
  readonly asked: number
}

/** What has changed of a server, of its known shape. */
export interface Change extends Omit<StatsChange, 'guests'> {
  readonly guestCount?: number
  readonly guests?: readonly GuestFigures[]
}

/** Undefined for what tells nothing of a server. */
export function changeOf(told: unknown): Change | undefined {
  if (!isChange(told)) return undefined
  const { at, instance, startedAt, loop, keepAliveMs, guests, ...lists } = given(told as StatsChange)
  const { connections, called, served, removed } = lists
  return {
    ...{ at, instance, connections: entries<ConnectionStats>(connections, isConnection) },
    ...{ called: entries<HandlerStats>(called, hasFigures), served: entries<HandlerStats>(served, hasFigures) },
    removed: (removed ?? []).filter(aName),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(loop === undefined ? {} : { loop }),
    ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
    ...(guests === undefined ? {} : { guestCount: guests.length, guests: guestsIn(guests) })
  }
}

/** Only what is told of them is kept. */
function guestsIn(told: readonly ConnectionStats[]): GuestFigures[] {
  return entries<ConnectionStats>(told.slice(0, mostGuests), isGuest).map(
    ({ host, since, session, called, served }) => {
      const { calls, running, errors } = served
      return { host, since, rttMs: session?.rttMs ?? undefined, calls, running, errors, asked: called.calls }
    }
  )
}

export function streamsIn(told: unknown): StreamInfo[] {
  return entries<StreamInfo>(told, isStream).map((info) => {
    const { sending, receiving, ...rest } = info
    return {
      ...rest,
      ...(sending === undefined ? {} : { sending: given(sending) }),
      ...(receiving === undefined ? {} : { receiving: given(receiving) })
    }
  })
}

export function callersIn(told: unknown): CallerReport[] {
  return entries(told, isCaller)
}

export function recordOfCall(told: unknown): CallRecord | undefined {
  return isRecordOfCall(told) ? given(told as CallRecord) : undefined
}

/** @param local who tells it: nobody tells events of others */
export function eventOf(told: unknown, local: string): GridEvent | undefined {
  if (!isRecord(told) || typeof told.type !== 'string' || !Object.hasOwn(events, told.type)) return undefined
  const is = events[told.type]
  return is?.(told) === true ? { ...given(only(told, is) as GridEvent), local } : undefined
}

/** The clock of a server, and its process. */
export function pingOf(told: unknown): { readonly at: number; readonly instance: string } {
  const { at, instance } = isRecord(told) ? told : { at: undefined, instance: undefined }
  if (!aNumber(at) || !aText(instance)) throw new Error('it does not tell its time')
  return { at: at as number, instance: instance as string }
}
