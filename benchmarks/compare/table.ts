/** Results as text: a table for each workload while the run goes on, and all ratios at its end. */

import type { Spread } from '../harness/statistics.ts'
import { number, widthsOf } from '../harness/table.ts'
import { entriesOf, type Measured, type Row, type Summary } from './summary.ts'

/** Between two columns. */
const gap = 3
const minMatrixWidth = 8

/** A table of one workload. */
export function workloadTable({ workload, rows }: Summary): string {
  const columns = workload.kind === 'latency' ? latencyColumns : rateColumns
  const cellsOf = ({ measured }: Row) => (measured === undefined ? [] : columns.map(([, cell]) => cell(measured)))
  const lines = [columns.map(([name]) => name), ...rows.map(cellsOf)]
  const widths = widthsOf(lines).map((width) => width + gap)
  const [head, ...figures] = lines.map((cells) => padded(cells, widths))
  const labelWidth = Math.max(...rows.map(({ entry }) => entry.label.length))
  const body = rows.map((row, i) => {
    const { entry, measured } = row
    return `  ${entry.label.padEnd(labelWidth)}${measured === undefined ? `  ${noFigure(row)}` : figures[i]}`
  })
  return [`${workload.id}: ${workload.title}`, `  ${''.padEnd(labelWidth)}${head}`, ...body].join('\n')
}

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
export function matrix(title: string, summaries: readonly Summary[], cell: (measured: Measured) => string): string {
  const entries = entriesOf(summaries)
  const labelWidth = Math.max(...entries.map(({ label }) => label.length))
  const heads = summaries.map(({ workload: { id } }) => {
    const cut = id.lastIndexOf('-')
    return cut < 0 ? { group: id, name: '' } : { group: id.slice(0, cut), name: id.slice(cut + 1) }
  })
  const groups = heads.map(({ group }, i) => (group === heads[i - 1]?.group ? '' : group))
  // A group gives its name room where no other column of it does.
  const isAlone = (i: number) => groups[i] !== '' && groups[i + 1] !== ''
  const widths = groups.map((group, i) => Math.max(minMatrixWidth, isAlone(i) ? group.length + 2 : 0))
  const names = heads.map(({ name }) => name)
  const lines = entries.map((entry) => {
    const cells = summaries.map(({ rows }) => {
      const row = rows.find((each) => each.entry === entry)
      return row?.measured === undefined ? (row?.failed ? 'failed' : '-') : cell(row.measured)
    })
    return `  ${entry.label.padEnd(labelWidth)}${padded(cells, widths)}`
  })
  const indent = ''.padEnd(labelWidth + 2)
  return [title, indent + groupLine(groups, widths), indent + padded(names, widths), ...lines].join('\n')
}

function groupLine(groups: readonly string[], widths: readonly number[]): string {
  let line = ''
  let at = 0
  for (const [i, group] of groups.entries()) {
    if (group !== '') line = `${line.padEnd(at + gap)}${group}`
    at += widths[i] ?? 0
  }
  return line
}

function padded(cells: readonly string[], widths: readonly number[]): string {
  return cells.map((cell, i) => cell.padStart(widths[i] ?? 0)).join('')
}

export function ratioText(ratio: Spread | undefined): string {
  return figure(ratio?.median)
}

function range({ min, max }: Spread, format: (value: number) => string): string {
  return `${format(min)}-${format(max)}`
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
