/**
 * The handlers of all servers together, as one side tells of them: a row for each name, and its charts.
 *
 * A name that no server has any more stays for as long as its chart lasts, and then it is forgotten.
 */

import { emptyRing, type Merged, mergeHandlers, pointsOf, toRow } from './handlers.ts'
import type { Seen } from './matrix.ts'
import { freshOf } from './matrix.ts'
import type { HandlerRow, PackedSeries } from './model.ts'
import { markOf, type Side } from './tracked.ts'
import { addTo, chartSlots, field, fields, noCalls, quantile, slotMs } from './tracker.ts'
import { nameOfKey } from './words.ts'

/** Servers that have ever new names cost no more. */
const mostRows = 4000

/** Points of one chart, a ring by slot number. */
class Rings {
  readonly #rings = [emptyRing(), emptyRing(), emptyRing(), emptyRing()] as const

  set(slot: number, sum: Float64Array): void {
    const counts = sum.subarray(fields)
    const seconds = slotMs / 1000
    const values = [
      ...[quantile(counts, 0.5) ?? Number.NaN, quantile(counts, 0.99) ?? Number.NaN],
      ...[(sum[field.calls] as number) / seconds, (sum[field.errors] as number) / seconds]
    ]
    for (const [at, ring] of this.#rings.entries()) ring[slot % chartSlots] = values[at] as number
  }

  /** Nobody tells of it. */
  clear(slot: number): void {
    for (const ring of this.#rings) ring[slot % chartSlots] = Number.NaN
  }

  read(slot: number, count: number): PackedSeries {
    const [p50, p99, calls, errors] = this.#rings.map((ring) => pointsOf(ring, slot, count))
    return [p50 ?? [], p99 ?? [], calls ?? [], errors ?? []]
  }
}

interface Line {
  readonly rings: Rings
  row: HandlerRow
  /** The last slot in which a server had it. */
  slot: number
}

export class Board {
  merged: readonly Merged[] = []
  /** Names for which there is no row, as there are too many. */
  notShown = 0
  readonly #side: Side
  readonly #lines = new Map<string, Line>()

  constructor(side: Side) {
    this.#side = side
  }

  /** Looks at all servers anew. */
  look(seen: Seen, slot: number): void {
    this.merged = mergeHandlers(freshOf(seen), this.#side)
    const others = new Set<number>()
    for (const watcher of seen.watchers.values()) {
      const tracked = watcher.tracked[this.#side]
      for (const key of tracked.entries.keys()) if (this.#lineOf(key, slot) === undefined) others.add(markOf(key))
      for (const mark of tracked.others) others.add(mark)
    }
    for (const [key, line] of this.#lines) {
      // Those of servers that do not answer now stay, without figures.
      line.row = withoutFigures(key)
      if (slot - line.slot > chartSlots) this.#lines.delete(key)
      else if (others.size > 0) others.delete(markOf(key))
    }
    this.notShown = others.size
    for (const merged of this.merged) {
      const line = this.#lines.get(merged.key)
      if (line !== undefined) line.row = toRow(merged, seen.windowSeconds)
    }
  }

  /** A slot is over. */
  close(seen: Seen, slot: number): void {
    for (const { rings } of this.#lines.values()) rings.clear(slot)
    for (const { key, at } of mergeHandlers(freshOf(seen), this.#side)) {
      const sum = noCalls()
      for (const { tracker } of at) addTo(sum, tracker.slotAt(slot))
      this.#lineOf(key, slot)?.rings.set(slot, sum)
    }
  }

  /** By their names. */
  *rows(): Generator<[key: string, row: HandlerRow]> {
    for (const [key, { row }] of this.#lines) yield [key, row]
  }

  /** The last points of all charts. */
  *points(slot: number, count: number): Generator<[key: string, series: PackedSeries]> {
    for (const [key, { rings }] of this.#lines) yield [key, rings.read(slot, count)]
  }

  #lineOf(key: string, slot: number): Line | undefined {
    const known = this.#lines.get(key)
    if (known !== undefined) {
      known.slot = slot
      return known
    }
    if (this.#lines.size >= mostRows) return undefined
    const line = { rings: new Rings(), row: withoutFigures(key), slot }
    this.#lines.set(key, line)
    return line
  }
}

function withoutFigures(key: string): HandlerRow {
  const kind = key.startsWith('single ') ? 'single' : 'streaming'
  return { key, name: nameOfKey(key), kind, running: 0, unusual: 0, isSlow: false, fails: false, servers: 0 }
}

/** Of one server alone, as it was told last. */
export function rowsOf(seen: Seen, host: string, side: Side): HandlerRow[] {
  const watcher = seen.watchers.get(host)
  return mergeHandlers(watcher === undefined ? [] : [watcher], side).map((row) => toRow(row, seen.windowSeconds))
}
