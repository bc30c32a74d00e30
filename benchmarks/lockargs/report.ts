/** What was measured, as tables; and what the aims are, as facts of this run. Measures nothing. */

import type { Allocation } from '../harness/measure.ts'
import { type Cell, median, number, table } from '../harness/table.ts'
import { callerCounts, type RoundTrip } from './round-trips.ts'

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
interface Ratio {
  readonly middle: number
  readonly least: number
}

const least = (values: readonly number[]): number => Math.min(...values)

export function ratioOf(slow: readonly number[], fast: readonly number[]): Ratio {
  const rounds = slow.map((time, round) => time / (fast[round] as number))
  return { middle: median(rounds), least: least(slow) / least(fast) }
}

/** @param bases names of those with which each is compared */
export function codingTable(all: readonly Measured[], bases: readonly string[], what: string): string {
  const compared = bases.map((base) => all.find(({ name }) => name === base) as Measured)
  const header = [what, 'B', 'ns of CPU', 'least', ...bases.map((base) => `x ${base}`), 'heap B', 'buffer B', 'how']
  const rows = all.map(({ name, how, sizeBytes, times, cost }): Cell[] => [
    name,
    sizeBytes,
    number(median(times)),
    number(least(times)),
    ...compared.map((base) => ratioText(ratioOf(base.times, times))),
    number(cost.heap, 0),
    number(cost.buffers, 0),
    how
  ])
  return table(header, rows)
}

function ratioText({ middle, least }: Ratio): string {
  return `${middle.toFixed(2)} (${least.toFixed(2)})`
}

/** @param rounds for each round, one for each of `callerCounts` */
export function roundTripTable(rounds: readonly (readonly RoundTrip[])[], tuple: Measured, readline: Measured): string {
  const header = ['callers', 'round trips/s', 'us of CPU: caller', 'holder', 'both', 'least']
  const rows = callerCounts.map((callers, index): Cell[] => {
    const all = rounds.map((round) => round[index] as RoundTrip)
    const both = all.map(({ callerUs, holderUs }) => callerUs + holderUs)
    const holder = median(all.map(({ holderUs }) => holderUs))
    const [decodeUs, byReadlineUs] = [tuple, readline].map(({ times }) => (2 * median(times)) / 1000) as [
      number,
      number
    ]
    const rest = median(both) - decodeUs
    return [
      callers,
      number(median(all.map(({ perSecond }) => perSecond))),
      median(all.map(({ callerUs }) => callerUs)).toFixed(1),
      holder.toFixed(1),
      median(both).toFixed(1),
      least(both).toFixed(1),
      `${decodeUs.toFixed(1)} us: ${percent(decodeUs / median(both))}, ${percent(decodeUs / holder)} of the holder`,
      `${byReadlineUs.toFixed(1)} us: ${percent(byReadlineUs / (rest + byReadlineUs))}`
    ]
  })
  return table([...header, 'of it two decodes', 'by readline they were'], rows)
}

function percent(share: number): string {
  return `${number(share * 100)} %`
}

/** How many times as fast decoding `fast` is, and where there is an aim, whether it is met. */
export function aimText(what: string, fast: Measured, slow: Measured, atLeast?: number): string {
  const { middle, least } = ratioOf(slow.times, fast.times)
  const verdict = (ratio: number) => (atLeast === undefined ? '' : ratio >= atLeast ? ', met' : ', MISSED')
  return (
    `${what}: ${middle.toFixed(2)} times as fast in the median round${verdict(middle)}; ` +
    `${least.toFixed(2)} by the least of each${verdict(least)}`
  )
}
