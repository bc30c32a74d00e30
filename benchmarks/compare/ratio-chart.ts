/**
 * The chart of ratios: a panel for each workload, a bar for each contestant, to both sides of the floor at 1.0.
 *
 * The scale is logarithmic, so that twice as fast and half as fast are as long; a thin line spans the rounds.
 */

import type { Spread } from '../harness/statistics.ts'
import { type Entry, floorId } from './roster.ts'
import type { Measured, Row, Summary } from './summary.ts'
import { line, rect, svg, text } from './svg.ts'
import { figure } from './table.ts'

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
  readonly ticks: readonly number[]
  readonly valueWidth: number
  /** Where bars begin; left of it is less, right of it more. Undefined: at the left edge. */
  readonly base: number | undefined
}

export function ratioChart(summaries: readonly Summary[], caption: readonly string[]): string | undefined {
  const panels = panelsOf(summaries)
  if (panels.length === 0) return undefined
  const elements = [
    text(margin, 24, 'Speed of it-grid and the usual choices; bare ws, one message per payload, is 1.0', {
      className: 'title'
    }),
    ...[...caption, how].map((each, i) => text(margin, 41 + 14 * i, each, { className: 'faint' }))
  ]
  const columns = [margin, 2 * margin + panelWidth]
  let y = captionHeight
  for (let i = 0; i < panels.length; i += 2) {
    const pair = panels.slice(i, i + 2)
    for (const [column, panel] of pair.entries()) elements.push(...drawPanel(panel, columns[column] ?? margin, y))
    y += Math.max(...pair.map(({ bars }) => headHeight + bars.length * rowHeight + tickHeight)) + 10
  }
  return svg(width, y, 'Rates of it-grid and its rivals as ratios to a bare ws echo', elements)
}

function panelsOf(summaries: readonly Summary[]): Panel[] {
  const main = summaries.filter(({ workload }) => !workload.isSize)
  const rates = main.filter(({ workload, rows }) => workload.kind !== 'latency' && rows.some(hasRatio))
  const rateBars = rates.map(({ rows }) => ratioBars(rows, ({ ratio }) => ratio))
  // One scale for all of them, so that they can be compared with each other too.
  const rateTicks = ticksOf(rateBars.flat(), 1)
  const panels = rates.map(({ workload: { title } }, i): Panel => {
    return { title, bars: rateBars[i] ?? [], ticks: rateTicks, valueWidth, base: 1 }
  })
  const busy = rates.find(({ workload }) => workload.id === 'request-64')
  if (busy !== undefined) {
    const bars = ratioBars(busy.rows, ({ cpuRatio }) => cpuRatio)
    const title = 'CPU time per request, 64 callers, both ends (left is better)'
    panels.push({ title, bars, ticks: ticksOf(bars, 1), valueWidth, base: 1 })
  }
  const latency = main.find(({ workload }) => workload.kind === 'latency')
  if (latency !== undefined) {
    const bars = latencyBars(latency.rows)
    const title = 'p99 of a small request beside 1 MiB messages (less is better)'
    panels.push({ title, bars, ticks: ticksOf(bars), valueWidth: latencyWidth, base: undefined })
  }
  return panels
}

function ratioBars(rows: readonly Row[], ratioOf: (measured: Measured) => Spread | undefined): Bar[] {
  const shown = rows.filter(({ entry }) => !entry.isTableOnly && entry.id !== floorId)
  return shown.map(({ entry, measured, reason, failed }) => {
    const value = measured === undefined ? undefined : ratioOf(measured)
    return { entry, value, label: value === undefined ? why(failed, reason) : figure(value.median) }
  })
}

function latencyBars(rows: readonly Row[]): Bar[] {
  const shown = rows.filter(({ entry }) => !entry.isTableOnly)
  return shown.map(({ entry, measured, reason, failed }) => {
    const latency = measured?.latency
    if (latency === undefined) return { entry, value: undefined, label: why(failed, reason) }
    const { p99Ms, p99MsSpread, megabytesPerSecond } = latency
    const label = `${figure(p99Ms)} ms, ${figure(megabytesPerSecond.median)} MB/s`
    return { entry, value: { ...p99MsSpread, median: p99Ms }, label }
  })
}

function hasRatio({ entry, measured }: Row): boolean {
  return entry.id !== floorId && measured?.ratio !== undefined
}

function why(failed: boolean, reason: string | undefined): string {
  return failed ? 'cannot run' : (reason ?? '')
}

function drawPanel({ title, bars, ticks, valueWidth, base }: Panel, left: number, top: number): string[] {
  const first = ticks[0] ?? 1
  const decades = Math.log((ticks.at(-1) ?? 1) / first) || 1
  const room = panelWidth - nameWidth - valueWidth
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
