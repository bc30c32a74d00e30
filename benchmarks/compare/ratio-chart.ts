/**
 * The chart of ratios: a panel for each workload, a bar for each contestant, to both sides of the floor at 1.0.
 *
 * The scale is logarithmic, so that twice as fast and half as fast are as long; a thin line spans the rounds.
 */

import type { Spread } from '../harness/statistics.ts'
import { type Entry, floorId } from './roster.ts'
import type { Measured, Row, Summary } from './summary.ts'
import { line, rect, svg, text } from './svg.ts'
import { figure } from './tables.ts'

const width = 900
const margin = 16
const panelWidth = (width - 3 * margin) / 2
const nameWidth = 138
/** Room right of the longest bar, for its figure. */
const valueWidth = 36
const latencyWidth = 112
const headHeight = 18
const barHeight = 8
const rowHeight = 12
const tickHeight = 18
const captionHeight = 82
/** Between the middles of two figures on an axis. */
const minTickGap = 22

const about = 'Rates of it-grid and its rivals as ratios to a bare ws echo'
const title = 'Speed of it-grid and the usual choices; bare ws, one message per payload, is 1.0'
const cpuTitle = 'CPU time per request, 64 callers, both ends (left is better)'
const latencyTitle = 'p99 of a small request beside 1 MiB messages (less is better)'
const how = 'Right of 1 is faster, left is slower, on a logarithmic scale; a thin line spans the rounds.'

interface Bar {
  readonly entry: Entry
  /** Undefined where there is no figure; `label` then says why. */
  readonly value: Spread | undefined
  readonly label: string
}

interface Panel {
  readonly title: string
  readonly bars: readonly Bar[]
  /** Where bars begin; left of it is less, right of it more. Undefined: at the left edge, with latencies beside them. */
  readonly base?: number
  readonly ticks: readonly number[]
}

export function ratioChart(summaries: readonly Summary[], caption: readonly string[]): string | undefined {
  const panels = panelsOf(summaries)
  if (panels.length === 0) return undefined
  const elements: string[] = []
  const columns = [margin, 2 * margin + panelWidth]
  let y = captionHeight
  for (let i = 0; i < panels.length; i += 2) {
    const pair = panels.slice(i, i + 2)
    for (const [column, panel] of pair.entries()) elements.push(...drawPanel(panel, columns[column] ?? margin, y))
    y += Math.max(...pair.map(({ bars }) => headHeight + bars.length * rowHeight + tickHeight)) + 10
  }
  return svg([width, y], about, [title, ...caption, how], elements)
}

function panelsOf(summaries: readonly Summary[]): Panel[] {
  const main = summaries.filter(({ workload }) => !workload.isSize)
  const rates = main.filter(({ workload, rows }) => workload.kind !== 'latency' && rows.some(hasRatio))
  const rateBars = rates.map(({ rows }) => ratioBars(rows, ({ ratio }) => ratio))
  // One scale for all of them, so that they can be compared with each other too.
  const ticks = ticksOf(rateBars.flat(), 1)
  const panels = rates.map(({ workload: { title } }, i): Panel => ({ title, bars: rateBars[i] ?? [], base: 1, ticks }))
  const busy = rates.find(({ workload }) => workload.id === 'request-64')
  if (busy !== undefined) {
    const bars = ratioBars(busy.rows, ({ cpuRatio }) => cpuRatio)
    panels.push({ title: cpuTitle, bars, base: 1, ticks: ticksOf(bars, 1) })
  }
  const latency = main.find(({ workload }) => workload.kind === 'latency')
  if (latency === undefined) return panels
  const bars = barsOf(latency.rows, p99Of, (p99, { latency }) => {
    return `${figure(p99.median)} ms, ${figure(latency?.megabytesPerSecond.median)} MB/s`
  })
  return [...panels, { title: latencyTitle, bars, ticks: ticksOf(bars) }]
}

type ValueIn = (measured: Measured) => Spread | undefined

function ratioBars(rows: readonly Row[], ratioOf: ValueIn): Bar[] {
  const withoutFloor = rows.filter(({ entry }) => entry.id !== floorId)
  return barsOf(withoutFloor, ratioOf, ({ median }) => figure(median))
}

/** Of all requests, and between the rounds. */
function p99Of({ latency }: Measured): Spread | undefined {
  return latency && { ...latency.p99MsSpread, median: latency.p99Ms }
}

function barsOf(rows: readonly Row[], valueIn: ValueIn, labelOf: (value: Spread, measured: Measured) => string): Bar[] {
  const shown = rows.filter(({ entry }) => !entry.isTableOnly)
  return shown.map(({ entry, measured, reason = '', failed }) => {
    const value = measured && valueIn(measured)
    if (measured && value) return { entry, value, label: labelOf(value, measured) }
    return { entry, value, label: failed ? 'cannot run' : reason }
  })
}

function hasRatio({ entry, measured }: Row): boolean {
  return entry.id !== floorId && measured?.ratio !== undefined
}

function drawPanel({ title, bars, ticks, base }: Panel, left: number, top: number): string[] {
  const first = ticks[0] ?? 1
  const decades = Math.log((ticks.at(-1) ?? 1) / first) || 1
  const room = panelWidth - nameWidth - (base === undefined ? latencyWidth : valueWidth)
  const x = (value: number): number => left + nameWidth + (Math.log(value / first) / decades) * room
  const bottom = top + headHeight + bars.length * rowHeight
  const grid = ticks.map((tick) =>
    line(x(tick), top + headHeight - 4, x(tick), bottom, tick === base ? 'unit' : 'grid')
  )
  const labels = spaced(ticks, x).map((tick) => {
    return text(x(tick), bottom + 10, String(tick), { className: 'tick', anchor: 'middle' })
  })
  const rows = bars.flatMap((bar, i) => drawBar(bar, left, top + headHeight + i * rowHeight, x(base ?? first), x))
  return [text(left, top + 8, title, { className: 'head' }), ...grid, ...labels, ...rows]
}

function drawBar({ entry, value, label }: Bar, left: number, top: number, baseX: number, x: (v: number) => number) {
  const textY = top + barHeight
  const className = entry.id === 'it-grid' ? 'ours' : ''
  const name = text(left + nameWidth - 6, textY, entry.label, { anchor: 'end', className })
  if (value === undefined) return [name, text(left + nameWidth + 4, textY, label, { className: 'faint' })]
  const end = x(value.median)
  const middle = top + barHeight / 2 + 1
  return [
    name,
    rect(Math.min(baseX, end), top + 1, Math.abs(end - baseX), barHeight, entry.color),
    line(x(value.min), middle, x(value.max), middle, 'spread'),
    text(Math.max(baseX, end, x(value.max)) + 5, textY, label, { className })
  ]
}

/** 1, 2 and 5 of every power of ten, from the last below all values to the first above. */
function ticksOf(bars: readonly Bar[], base?: number): readonly number[] {
  const values = bars.flatMap(({ value }) => (value === undefined ? [] : [value.median, value.min, value.max]))
  if (base !== undefined) values.push(base)
  const steps = Array.from({ length: 10 }, (_, i) => [1, 2, 5].map((digit) => Number(`${digit}e${i - 4}`))).flat()
  const first = steps.findLastIndex((step) => step <= Math.min(...values))
  const last = steps.findIndex((step) => step >= Math.max(...values))
  return steps.slice(Math.max(0, first), last < 0 ? undefined : last + 1)
}

/** Those that have room for a figure under them. Powers of ten come first. */
function spaced(ticks: readonly number[], x: (value: number) => number): readonly number[] {
  const isPower = (tick: number) => Number.isInteger(Math.log10(tick))
  const kept: number[] = []
  for (const tick of [...ticks.filter(isPower), ...ticks.filter((each) => !isPower(each))]) {
    if (kept.every((other) => Math.abs(x(other) - x(tick)) >= minTickGap)) kept.push(tick)
  }
  return kept
}
