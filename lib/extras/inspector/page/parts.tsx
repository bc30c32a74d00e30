/** Small pieces of all screens. Texts of peers only ever become text nodes. */

import { Component, type ComponentChildren } from 'preact'
import type { Bar, Severity } from '../model.ts'
import { size } from '../words.ts'

const shapes = {
  ok: ['Good', 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM4.6 8.2l1.2-1.2 1.5 1.6 3-3.4 1.2 1.1-4.2 4.7z'],
  bad: [
    'Bad',
    'M1.5 1.5h13v13h-13zM4.3 5.5l1.2-1.2L8 6.8l2.5-2.5 1.2 1.2L9.2 8l2.5 2.5-1.2 1.2L8 9.2l-2.5 2.5-1.2-1.2L6.8 8z'
  ],
  warn: ['Look', 'M8 1l7.3 13.5H.7zM7.1 6h1.8l-.2 4.4H7.3zM7.1 11.2h1.8V13H7.1z'],
  info: ['Note', 'M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6z'],
  cross: ['down', 'M2 4l2-2 4 4 4-4 2 2-4 4 4 4-2 2-4-4-4 4-2-2 4-4z'],
  wait: ['reconnecting', 'M8 1l7 13H1z'],
  ask: [
    'unknown',
    'M5 5a3 3 0 1 1 4.2 2.7c-.5.3-.5.5-.5 1.3H7.2c0-1.4.2-2 1.2-2.5A1.4 1.4 0 1 0 6.600 5zM7.100 10.500h1.800v1.800H7.100z'
  ]
} as const

export type GlyphKind = keyof typeof shapes

/** With `silent` it is no more than an ornament beside a text that says the same. */
export function Glyph({ kind, silent }: { kind: GlyphKind; silent?: boolean }) {
  const name = silent === true ? { 'aria-hidden': true } : { role: 'img' as const, 'aria-label': shapes[kind][0] }
  return (
    <svg class="glyph" viewBox="0 0 16 16" {...name}>
      <path d={shapes[kind][1]} fill="currentColor" fill-rule="evenodd" />
    </svg>
  )
}

export function Mark({ severity }: { severity: Severity }) {
  return (
    <span class={severity === 'info' ? 'muted' : severity}>
      <Glyph kind={severity} />
    </span>
  )
}

export interface PanelProps {
  id: string
  title: string
  note?: ComponentChildren
  more?: ComponentChildren
  children?: ComponentChildren
}

export function Panel({ id, title, note, more, children }: PanelProps) {
  return (
    <section class="panel" id={id} aria-labelledby={`${id}-h`}>
      <header>
        <h2 id={`${id}-h`}>{title}</h2>
        {note === undefined ? null : <span class="note">{note}</span>}
        {more === undefined ? null : <span class="more">{more}</span>}
      </header>
      {children}
    </section>
  )
}

export function Title({ children, note }: { children: ComponentChildren; note?: ComponentChildren }) {
  return (
    <div class="title">
      <h1>{children}</h1>
      <span class="muted">{note}</span>
    </div>
  )
}

export function Back({ to, children }: { to: string; children: string }) {
  return (
    <div class="crumb">
      <a href={to}>← {children}</a>
    </div>
  )
}

/** Nothing to show, and why. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <b>{title}</b>
      {children}
    </div>
  )
}

export interface SparkProps {
  values: readonly (number | null)[]
  width?: number
  height?: number
  isHot?: boolean
  usual?: number | undefined
  errors?: readonly (number | null)[] | undefined
  /** The top of the scale. Default: three times the usual or what there is, so that ordinary noise is flat. */
  most?: number | undefined
}

/**
 * Drawn anew only where it is given something else. A class can say so without keeping what was drawn: what `useMemo` gives again
 * keeps its parent, all that was around it then, and by that what was before.
 */
export abstract class Steady<Props extends object> extends Component<Props> {
  override shouldComponentUpdate(next: Props): boolean {
    const keys = Object.keys({ ...this.props, ...next }) as (keyof Props)[]
    return keys.some((key) => next[key] !== this.props[key])
  }
}

export class Spark extends Steady<SparkProps> {
  render(props: SparkProps) {
    return drawSpark(props)
  }
}

function drawSpark({ values, width = 104, height = 22, isHot, usual, errors, most }: SparkProps) {
  const top = most ?? (Math.max(...values.map((value) => value ?? 0), (usual ?? 0) * 3) * 1.04 || 1)
  const x = (at: number) => ((at / Math.max(1, values.length - 1)) * (width - 3)).toFixed(1)
  const y = (value: number) => (height - 1.5 - (Math.min(value, top) / top) * (height - 3)).toFixed(1)
  let line = ''
  let isDrawing = false
  for (const [at, value] of values.entries()) {
    if (value !== null) line += `${isDrawing ? 'L' : 'M'}${x(at)} ${y(value)}`
    isDrawing = value !== null
  }
  const last = values.findLastIndex((value) => value !== null)
  const mostErrors = Math.max(1, ...(errors ?? []).map((value) => value ?? 0))
  const bars = (errors ?? [])
    .map((value, at) =>
      value === null || value === 0
        ? ''
        : `M${x(at)} ${height}v${-Math.max(3, (value / mostErrors) * height * 0.7).toFixed(1)}`
    )
    .join('')
  return (
    <svg class="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      {usual === undefined ? null : <path class="u" d={`M0 ${y(usual)}H${width}`} />}
      {bars === '' ? null : <path class="e" d={bars} />}
      {line === '' ? null : <path class={isHot ? 'l hot' : 'l'} d={line} />}
      {last < 0 ? null : <circle class={isHot ? 'hot' : ''} cx={x(last)} cy={y(values[last] as number)} r="2" />}
    </svg>
  )
}

/** With one end alone some parts are not told apart. */
function partsOf(bar: Bar) {
  const all = [
    ['free', bar.free, bar.by === 'receiver' ? 'free or on the way' : 'may be sent'],
    ['way', bar.onTheWay, 'on the way'],
    ['lie', bar.unread, 'wait to be taken'],
    ['owed', bar.owed, bar.by === 'sender' ? 'not granted back' : 'taken, not yet granted']
  ] as const
  const hidden = bar.by === 'sender' ? ['way', 'lie'] : bar.by === 'receiver' ? ['way'] : []
  return all.filter(([name]) => !hidden.includes(name))
}

/** The whole window; its parts add up. */
export function WindowBar({ bar, isLarge }: { bar: Bar; isLarge?: boolean }) {
  const isFull = bar.free === 0
  const show = (value: number) => (bar.unit === 'bytes' ? size(value) : String(value))
  const parts = partsOf(bar)
  const label = `window of ${show(bar.capacity)}: ${parts.map(([, value, text]) => `${show(value)} ${text}`).join(', ')}`
  return (
    <>
      <div class={`credit${isFull ? ' stall' : ''}`} role="img" aria-label={isFull ? `full, ${label}` : label}>
        {parts.map(([name, value]) =>
          value === 0 ? null : <i key={name} class={name} style={{ flex: `${value} 0 0` }} />
        )}
        {isLarge && isFull ? <b>full: nothing may be sent</b> : null}
      </div>
      <div class="parts" data-window={[bar.free, bar.onTheWay, bar.unread, bar.owed, bar.capacity].join(' ')}>
        {parts.map(([name, value, text]) =>
          value === 0 && name !== 'free' && !isLarge ? null : (
            <span key={name}>
              <i class={`${name}${isFull ? ' full' : ''}`} />
              <b>{show(value)}</b> {text}
            </span>
          )
        )}
        <span>{`window ${show(bar.capacity)} · ${bar.other}`}</span>
        {bar.by === undefined ? null : <span>{`told by the ${bar.by} alone`}</span>}
      </div>
    </>
  )
}
