/** What was measured of the forms, as tables; and what the aims are, as facts of this run. Measures nothing. */

import type { Allocation } from '../../harness/pieces/measure.ts'
import { least, median, ratios } from '../../harness/statistics.ts'
import { type Cell, number, table } from '../../harness/table.ts'

/** One form read, or written. */
export interface Measured {
  readonly name: string
  readonly how: string
  readonly sizeBytes: number
  /** Nanoseconds of CPU per operation, in each round. */
  readonly times: readonly number[]
  readonly cost: Allocation
}

/** How many times as fast one is as another: the median of the rounds, and by the least of each. */
function timesAsFast(fast: Measured, slow: Measured): readonly [middle: number, least: number] {
  return [ratios(slow.times, fast.times).median, least(slow.times) / least(fast.times)]
}

/** @param bases names of those with which each is compared */
export function codingTable(all: readonly Measured[], bases: readonly string[], what: string): string {
  const compared = bases.map((base) => all.find(({ name }) => name === base) as Measured)
  const header = [what, 'B', 'ns of CPU', 'least', ...bases.map((base) => `x ${base}`), 'heap B', 'buffer B', 'how']
  const rows = all.map((each): Cell[] => {
    const { name, how, sizeBytes, times, cost } = each
    const figures = [number(median(times)), number(least(times))]
    const ratioTexts = compared.map((base) => {
      const [middle, least] = timesAsFast(each, base)
      return `${middle.toFixed(2)} (${least.toFixed(2)})`
    })
    return [name, sizeBytes, ...figures, ...ratioTexts, number(cost.heap, 0), number(cost.buffers, 0), how]
  })
  return table(header, rows)
}

/** How many times as fast decoding `fast` is, and where there is an aim, whether it is met. */
export function aimText(what: string, fast: Measured, slow: Measured, atLeast?: number): string {
  const [middle, least] = timesAsFast(fast, slow)
  const verdict = (ratio: number) => (atLeast === undefined ? '' : ratio >= atLeast ? ', met' : ', MISSED')
  return (
    `${what}: ${middle.toFixed(2)} times as fast in the median round${verdict(middle)}; ` +
    `${least.toFixed(2)} by the least of each${verdict(least)}`
  )
}
