/** Results as text: a table for each workload while the run goes on, and all ratios at its end. */

import type { Measured, Row, Spread, Summary } from './summary.ts'
import type { Workload } from './workloads.ts'

/** A table of one workload. */
export function workloadTable({ workload, rows }: Summary): string {
  const columns = workload.kind === 'latency' ? latencyColumns : rateColumns
  const cellsOf = ({ measured }: Row) => (measured === undefined ? [] : columns.map(([, cell]) => cell(measured)))
  const lines = [columns.map(([name]) => name), ...rows.map(cellsOf)]
  const widths = columns.map((_, i) => Math.max(...lines.map((cells) => cells[i]?.length ?? 0)) + gap)
  const [head, ...figures] = lines.map((cells) => cells.map((cell, i) => cell.padStart(widths[i] ?? 0)).join(''))
  const labelWidth = Math.max(...rows.map(({ entry }) => entry.label.length))
  const body = rows.map((row, i) => {
    const { entry, measured } = row
    return `  ${entry.label.padEnd(labelWidth)}${measured === undefined ? `  ${noFigure(row)}` : figures[i]}`
  })
  return [`${workload.id}: ${workload.title}`, `  ${''.padEnd(labelWidth)}${head}`, ...body].join('\n')
}

/** Between two columns. */
const gap = 3

type Column = readonly [name: string, cell: (measured: Measured) => string]

const rateColumns: readonly Column[] = [
  ['per second', ({ perSecond }) => whole(perSecond.median)],
  ['min-max', ({ perSecond }) => range(perSecond, whole)],
  ['CPU us', ({ cpuUs }) => figure(cpuUs.median)],
  ['ratio', ({ ratio }) => ratioText(ratio)],
  ['min-max', ({ ratio }) => (ratio === undefined ? '-' : range(ratio, figure))],
  ['CPU ratio', ({ cpuRatio }) => ratioText(cpuRatio)]
]

const latencyColumns: readonly Column[] = [
  ['p50 ms', ({ latency }) => figure(latency?.p50Ms)],
  ['p99 ms', ({ latency }) => figure(latency?.p99Ms)],
  ['min-max', ({ latency }) => (latency === undefined ? '-' : range(latency.p99MsSpread, figure))],
  ['MB/s', ({ latency }) => whole(latency?.megabytesPerSecond.median ?? Number.NaN)],
  ['min-max', ({ latency }) => (latency === undefined ? '-' : range(latency.megabytesPerSecond, whole))],
  ['CPU us/MiB', ({ cpuUs }) => whole(cpuUs.median)]
]

function noFigure({ failed, reason }: Row): string {
  return failed ? `cannot run: ${reason}` : `-  ${reason}`
}

/** One figure of each contestant in each of these workloads, with what they have in common as a second head. */
export function matrix(
  title: string,
  summaries: readonly Summary[],
  cell: (measured: Measured, workload: Workload) => string
): string {
  const entries = [...new Set(summaries.flatMap(({ rows }) => rows.map(({ entry }) => entry)))]
  const labelWidth = Math.max(...entries.map(({ label }) => label.length))
  const heads = summaries.map(({ workload: { id } }) => {
    const cut = id.lastIndexOf('-')
    return cut < 0 ? { group: id, name: '' } : { group: id.slice(0, cut), name: id.slice(cut + 1) }
  })
  const groups = heads.map(({ group }, i) => (group === heads[i - 1]?.group ? '' : group))
  const widths = heads.map((_, i) => Math.max(8, isAlone(groups, i) ? (groups[i]?.length ?? 0) + 2 : 0))
  const lines = entries.map((entry) => {
    const cells = summaries.map(({ workload, rows }, i) => {
      const row = rows.find((each) => each.entry === entry)
      const text = row?.measured === undefined ? (row?.failed ? 'failed' : '-') : cell(row.measured, workload)
      return text.padStart(widths[i] ?? 0)
    })
    return `  ${entry.label.padEnd(labelWidth)}${cells.join('')}`
  })
  const indent = ''.padEnd(labelWidth + 2)
  const names = heads.map(({ name }, i) => name.padStart(widths[i] ?? 0)).join('')
  return [title, indent + groupLine(groups, widths), indent + names, ...lines].join('\n')
}

/** No other column of the group gives its name room. */
function isAlone(groups: readonly string[], i: number): boolean {
  return groups[i] !== '' && groups[i + 1] !== ''
}

function groupLine(groups: readonly string[], widths: readonly number[]): string {
  let line = ''
  let at = 0
  for (const [i, group] of groups.entries()) {
    if (group !== '') line = `${line.padEnd(at + 3)}${group}`
    at += widths[i] ?? 0
  }
  return line
}

export function ratioText(ratio: Spread | undefined): string {
  return ratio === undefined ? '-' : figure(ratio.median)
}

function range({ min, max }: Spread, format: (value: number) => string): string {
  return `${format(min)}-${format(max)}`
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}

/** Three digits that mean something, at most two behind the point. */
export function figure(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '-'
  if (value >= 1000) return whole(value)
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)
}
