/** What each cell of the matrix says, and its colour. */

import type { Cell, ServerFigures } from '../model.ts'
import type { Picture } from './store.ts'
import { ms, nextDial, roughly, size } from './text.ts'

export const colourings = ['rtt', 'age', 'streams', 'queue'] as const
export type Colouring = (typeof colourings)[number]

/** Bounds of the five steps. Those of the round trip are near the median, and stay while the page is open. */
export interface Scale {
  readonly title: string
  readonly bounds: readonly number[]
  readonly labels: readonly string[]
  read(cell: Cell, now: number): number | undefined
}

const units = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200]
let rttUnit: number | undefined

function unitOf(cells: Iterable<Cell>): number {
  const values = Float64Array.from([...cells].flatMap(({ rttMs }) => rttMs ?? [])).sort()
  if (values.length === 0) return rttUnit ?? 1
  const median = Math.max(0.1, values[Math.floor(values.length / 2)] as number)
  const unit = units.findLast((each) => each <= median * 1.5) ?? 0.1
  // A process that has just begun is slow: the steps may become finer, and never coarser.
  rttUnit = Math.min(rttUnit ?? unit, unit)
  return rttUnit
}

export function scaleOf(by: Colouring, picture: Picture): Scale {
  const steps = (title: string, bounds: number[], labels: string[], read: Scale['read']): Scale => ({
    ...{ title, bounds, labels, read }
  })
  if (by === 'age') {
    const bounds = [-7 * 86_400_000, -86_400_000, -3_600_000, -60_000]
    const labels = ['>7 d', '>1 d', '>1 h', '>1 min', '<1 min']
    return steps('connected for', bounds, labels, ({ since }, now) => (since === undefined ? undefined : since - now))
  }
  if (by === 'streams')
    return steps('open calls', [1, 10, 100, 1000], ['0', '<10', '<100', '<1000', 'more'], ({ streams }) => streams)
  if (by === 'queue') {
    const bounds = [1, 16_384, 131_072, 1_048_576]
    return steps('send queue', bounds, ['0', '<16 KiB', '<128 KiB', '<1 MiB', 'more'], ({ queueBytes }) => queueBytes)
  }
  const unit = unitOf(picture.cells.values())
  const bounds = [0.5, 1, 3, 10].map((times) => Number((unit * times).toPrecision(2)))
  const labels = [...bounds.map((bound) => `<${bound}`), `${bounds[3]}+ ms`]
  return steps('round trip', bounds, labels, ({ rttMs }) => rttMs)
}

export function stepOf({ bounds }: Scale, value: number | undefined): number {
  if (value === undefined) return 0
  const at = bounds.findIndex((bound) => value < bound)
  return at < 0 ? bounds.length : at
}

const titles = { rtt: 'round trip', age: 'connected', streams: 'open calls', queue: 'send queue' } as const
const shownOf: Readonly<Record<Colouring, (cell: Cell, rtt: string, since: string) => string>> = {
  rtt: (_, rtt) => rtt,
  age: (_, __, since) => since,
  streams: ({ streams }) => String(streams ?? 0),
  queue: ({ queueBytes }) => size(queueBytes ?? 0)
}
const differs = 'the other end says another thing'

export interface CellView {
  readonly name: string
  readonly kind: string
  readonly text: string
  readonly small: string
  readonly glyph?: 'cross' | 'wait' | 'ask'
}

export function viewOf(
  cell: Cell,
  row: ServerFigures | undefined,
  scale: Scale,
  by: Colouring,
  now: number,
  names: readonly [string, string]
): CellView {
  const who = `${names[0]} to ${names[1]}`
  // In steps: of a thousand cells most say the same as a second ago.
  const since = cell.since === undefined ? '' : roughly(now - cell.since)
  const dial = cell.state === 'up' ? '' : nextDial(cell, now, names[1])
  const why = `${cell.why === undefined ? '' : `, ${cell.why}`}${dial === '' ? '' : `, ${dial}`}`
  const rtt = cell.rttMs === undefined ? '' : ms(cell.rttMs)
  if (row?.state !== 'answers') {
    const old = row?.at === undefined ? '' : `${roughly(now - row.at)} old`
    if (old === '' || cell.state === 'unknown')
      return { name: `${who}: not told`, kind: 'old', text: '', small: '', glyph: 'ask' }
    return { name: `${who}: last figures ${rtt} ${old}`, kind: 'old', text: rtt, small: old }
  }
  if (cell.state === 'unknown')
    return { name: `${who}: not in its list`, kind: 'old', text: '', small: '', glyph: 'ask' }
  if (cell.state === 'down')
    return { name: `${who}: down for ${since}${why}`, kind: 'down', text: '', small: since, glyph: 'cross' }
  if (cell.state === 'try' && cell.differs)
    return {
      name: `${who}: not connected for ${since}${why}, ${differs}`,
      kind: 'try',
      text: '',
      small: 'ends differ',
      glyph: 'wait'
    }
  if (cell.state === 'try')
    return { name: `${who}: reconnecting for ${since}${why}`, kind: 'try', text: '', small: since, glyph: 'wait' }
  const shown = shownOf[by](cell, rtt, since)
  const small = by === 'rtt' ? since : rtt
  // The name has what is to be seen, in its order.
  const said = `${titles[by]} ${shown} ${small} ${by === 'rtt' ? 'connected' : 'round trip'}`
  const kind = `q${stepOf(scale, scale.read(cell, now))}`
  if (cell.differs)
    return { name: `${who}: ${said}, ${differs}`, kind: `${kind} differs`, text: shown, small: 'ends differ' }
  return { name: `${who}: ${said}`, kind, text: shown, small }
}

/** How its name is written. */
export function tone(server: ServerFigures | undefined): string {
  return server?.severity === 'bad' ? 'hot' : server?.severity === 'warn' ? 'warm' : ''
}
