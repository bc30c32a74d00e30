/** The charts of one handler: duration, calls and errors on one time axis, with what happened marked. */

import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import type { Chart, HandlerDetail } from '../model.ts'
import { colourOf, dark } from './colours.ts'
import { chartSlots } from './store.ts'
import { ms, rate } from './text.ts'

const slotSeconds = 5

export interface ChartsProps {
  chart: Chart
  usual: number | undefined
  marks: HandlerDetail['marks']
  now: number
  /** Of the newest point. */
  slot: number
}

interface StripOptions {
  readonly height: number
  readonly label: string
  readonly lines: readonly {
    readonly name: 'p50' | 'p99' | 'calls' | 'errors'
    readonly colour: string
    readonly isBar?: boolean
  }[]
  readonly format: (value: number) => string
  readonly hasAxis?: boolean
}

const strips: readonly StripOptions[] = [
  {
    ...{ height: 240, label: 'Duration, ms', format: ms, hasAxis: true },
    lines: [
      { name: 'p99', colour: '--badFill' },
      { name: 'p50', colour: '--data' }
    ]
  },
  { ...{ height: 90, label: 'Calls per second', format: rate }, lines: [{ name: 'calls', colour: '--data' }] },
  {
    ...{ height: 80, label: 'Errors per second', format: rate },
    lines: [{ name: 'errors', colour: '--badFill', isBar: true }]
  }
]

/** Seconds before now: the same for all strips. */
const xs = Array.from({ length: chartSlots }, (_, at) => (at - chartSlots + 1) * slotSeconds)

export function Charts(props: ChartsProps) {
  return (
    <>
      {strips.map((strip) => (
        <Strip key={strip.label} strip={strip} {...props} />
      ))}
    </>
  )
}

function Strip({ strip, chart, usual, marks, now, slot }: ChartsProps & { strip: StripOptions }) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const shown = useRef({ usual, marks, now })
  shown.current = { usual, marks, now }
  useEffect(() => {
    const element = box.current as HTMLDivElement
    const made = new uPlot(
      optionsOf(strip, element, () => shown.current),
      dataOf(strip, chart),
      element
    )
    plot.current = made
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: strip.height }))
    observer.observe(element)
    const redraw = () => made.redraw()
    dark.addEventListener('change', redraw)
    return () => {
      observer.disconnect()
      dark.removeEventListener('change', redraw)
      made.destroy()
    }
  }, [strip])
  useEffect(() => plot.current?.setData(dataOf(strip, chart)), [strip, chart, slot])
  const last = strip.lines.map(({ name }) => {
    const value = chart[name].at(-1)
    return `${name} ${value === null || value === undefined ? 'unknown' : strip.format(value)}`
  })
  return (
    <figure class="strip">
      <figcaption class="note">
        {strip.label}
        <span class="last">{last.join(', ')}</span>
      </figcaption>
      <div ref={box} role="img" aria-label={`${strip.label}: ${last.join(', ')}`} />
    </figure>
  )
}

function dataOf({ lines }: StripOptions, chart: Chart): uPlot.AlignedData {
  return [xs, ...lines.map(({ name }) => [...chart[name]])]
}

type Shown = Pick<ChartsProps, 'usual' | 'marks' | 'now'>

function optionsOf(strip: StripOptions, element: HTMLElement, shown: () => Shown): uPlot.Options {
  const font = `12px ${getComputedStyle(element).fontFamily}`
  const isDuration = strip.hasAxis === true
  return {
    width: element.clientWidth,
    height: strip.height,
    padding: [8, 12, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: 'handler' }, y: false, points: { show: true } },
    scales: {
      x: { time: false },
      y: { range: (_plot, _least, most) => [0, Math.max(most, isDuration ? (shown().usual ?? 0) * 3 : 1, 0.001) * 1.1] }
    },
    axes: [
      {
        ...{ font, stroke: () => colourOf('--muted'), size: isDuration ? 28 : 8 },
        grid: { stroke: () => colourOf('--line'), width: 1 },
        splits: () => [-300, -240, -180, -120, -60, 0],
        values: (_plot, splits) => splits.map((at) => (!isDuration ? '' : at === 0 ? 'now' : `${-at / 60} min`)),
        ticks: { show: false }
      },
      {
        ...{ font, stroke: () => colourOf('--muted'), size: 64 },
        grid: { stroke: () => colourOf('--line'), width: 1 },
        values: (_plot, splits) => splits.map((value) => (value === 0 ? '0' : strip.format(value))),
        space: isDuration ? 40 : 28,
        ticks: { show: false }
      }
    ],
    series: [
      {},
      ...strip.lines.map(({ name, colour: of, isBar }) => ({
        ...{ label: name, stroke: () => colourOf(of), width: 2, spanGaps: false, points: { size: 4 } },
        ...(isBar === true && uPlot.paths.bars !== undefined
          ? { fill: () => colourOf(of), paths: uPlot.paths.bars({ size: [0.7, 8] }), points: { show: false } }
          : {})
      }))
    ],
    hooks: { draw: [(plot) => drawMarks(plot, isDuration, shown())] }
  }
}

/** The usual, and what happened. */
function drawMarks(plot: uPlot, isDuration: boolean, { usual, marks, now }: Shown): void {
  const { ctx, bbox } = plot
  ctx.save()
  ctx.strokeStyle = colourOf('--edge')
  ctx.fillStyle = colourOf('--muted')
  ctx.lineWidth = 1
  ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`
  const line = (x1: number, y1: number, x2: number, y2: number) => {
    ctx.beginPath()
    ctx.moveTo(x1, y1)
    ctx.lineTo(x2, y2)
    ctx.stroke()
  }
  for (const [at, mark] of marks.entries()) {
    const seconds = (mark.at - now) / 1000
    if (seconds < (xs[0] as number)) continue
    const x = plot.valToPos(Math.min(0, seconds), 'x', true)
    line(x, bbox.top, x, bbox.top + bbox.height)
    if (!isDuration) continue
    const isRight = x > bbox.left + bbox.width / 2
    ctx.textAlign = isRight ? 'right' : 'left'
    ctx.fillText(mark.text, x + (isRight ? -6 : 6), bbox.top + (14 + at * 16) * devicePixelRatio)
  }
  if (isDuration && usual !== undefined) {
    ctx.setLineDash([3, 4])
    const y = plot.valToPos(usual, 'y', true)
    line(bbox.left, y, bbox.left + bbox.width, y)
    ctx.textAlign = 'left'
    ctx.fillText(`usual ${ms(usual)}`, bbox.left + 6, y - 5)
  }
  ctx.restore()
}
