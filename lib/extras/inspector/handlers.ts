/** Handlers, those of one name at all servers that answer together: rates, durations, how far from usual. */

import type { HandlerRow, NamedHandler, Points } from './model.ts'
import type { Side } from './tracked.ts'
import { addTo, buckets, chartSlots, field, fields, noCalls, quantile, type Tracker, usualOf } from './tracker.ts'
import type { Watcher } from './watcher.ts'
import { nameOfKey, shownMs, shownRate } from './words.ts'

/** Fewer calls in a minute say nothing. */
const leastCalls = 20
/** Slower than usual by so much, and slower than so many ms. */
const slow = { times: 3, ms: 50 } as const
export const verySlow = { times: 10, ms: 1000 } as const
/** A request that runs so long without anybody knowing what is usual. */
const longMs = 10_000
const failing = 0.01

interface At {
  readonly watcher: Watcher
  readonly tracker: Tracker
  /** Age of its oldest call, when its server told last. */
  readonly oldestMs: number | undefined
}

/** One name. */
interface Merged extends NamedHandler {
  readonly at: At[]
  readonly now: Float64Array
  readonly minute: Float64Array
  readonly usual: Float64Array
  running: number
}

export function emptyRing(): Float32Array {
  return new Float32Array(chartSlots).fill(Number.NaN)
}

/** The values of the last slots, the newest last. */
export function pointsOf(ring: Float32Array, slot: number, count: number): Points {
  return Array.from({ length: count }, (_, at) => {
    const value = ring[(slot - count + 1 + at + chartSlots) % chartSlots] as number
    return Number.isNaN(value) ? null : rounded(value)
  })
}

/** Three digits are all that is shown. */
export function rounded(value: number): number {
  return value === 0 ? 0 : Number(value.toPrecision(3))
}

export function mergeHandlers(watchers: readonly Watcher[], side: Side): Merged[] {
  const merged = new Map<string, Merged>()
  for (const watcher of watchers) {
    for (const [key, { stats, tracker }] of watcher.tracked[side].entries) {
      let row = merged.get(key)
      if (row === undefined) {
        const sums = { now: noCalls(), minute: noCalls(), usual: new Float64Array(buckets) }
        row = { key, name: nameOfKey(key), kind: stats.kind, at: [], ...sums, running: 0 }
        merged.set(key, row)
      }
      addTo(row.now, tracker.now)
      addTo(row.minute, tracker.minute)
      addTo(row.usual, tracker.usual)
      row.running += stats.running
      const began = stats.oldestMs
      const oldestMs = began === undefined ? undefined : Math.max(0, (watcher.stats?.at ?? began) - began)
      row.at.push({ watcher, tracker, oldestMs })
    }
  }
  return [...merged.values()]
}

/** @param seconds how long `now` of the trackers is; undefined while that is too short */
export function toRow(merged: Merged, seconds: number | undefined): HandlerRow {
  const { key, name, kind, at, running } = merged
  const usual = usualOf(merged.usual)
  const oldestMs = at.reduce((most, each) => Math.max(most, each.oldestMs ?? -1), -1)
  const judged = judge(merged, usual, kind === 'single' ? oldestMs : 0)
  return {
    ...{ key, name, kind, running, servers: at.length },
    ...(oldestMs < 0 ? {} : { oldestMs: shownMs(oldestMs) }),
    ...(usual === undefined ? {} : { usual: roughly(usual) }),
    ...(seconds === undefined ? {} : ratesOf(merged.now, seconds)),
    ...judged,
    ...(judged.isSlow || judged.fails ? { where: standsOut(merged, judged.fails) } : {})
  }
}

/** As they are shown. */
function ratesOf(sum: Float64Array, seconds: number) {
  const counts = sum.subarray(fields)
  const [p50, p99] = [quantile(counts, 0.5), quantile(counts, 0.99)]
  const rate = (at: number) => (sum[at] as number) / seconds
  const [calls, errors] = [rate(field.calls), rate(field.errors)]
  return {
    // What is shown of errors is their share.
    ...(errors === 0 ? { calls: shownRate(calls), errors } : { calls: rounded(calls), errors: rounded(errors) }),
    ...{ bytesIn: roughly(rate(field.bytesIn)), bytesOut: roughly(rate(field.bytesOut)) },
    ...(p50 === undefined || p99 === undefined ? {} : { p50: shownMs(p50), p99: shownMs(p99) })
  }
}

/** Two digits. */
function roughly(value: number): number {
  return value === 0 ? 0 : Number(value.toPrecision(2))
}

/** What is near to usual has no order. */
function stepped(times: number): number {
  return times < 10 ? Math.max(1, Math.floor(times * 2) / 2) : roughly(times)
}

/** Against its own usual, not against a number. */
function judge(
  { minute }: Merged,
  usual: number | undefined,
  oldestMs: number
): Pick<HandlerRow, 'unusual' | 'isSlow' | 'fails'> {
  const ended = minute[field.calls] as number
  const p99 = ended < leastCalls ? undefined : quantile(minute.subarray(fields), 0.99)
  const times = usual === undefined || p99 === undefined ? 1 : p99 / usual
  const oldestTimes = usual === undefined ? oldestMs / (longMs / verySlow.times) : oldestMs / usual
  const hangs = oldestMs >= verySlow.ms && oldestTimes >= verySlow.times
  const share = ended < leastCalls ? 0 : (minute[field.errors] as number) / ended
  return {
    unusual: stepped(Math.max(times, hangs ? oldestTimes : 0)),
    isSlow: hangs || (times >= slow.times && (p99 ?? 0) >= slow.ms),
    fails: share >= failing || (minute[field.mistakes] as number) > 0
  }
}

/** The server at which it is slowest, or fails most. */
function standsOut({ at }: Merged, fails: boolean): string {
  const errors = ({ tracker }: At) =>
    (tracker.minute[field.errors] as number) + (tracker.minute[field.mistakes] as number)
  const slowness = ({ tracker, oldestMs }: At) =>
    Math.max(quantile(tracker.minute.subarray(fields), 0.99) ?? 0, oldestMs ?? 0)
  const weight = fails ? errors : slowness
  return at.reduce((most, each) => (weight(each) > weight(most) ? each : most)).watcher.host
}

/** What a handler came to in the last minute: its p99, the share of its calls that failed, its mistakes, its codes. */
export function minuteOf({ minute }: Merged) {
  const calls = minute[field.calls] as number
  return {
    calls,
    p99: quantile(minute.subarray(fields), 0.99),
    share: calls === 0 ? 0 : (minute[field.errors] as number) / calls,
    mistakes: minute[field.mistakes] as number
  }
}

export type { Merged }
