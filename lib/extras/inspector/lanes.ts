/**
 * Open streams as both of their ends tell of them: for each direction who sends, who takes, what the window holds, and who is
 * waited for.
 */

import { type HalfInfo, introspection, type StreamInfo } from '../../index.ts'
import type { Bar, Severity } from './model.ts'
import { age, size } from './words.ts'

/** Waits that last so long are told, and then are bad. */
export const waitMs = { warn: 1000, bad: 5000 } as const

/** An open call as one server tells of it. */
export interface Told {
  readonly server: string
  readonly info: StreamInfo
  /** When it was told, by the clock here. */
  readonly at: number
}

/** One direction of one stream: an end that is not known is none. */
export interface Half {
  readonly key: string
  readonly direction: 'requests' | 'responses'
  readonly from: string
  readonly to: string
  readonly info: StreamInfo
  readonly at: number
  sending?: HalfInfo
  receiving?: HalfInfo
}

export type Cause = 'credit' | 'socket' | 'producer' | 'consumer'

/** All directions, those of `$grid` apart: looking is no work of the grid. */
export function halvesOf(told: readonly Told[]): Half[] {
  const halves = new Map<string, Half>()
  for (const { server, info, at } of told) {
    if (info.subroute === introspection.subroute) continue
    const out = info.side === 'caller' ? 'requests' : 'responses'
    const back = out === 'requests' ? 'responses' : 'requests'
    const { host, sending, receiving } = info
    if (sending !== undefined) halfOf(halves, { direction: out, from: server, to: host, info, at }).sending = sending
    if (receiving !== undefined) {
      halfOf(halves, { direction: back, from: host, to: server, info, at }).receiving = receiving
    }
  }
  return [...halves.values()]
}

function halfOf(halves: Map<string, Half>, half: Omit<Half, 'key'>): Half {
  const { direction, from, to, info } = half
  // Not sent yet: its other end does not know of it.
  const id = info.id === 0 ? `0 ${half.at - info.ageMs} ${info.handler}` : info.id
  const key = `${direction} ${from} ${to} ${info.session} ${id}`
  const known = halves.get(key)
  if (known !== undefined) return known
  const made = { key, ...half }
  halves.set(key, made)
  return made
}

/** Why nothing moves; undefined where it does. */
export function causeOf({
  sending,
  receiving
}: Half): { readonly cause: Cause; readonly waitedMs: number } | undefined {
  if (sending?.waitsFor === 'credit') return { cause: 'credit', waitedMs: sending.waitedMs }
  if (sending?.waitsFor === 'conn') return { cause: 'socket', waitedMs: sending.waitedMs }
  if (sending === undefined && receiving?.waitsFor === 'consumer' && isFull(receiving)) {
    return { cause: 'credit', waitedMs: receiving.waitedMs }
  }
  if (receiving?.waitsFor === 'consumer') return { cause: 'consumer', waitedMs: receiving.waitedMs }
  if (sending !== undefined) return { cause: 'producer', waitedMs: sending.waitedMs }
  return receiving === undefined ? undefined : { cause: 'producer', waitedMs: receiving.waitedMs }
}

function isFull({ room }: HalfInfo): boolean {
  return room !== undefined && (room.messages <= 0 || room.bytes <= 0)
}

export function severityOf(waitedMs: number): Severity {
  return waitedMs >= waitMs.bad ? 'bad' : waitedMs >= waitMs.warn ? 'warn' : 'ok'
}

/** The window, in messages or in bytes, whichever is scarcer; undefined where no end tells of it. */
export function barOf({ sending, receiving }: Half): Bar | undefined {
  const capacity = receiving?.capacity ?? sending?.capacity
  const rooms = [sending?.room, receiving?.room].filter((room) => room !== undefined)
  if (capacity === undefined || rooms.length === 0) return undefined
  const roomIn = (unit: 'messages' | 'bytes') => Math.min(...rooms.map((room) => room[unit]))
  const shareOf = (unit: 'messages' | 'bytes') => (capacity[unit] === 0 ? 1 : roomIn(unit) / capacity[unit])
  const unit = shareOf('bytes') < shareOf('messages') ? 'bytes' : 'messages'
  const whole = capacity[unit]
  const free = Math.max(0, Math.min(roomIn(unit), whole))
  const { unread: lying, room } = receiving ?? {}
  // Two samples of two servers: where the stream flows they are of two moments.
  const unread = Math.min(lying?.[unit] ?? 0, whole - free)
  const isBoth = sending?.room !== undefined && room !== undefined
  const onTheWay = isBoth ? Math.max(0, Math.min(room[unit] - free, whole - free - unread)) : 0
  const by = isBoth ? {} : { by: receiving?.room === undefined ? ('sender' as const) : ('receiver' as const) }
  const held = (lying ?? sending?.unread)?.[unit === 'bytes' ? 'messages' : 'bytes'] ?? 0
  const other =
    unit === 'messages'
      ? `bytes: ${size(held)} of ${size(capacity.bytes)}`
      : `messages: ${held} of ${capacity.messages}`
  return { unit, capacity: whole, ...by, free, onTheWay, unread, owed: whole - free - unread - onTheWay, other }
}

/** Messages a second at both ends, where that is known. */
export interface Rates {
  readonly sent?: number
  readonly taken?: number
}

/** What each end does, in words. */
export function wordsOf(half: Half, { sent, taken }: Rates): { readonly sender: string; readonly receiver: string } {
  const { sending, receiving, direction } = half
  const isHandler = direction === 'responses'
  const since = (info: HalfInfo) => (info.waitedMs < waitMs.warn ? '' : `, for ${age(info.waitedMs)}`)
  const sender =
    sending === undefined
      ? 'is not told'
      : {
          credit: `${isHandler ? 'stands at its yield' : 'waits to send'}${since(sending)}`,
          conn: `waits for the socket${since(sending)}`,
          producer: `${isHandler ? 'has yielded' : 'has sent'} nothing${since(sending)}`,
          consumer: 'sends',
          peer: 'sends'
        }[sending.waitsFor]
  const receiver =
    receiving === undefined
      ? 'is not told'
      : receiving.waitsFor === 'consumer'
        ? `takes nothing${since(receiving)}`
        : 'waits at next()'
  const flows = (info: HalfInfo | undefined) => info !== undefined && info.waitedMs < waitMs.warn
  const rate = (value: number | undefined) => (value === undefined ? '' : ` ${rateOf(value)}/s`)
  return {
    sender: flows(sending) ? `sends${rate(sent)}` : sender,
    receiver: flows(receiving) ? `takes${rate(taken)}` : receiver
  }
}

function rateOf(value: number): string {
  return value < 10 ? value.toFixed(1) : String(Math.round(value))
}
