/** Results as text: a table for each workload while the run goes on, and all ratios at its end. */

import type { Spread } from '../harness/statistics.ts'
import { number, table } from '../harness/table.ts'
import { entriesOf, type Measured, type Summary } from './summary.ts'

type Column = readonly [name: string, cell: (measured: Measured) => string]

const rateColumns: readonly Column[] = [
  ['per second', ({ perSecond }) => whole(perSecond.median)],
  ['min-max', ({ perSecond }) => range(perSecond, whole)],
  ['CPU us', ({ cpuUs }) => figure(cpuUs.median)],
  ['ratio', ({ ratio }) => figure(ratio?.median)],
  ['min-max', ({ ratio }) => range(ratio, figure)],
  ['CPU ratio', ({ cpuRatio }) => figure(cpuRatio?.median)]
]

const latencyColumns: readonly Column[] = [
  ['p50 ms', ({ latency }) => figure(latency?.p50Ms)],
  ['p99 ms', ({ latency }) => figure(latency?.p99Ms)],
  ['min-max', ({ latency }) => range(latency?.p99MsSpread, figure)],
  ['MB/s', ({ latency }) => whole(latency?.megabytesPerSecond.median ?? Number.NaN)],
  ['min-max', ({ latency }) => range(latency?.megabytesPerSecond, whole)],
  ['CPU us/MiB', ({ cpuUs }) => whole(cpuUs.median)]
]

/** A table of one workload; who has no figure says why. */
export function workloadTable({ workload, rows }: Summary): string {
  const columns = workload.kind === 'latency' ? latencyColumns : rateColumns
  const cells = rows.map(({ entry, measured, failed, reason }) => {
    if (measured !== undefined) return [entry.label, ...columns.map(([, cell]) => cell(measured))]
    return [entry.label, ...columns.map(() => '-'), failed ? `cannot run: ${reason}` : `${reason}`]
  })
  const notes = rows.some(({ measured }) => measured === undefined) ? ['note'] : []
  return `${workload.id}: ${workload.title}\n${table(['', ...columns.map(([name]) => name), ...notes], cells)}`
}

/** The figures of all contestants in all workloads, by kind of figure. */
export function matrices(summaries: readonly Summary[]): string {
  const main = summaries.filter(({ workload }) => !workload.isSize)
  const rates = main.filter(({ workload }) => workload.kind !== 'latency')
  const sizes = summaries.filter(({ workload }) => workload.isSize)
  const tables: readonly Parameters<typeof matrix>[] = [
    ['Rate, bare ws is 1; latency: p99 in ms', main, ({ ratio, latency }) => figure(latency?.p99Ms ?? ratio?.median)],
    ['CPU time of both processes, bare ws is 1', rates, ({ cpuRatio }) => figure(cpuRatio?.median)],
    ['By payload: rate, bare ws is 1', sizes, ({ ratio }) => figure(ratio?.median)],
    ['By payload: CPU time of both processes per request, us', sizes, ({ cpuUs }) => figure(cpuUs.median)]
  ]
  return tables.flatMap((each) => (each[1].length > 0 ? [matrix(...each)] : [])).join('\n\n')
}

function matrix(title: string, summaries: readonly Summary[], cell: (measured: Measured) => string): string {
  const rows = entriesOf(summaries).map((entry) => {
    const cells = summaries.map(({ rows }) => {
      const row = rows.find((each) => each.entry === entry)
      return row?.measured === undefined ? (row?.failed ? 'failed' : '-') : cell(row.measured)
    })
    return [entry.label, ...cells]
  })
  return `${title}\n${table(['', ...summaries.map(({ workload }) => workload.id)], rows)}`
}

function range(spread: Spread | undefined, format: (value: number) => string): string {
  return spread === undefined ? '-' : `${format(spread.min)}-${format(spread.max)}`
}

function whole(value: number): string {
  return number(value, 0)
}

/** Three digits that mean something, at most two behind the point. */
export function figure(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '-'
  if (value >= 1000) return whole(value)
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)
}
