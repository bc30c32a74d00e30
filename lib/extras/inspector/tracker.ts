/**
 * The counters of one handler at one server as they rise, and what they came to over the last seconds: the one place where
 * counters become rates and quantiles.
 *
 * Time is cut into slots of 5 s that all trackers share. Memory is fixed: some 4 KiB a tracker, whatever is called.
 */

import type { CallFigures, Histogram } from '../../index.ts'

export const slotMs = 5000
/** Points of a chart: 5 min. */
export const chartSlots = 60
/** Rates and quantiles of the page: two whole slots, and the one that has begun. */
const nowSlots = 3
/** What findings look at: a minute. */
const minuteSlots = 12
/** What goes wrong now is not usual: the last 5 min are left out of it. */
const usualSlots = 60
const usualCalls = 1000

/** What calls came to in some time: a vector of these fields, and then one count for each bucket of the histogram. */
export const field = { calls: 0, errors: 1, mistakes: 2, bytesIn: 3, bytesOut: 4 } as const
export const fields = 5

/** Upper bounds of all buckets here, in ms: those of the library. What a peer counts by others is put where it belongs. */
export const boundsMs: readonly number[] = [
  0.0625, 0.125, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000
]
export const buckets = boundsMs.length + 1
const width = fields + buckets

/** A quantile of counts by bucket, in ms, by straight lines within a bucket; undefined where there are none. */
export function quantile(counts: ArrayLike<number>, share: number): number | undefined {
  let total = 0
  for (let at = 0; at < counts.length; at++) total += counts[at] as number
  if (total <= 0) return undefined
  let left = total * share
  for (let at = 0; at < counts.length; at++) {
    const count = counts[at] as number
    if (count > 0 && left <= count) {
      const low = at === 0 ? 0 : (boundsMs[at - 1] as number)
      // What took longer than the last bound took at least that.
      const high = boundsMs[at] ?? low
      return low + (high - low) * (left / count)
    }
    left -= count
  }
  return boundsMs.at(-1)
}

/** By the bounds here. */
export function toBuckets({ boundsMs: bounds, counts }: Histogram): Float64Array {
  const own = new Float64Array(buckets)
  const isSame = bounds.length === boundsMs.length && bounds.every((bound, at) => bound === boundsMs[at])
  for (let at = 0; at < counts.length; at++) {
    const bound = bounds[at] ?? Number.POSITIVE_INFINITY
    const bucket = isSame ? at : boundsMs.findIndex((each) => each >= bound)
    const place = bucket < 0 || bucket >= buckets ? buckets - 1 : bucket
    own[place] = (own[place] as number) + (counts[at] as number)
  }
  return own
}

export function errorsOf({ errors }: CallFigures): number {
  let sum = 0
  // Callers that gave up are no errors.
  for (const [code, count] of Object.entries(errors)) if (code !== 'ERR_CANCELLED') sum += count
  return sum
}

export class Tracker {
  /** The last figures. */
  figures: CallFigures
  readonly now = new Float64Array(width)
  readonly minute = new Float64Array(width)
  /** p99 of each slot, NaN where there was no call; a ring by slot number. */
  readonly p99s = new Float32Array(chartSlots).fill(Number.NaN)
  /** Counts since the process began, but for the last 5 to 10 minutes. */
  usual: Float64Array
  #nextUsual: Float64Array
  /** Of the last figures. */
  #counts: Float64Array
  /** A ring by slot number: what is in `minute`. */
  readonly #slots = new Float64Array(minuteSlots * width)
  #slot: number

  /** @param slot the number of the slot that has begun */
  constructor(figures: CallFigures, slot: number) {
    this.figures = figures
    this.#slot = slot
    this.#counts = toBuckets(figures.durations)
    this.usual = this.#counts
    this.#nextUsual = this.#counts
  }

  /** What is told now. */
  update(figures: CallFigures): void {
    const before = this.figures
    const slot = this.slotAt(this.#slot)
    const grow = (at: number, by: number) => {
      // Counters never fall, whatever a server tells.
      if (by <= 0) return
      for (const sum of [slot, this.now, this.minute]) sum[at] = (sum[at] as number) + by
    }
    grow(field.calls, figures.calls - before.calls)
    grow(field.errors, errorsOf(figures) - errorsOf(before))
    grow(field.mistakes, figures.mistakes - before.mistakes)
    grow(field.bytesIn, figures.bytesIn - before.bytesIn)
    grow(field.bytesOut, figures.bytesOut - before.bytesOut)
    const counts = toBuckets(figures.durations)
    for (let at = 0; at < buckets; at++) grow(fields + at, (counts[at] as number) - (this.#counts[at] as number))
    this.#counts = counts
    this.figures = figures
  }

  /** Time has come to this slot. */
  advance(slot: number): void {
    while (this.#slot < slot) {
      const counts = this.slotAt(this.#slot).subarray(fields)
      this.p99s[this.#slot % chartSlots] = quantile(counts, 0.99) ?? Number.NaN
      this.#slot++
      if (this.#slot % usualSlots === 0) this.#keepUsual()
      subtract(this.now, this.slotAt(this.#slot - nowSlots))
      const oldest = this.slotAt(this.#slot)
      subtract(this.minute, oldest)
      oldest.fill(0)
    }
  }

  /** What a slot came to, one of the last minute. */
  slotAt(slot: number): Float64Array {
    const at = ((slot + minuteSlots) % minuteSlots) * width
    return this.#slots.subarray(at, at + width)
  }

  #keepUsual(): void {
    this.usual = this.#nextUsual
    this.#nextUsual = this.#counts
  }
}

/** Of no call. */
export function noCalls(): Float64Array {
  return new Float64Array(width)
}

export function addTo(sum: Float64Array, other: ArrayLike<number>): void {
  for (let at = 0; at < sum.length; at++) sum[at] = (sum[at] as number) + (other[at] ?? 0)
}

function subtract(sum: Float64Array, other: ArrayLike<number>): void {
  for (let at = 0; at < sum.length; at++) sum[at] = (sum[at] as number) - (other[at] as number)
}

/** The p99 of what is usual; undefined where too little is known. */
export function usualOf(counts: Float64Array): number | undefined {
  const ended = counts.reduce((sum, count) => sum + count, 0)
  return ended < usualCalls ? undefined : quantile(counts, 0.99)
}
