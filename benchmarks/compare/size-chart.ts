/** The chart of payload sizes: CPU time of both processes per request, over the size of its payload, both logarithmic. */

import type { Entry } from './roster.ts'
import { entriesOf, type Summary } from './summary.ts'
import { dot, line, polyline, svg, text } from './svg.ts'
import { sizeName } from './workloads.ts'

const width = 640
const height = 360
const plot = { left: 56, right: 460, top: 74, bottom: 318 }
/** An empty payload has no logarithm: it stands a step left of 64 B. */
const zeroAt = 3
const labelHeight = 13
const title = 'CPU time of both processes per request, in us, by size of its payload'

interface Curve {
  readonly entry: Entry
  readonly points: readonly { readonly bytes: number; readonly cpuUs: number }[]
}

export function sizeChart(summaries: readonly Summary[], caption: readonly string[]): string | undefined {
  const sizes = summaries.filter(({ workload }) => workload.isSize)
  const curves = curvesOf(sizes)
  const values = curves.flatMap(({ points }) => points.map(({ cpuUs }) => cpuUs))
  if (sizes.length < 2 || values.length === 0) return undefined
  const steps = sizes.map(({ workload }) => step(workload.bytes))
  const x = scale([Math.min(...steps), Math.max(...steps)], [plot.left, plot.right])
  const low = Math.floor(Math.log10(Math.min(...values)))
  const high = Math.ceil(Math.log10(Math.max(...values)))
  const y = scale([low, Math.max(high, low + 1)], [plot.bottom, plot.top])
  const decades = Array.from({ length: Math.max(high, low + 1) - low + 1 }, (_, i) => low + i)
  const yOf = (cpuUs: number) => y(Math.log10(cpuUs))
  const tick = (anchor: 'end' | 'middle') => ({ className: 'tick', anchor })
  const middle = { className: 'faint', anchor: 'middle' } as const
  const elements = [
    ...decades.flatMap((decade) => [
      line(plot.left, y(decade), plot.right, y(decade), 'grid'),
      text(plot.left - 6, y(decade) + 3, (10 ** decade).toLocaleString('en'), tick('end'))
    ]),
    ...sizes.flatMap(({ workload: { bytes } }) => [
      line(x(step(bytes)), plot.top, x(step(bytes)), plot.bottom, 'grid'),
      text(x(step(bytes)), plot.bottom + 14, sizeName(bytes), tick('middle'))
    ]),
    text((plot.left + plot.right) / 2, plot.bottom + 30, 'payload, there and back', middle),
    ...curves.flatMap((curve) => drawCurve(curve, x, yOf)),
    ...labels(curves, yOf)
  ]
  return svg([width, height], 'CPU time per request by payload size', [title, ...caption], elements)
}

function curvesOf(sizes: readonly Summary[]): Curve[] {
  const curves = entriesOf(sizes).map((entry): Curve => {
    const points = sizes.flatMap(({ workload, rows }) => {
      const measured = rows.find((row) => row.entry === entry)?.measured
      return measured === undefined ? [] : [{ bytes: workload.bytes, cpuUs: measured.cpuUs.median }]
    })
    return { entry, points }
  })
  return curves.filter(({ points }) => points.length > 0)
}

function step(bytes: number): number {
  return bytes === 0 ? zeroAt : Math.log2(bytes)
}

function scale([from, to]: readonly [number, number], [start, end]: readonly [number, number]) {
  return (value: number): number => start + ((value - from) / (to - from)) * (end - start)
}

function drawCurve({ entry, points }: Curve, x: (v: number) => number, y: (v: number) => number): string[] {
  const { color } = entry
  const at = points.map(({ bytes, cpuUs }) => [x(step(bytes)), y(cpuUs)] as const)
  return [polyline(at, color, entry.id === 'it-grid' ? 2.5 : 1.5), ...at.map(([px, py]) => dot(px, py, color))]
}

/** Beside the right end of each curve, pushed apart where they would touch. */
function labels(curves: readonly Curve[], y: (v: number) => number): string[] {
  const wanted = curves
    .map(({ entry, points }) => ({ entry, at: y(points.at(-1)?.cpuUs ?? 1) }))
    .sort((a, b) => a.at - b.at)
  let free = plot.top
  return wanted.map(({ entry, at }) => {
    const place = Math.max(at, free)
    free = place + labelHeight
    const className = entry.id === 'it-grid' ? 'ours' : ''
    return text(plot.right + 10, place + 3, entry.label, { fill: entry.color, className })
  })
}
