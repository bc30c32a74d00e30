/** All servers against all: a row is what one server says of the others. */

import { useEffect, useMemo, useRef } from 'preact/hooks'
import type { Cell, ServerFigures } from '../lib/extras/inspector/model.ts'
import { Glyph } from './parts.tsx'
import { toConnection } from './route.ts'
import type { Picture } from './store.ts'
import { age, ms, nameOf, percent, size } from './text.ts'

export const colourings = ['rtt', 'age', 'streams', 'queue'] as const
export type Colouring = (typeof colourings)[number]

/** Above, names are beside the cells and cells have no text; then they are a picture. */
const largeCells = 8
const mostCells = 48

/** Bounds of the five steps. Those of the round trip are near the median, and stay while the page is open. */
interface Scale {
  readonly title: string
  readonly bounds: readonly number[]
  readonly labels: readonly string[]
  read(cell: Cell, now: number): number | undefined
}

const units = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200]
let rttUnit: number | undefined

function unitOf(cells: Iterable<Cell>): number {
  const values = [...cells].flatMap(({ rttMs }) => (rttMs === undefined ? [] : [rttMs])).sort((a, b) => a - b)
  if (values.length === 0) return rttUnit ?? 1
  const median = Math.max(0.1, values[Math.floor(values.length / 2)] as number)
  const unit = units.findLast((each) => each <= median * 1.5) ?? 0.1
  // A process that has just begun is slow: the steps may become finer, and never coarser.
  rttUnit = Math.min(rttUnit ?? unit, unit)
  return rttUnit
}

function scaleOf(by: Colouring, picture: Picture): Scale {
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

function stepOf({ bounds }: Scale, value: number | undefined): number {
  if (value === undefined) return 0
  const at = bounds.findIndex((bound) => value < bound)
  return at < 0 ? bounds.length : at
}

interface CellView {
  readonly name: string
  readonly kind: string
  readonly text: string
  readonly small: string
  readonly glyph?: 'cross' | 'wait' | 'ask'
}

function viewOf(
  cell: Cell,
  row: ServerFigures | undefined,
  scale: Scale,
  by: Colouring,
  now: number,
  names: readonly [string, string]
): CellView {
  const who = `${names[0]} to ${names[1]}`
  const since = cell.since === undefined ? '' : age(now - cell.since)
  const why = cell.why === undefined ? '' : `, ${cell.why}`
  const rtt = cell.rttMs === undefined ? '' : ms(cell.rttMs)
  if (row?.state !== 'answers') {
    const old = row?.at === undefined ? '' : `${age(now - row.at)} old`
    if (old === '' || cell.state === 'unknown')
      return { name: `${who}: not told`, kind: 'old', text: '', small: '', glyph: 'ask' }
    return { name: `${who}: last figures ${rtt} ${old}`, kind: 'old', text: rtt, small: old }
  }
  if (cell.state === 'unknown')
    return { name: `${who}: not in its list`, kind: 'old', text: '', small: '', glyph: 'ask' }
  if (cell.state === 'down')
    return { name: `${who}: down for ${since}${why}`, kind: 'down', text: '', small: since, glyph: 'cross' }
  if (cell.state === 'try')
    return { name: `${who}: reconnecting for ${since}${why}`, kind: 'try', text: '', small: since, glyph: 'wait' }
  const shown = { rtt, age: since, streams: String(cell.streams ?? 0), queue: size(cell.queueBytes ?? 0) }[by]
  const small = by === 'rtt' ? since : rtt
  // The name has what is to be seen, in its order.
  const said = {
    rtt: `round trip ${shown} ${small} connected`,
    age: `connected ${shown} ${small} round trip`,
    streams: `open calls ${shown} ${small} round trip`,
    queue: `send queue ${shown} ${small} round trip`
  }[by]
  const kind = `q${stepOf(scale, scale.read(cell, now))}`
  return { name: `${who}: ${said}`, kind, text: shown, small }
}

export interface MatrixProps {
  picture: Picture
  now: number
  by?: Colouring
}

export function Matrix({ picture, now, by = 'rtt' }: MatrixProps) {
  const { hosts } = picture
  const scale = scaleOf(by, picture)
  const isSmall = hosts.length > largeCells
  return (
    <div>
      {isSmall ? <ServerList picture={picture} now={now} /> : null}
      {hosts.length > mostCells ? (
        <Plot picture={picture} scale={scale} now={now} />
      ) : (
        <Table picture={picture} scale={scale} by={by} now={now} />
      )}
      <Legend scale={scale} isSmall={isSmall} />
      <p class={`note below${isSmall ? ' hide-s' : ''}`}>
        {isSmall
          ? 'A row is what one server says of the others. Both ends of a connection are asked.'
          : 'A row is what one server says of the others: round trip, and how long the connection has held.'}
      </p>
    </div>
  )
}

function tone(server: ServerFigures | undefined): string {
  return server?.severity === 'bad' ? 'hot' : server?.severity === 'warn' ? 'warm' : ''
}

function rowNote(server: ServerFigures | undefined, picture: Picture, now: number): string {
  if (server === undefined) return ''
  const busy = server.busy === undefined ? '' : `, busy ${percent(server.busy)}`
  if (server.host === picture.local && !picture.isGuest) return `this page${busy}`
  if (server.state === 'refuses') return 'tells nothing'
  if (server.state !== 'answers') return server.at === undefined ? 'no answer' : `no answer for ${age(now - server.at)}`
  return `${server.startedAt === undefined ? '' : `up ${age(now - server.startedAt)}`}${busy}`
}

interface TableProps extends Required<MatrixProps> {
  scale: Scale
}

function Table({ picture, scale, by, now }: TableProps) {
  const { hosts, servers } = picture
  const isSmall = hosts.length > largeCells
  const isTight = hosts.length > 20
  const table = useRef<HTMLTableElement>(null)
  const look = isSmall ? (isTight ? 'tight' : 'mid') : hosts.length > 4 ? 'wide' : 'roomy'
  return (
    <div class={`matrix ${look}${isSmall ? ' small hide-s' : ''}`}>
      <table
        ref={table}
        role="grid"
        aria-label="Connections: rows see columns"
        onKeyDown={(event) => move(event, table.current)}
        onClick={open}
      >
        <thead>
          <tr>
            <td />
            {hosts.map((host) => (
              <th key={host} scope="col" class={`${isSmall ? 'v ' : ''}${tone(servers.get(host))}`} title={host}>
                <span>{nameOf(hosts, host)}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {hosts.map((from, at) => (
            <Row
              key={from}
              from={from}
              isFirst={at === 0}
              picture={picture}
              scale={scale}
              by={by}
              now={now}
              isSmall={isSmall}
            />
          ))}
        </tbody>
      </table>
    </div>
  )
}

interface RowProps extends TableProps {
  from: string
  isFirst: boolean
  isSmall: boolean
}

function Row({ from, isFirst, picture, scale, by, now, isSmall }: RowProps) {
  const { hosts, servers, cells } = picture
  const server = servers.get(from)
  const views = hosts.map((to) => {
    const cell = cells.get(`${from} ${to}`)
    if (cell === undefined) return undefined
    return viewOf(cell, server, scale, by, now, [nameOf(hosts, from), nameOf(hosts, to)])
  })
  const note = isSmall ? '' : rowNote(server, picture, now)
  const key = [
    tone(server),
    note,
    hosts.length,
    ...views.map((view) => (view === undefined ? '' : view.kind + view.name + view.text))
  ].join('|')
  const first = views.findIndex((view) => view !== undefined)
  // A row is drawn anew only where it shows something else.
  return useMemo(
    () => (
      <tr class={tone(server)}>
        <th scope="row" title={from}>
          {nameOf(hosts, from)}
          {isSmall ? null : <small>{note}</small>}
        </th>
        {views.map((view, at) => {
          const to = hosts[at] as string
          if (view === undefined) {
            return (
              <td key={to} class="cell self" role="gridcell" aria-label={`${nameOf(hosts, from)} itself`}>
                ·
              </td>
            )
          }
          return (
            <td
              key={to}
              class={`cell ${view.kind}`}
              role="gridcell"
              tabIndex={isFirst && at === first ? 0 : -1}
              aria-label={view.name}
              title={view.name}
              data-to={toConnection(from, to)}
            >
              {view.glyph === undefined ? <span>{view.text}</span> : <Glyph kind={view.glyph} silent />}{' '}
              {isSmall ? null : <small>{view.small}</small>}
            </td>
          )
        })}
      </tr>
    ),
    [key, isFirst]
  )
}

const steps: Readonly<Record<string, readonly [number, number]>> = {
  ArrowRight: [0, 1],
  ArrowLeft: [0, -1],
  ArrowDown: [1, 0],
  ArrowUp: [-1, 0]
}

function open({ target }: { target: EventTarget | null }): void {
  const to = (target as HTMLElement).closest<HTMLElement>('td.cell')?.dataset.to
  if (to !== undefined) location.hash = to
}

/** One tab stop; the focus is on the cell itself. */
function move(event: KeyboardEvent, table: HTMLTableElement | null): void {
  const at = (event.target as HTMLElement).closest<HTMLTableCellElement>('td.cell')
  if (at === null || table === null) return
  if (event.key === 'Enter') {
    location.hash = at.dataset.to ?? ''
    return
  }
  const step = steps[event.key]
  if (step === undefined) return
  event.preventDefault()
  let [row, column] = [(at.parentElement as HTMLTableRowElement).rowIndex, at.cellIndex]
  do {
    row += step[0]
    column += step[1]
  } while (table.rows[row]?.cells[column]?.classList.contains('self'))
  const to = table.rows[row]?.cells[column]
  if (to === undefined || !to.classList.contains('cell')) return
  at.tabIndex = -1
  to.tabIndex = 0
  to.focus()
}

/** On a phone, in place of the matrix: those that differ. */
function ServerList({ picture, now }: { picture: Picture; now: number }) {
  const { hosts, servers } = picture
  const odd = [...servers.values()].filter(({ severity }) => severity === 'bad' || severity === 'warn')
  return (
    <div class="only-s">
      <table class="rows">
        <caption class="sr">Servers that differ</caption>
        <tbody>
          {odd.map((server) => (
            <tr key={server.host}>
              <td>
                <span class={server.severity}>
                  <Glyph kind={server.severity} />
                </span>{' '}
                <a href={toConnection(picture.local, server.host)}>{nameOf(hosts, server.host)}</a>
              </td>
              <td class="wrap">{server.note === '' ? rowNote(server, picture, now) : server.note}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="note below">
        {odd.length > 0
          ? `The other ${hosts.length - odd.length} are well.`
          : `All ${hosts.length} are connected to each other.`}{' '}
        The matrix needs a wider screen.
      </p>
    </div>
  )
}

function Legend({ scale, isSmall }: { scale: Scale; isSmall: boolean }) {
  return (
    <div class={`legend${isSmall ? ' hide-s' : ''}`}>
      <span class="scale">
        {scale.title}{' '}
        {scale.labels.map((label, at) => (
          <span key={label} class="step">
            <i class={`q${at}`} />
            {label}
          </span>
        ))}
      </span>
      <span>
        <i class="down">
          <Glyph kind="cross" silent />
        </i>
        down
      </span>
      <span>
        <i class="try">
          <Glyph kind="wait" silent />
        </i>
        reconnecting
      </span>
      <span>
        <i class="old" />
        not told now, last known
      </span>
    </div>
  )
}

/** So many servers are a picture: only rows that differ are named. */
function Plot({ picture, scale, now }: { picture: Picture; scale: Scale; now: number }) {
  const { hosts, servers, cells } = picture
  const canvas = useRef<HTMLCanvasElement>(null)
  const side = 6
  useEffect(() => {
    const context = canvas.current?.getContext('2d')
    if (context === null || context === undefined || canvas.current === null) return
    const style = getComputedStyle(canvas.current)
    const colour = (name: string) => style.getPropertyValue(name)
    const probe = document.createElement('i')
    document.body.append(probe)
    const real = (name: string) => {
      probe.style.color = colour(name)
      return getComputedStyle(probe).color
    }
    const colours = { down: real('--badFill'), try: real('--warnFill'), unknown: real('--line'), old: real('--line') }
    const shades = [0, 1, 2, 3, 4].map((at) => real(`--q${at}`))
    probe.remove()
    context.setTransform(2, 0, 0, 2, 0, 0)
    context.clearRect(0, 0, hosts.length * side, hosts.length * side)
    for (const [i, from] of hosts.entries()) {
      const isOld = servers.get(from)?.state !== 'answers'
      for (const [j, to] of hosts.entries()) {
        const cell = cells.get(`${from} ${to}`)
        if (cell === undefined) continue
        const state = isOld ? 'old' : cell.state
        context.fillStyle = state === 'up' ? (shades[stepOf(scale, scale.read(cell, now))] as string) : colours[state]
        context.fillRect(j * side, i * side, side - 1, side - 1)
      }
    }
  })
  const odd = hosts.map((host, at) => [servers.get(host), at] as const).filter(([server]) => tone(server) !== '')
  const length = hosts.length * side
  return (
    <div class="matrix hide-s">
      <div class="plot">
        <canvas
          ref={canvas}
          width={length * 2}
          height={length * 2}
          style={{ width: `${length}px`, height: `${length}px` }}
          role="img"
          aria-label={`Matrix of ${hosts.length} servers; ${odd.length} differ`}
        />
        {odd.map(([server, at]) => (
          <b key={at} class={server?.severity} style={{ left: 0, top: `${59 + at * side}px` }}>
            {nameOf(hosts, server?.host ?? '')}
          </b>
        ))}
      </div>
    </div>
  )
}
