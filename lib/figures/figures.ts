/**
 * What calls came to: how many, their errors by code, how long they took, their bytes. Of one handler, or of one connection.
 *
 * Calls that have ended are counted here; those that are open are looked at when somebody asks (`OpenFigures`). So a call
 * costs nothing when it begins and a few additions when it ends, and long ones show their bytes while they run.
 */

import { GridError } from '../errors/errors.ts'
import { readCode } from '../errors/failure.ts'
import type { CallFigures } from '../report/stats.ts'
import { ticksToMs, toTicks } from '../time/ticks.ts'

/** In ms. From 5 ms on those of the conventions of OpenTelemetry for calls, so that exporters add up exactly. */
export const boundsMs: readonly number[] = Object.freeze([
  0.0625, 0.125, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000
])

/** Handlers choose their codes. */
const maxCodes = 64
/** In the place of names beyond a bound. */
export const otherName = '_OTHER'

const boundsTicks = boundsMs.map(toTicks)

/** The bucket of a duration: a bound belongs to the bucket below it. */
export function toBucket(ticks: number): number {
  let bucket = 0
  while (bucket < boundsTicks.length && ticks > (boundsTicks[bucket] as number)) bucket++
  return bucket
}

/** The code of a call that failed by this. What is no error of ours is the reason that its caller gave to cancel it. */
export function failureCode(reason: unknown): string {
  return (GridError.is(reason) ? readCode(reason) : undefined) ?? 'ERR_CANCELLED'
}

export class Figures {
  /** Errors that a handler of this server threw by mistake. */
  mistakes = 0
  /** Further tries of calls, which count as calls themselves. */
  retries = 0
  #bytesIn = 0
  #bytesOut = 0
  #sumTicks = 0
  /** By bucket; made by the first call that ends. */
  #counts: number[] | undefined
  #errors: Map<string, number> | undefined

  /** A call has ended. */
  add(bucket: number, ticks: number, bytesIn: number, bytesOut: number): void {
    const counts = this.#counts ?? this.#createCounts()
    ;(counts[bucket] as number)++
    this.#sumTicks += ticks
    this.#bytesIn += bytesIn
    this.#bytesOut += bytesOut
  }

  #createCounts(): number[] {
    this.#counts = new Array<number>(boundsMs.length + 1).fill(0)
    return this.#counts
  }

  /** A call fails with an error of this code. */
  addError(code: string): void {
    this.#errors ??= new Map()
    // No codec carries a property of that name, and the figures are read over the grid.
    const isKept = code !== '__proto__' && (this.#errors.has(code) || this.#errors.size < maxCodes)
    const key = isKept ? code : otherName
    this.#errors.set(key, (this.#errors.get(key) ?? 0) + 1)
  }

  /** A call has ended without being sent; with an error of this code, where it failed. */
  addUnsent(ticks: number, code: string | undefined): void {
    this.add(toBucket(ticks), ticks, 0, 0)
    if (code !== undefined) this.addError(code)
  }

  /** Plain data, with what is `open`. */
  read(open: OpenFigures | undefined): CallFigures {
    const counts = this.#counts?.slice() ?? new Array<number>(boundsMs.length + 1).fill(0)
    const { running = 0, bytesIn = 0, bytesOut = 0 } = open ?? {}
    return {
      calls: counts.reduce((sum, count) => sum + count, running),
      retries: this.retries,
      running,
      ...(open === undefined ? {} : { oldestMs: Math.max(0, performance.now() - ticksToMs(open.startTicks)) }),
      mistakes: this.mistakes,
      errors: Object.fromEntries(this.#errors ?? []),
      durations: { boundsMs, counts, sumMs: ticksToMs(this.#sumTicks) },
      bytesIn: this.#bytesIn + bytesIn,
      bytesOut: this.#bytesOut + bytesOut
    }
  }
}

/** What is open now. */
interface OpenFigures {
  running: number
  /** When the oldest call began. */
  startTicks: number
  bytesIn: number
  bytesOut: number
}

/** What is open now, by the figures that count it once it has ended. Made to be read once. */
export class OpenTally {
  readonly #open = new Map<Figures, OpenFigures>()

  add(figures: Figures, startTicks: number, bytesIn: number, bytesOut: number): void {
    const open = this.#open.get(figures)
    if (open === undefined) {
      this.#open.set(figures, { running: 1, startTicks, bytesIn, bytesOut })
      return
    }
    open.running++
    open.startTicks = Math.min(open.startTicks, startTicks)
    open.bytesIn += bytesIn
    open.bytesOut += bytesOut
  }

  read(figures: Figures): CallFigures {
    return figures.read(this.#open.get(figures))
  }
}
