/** All servers against all: a row is what one server says of the others. */

import { useRef } from 'preact/hooks'
import type { ServerFigures } from '../model.ts'
import { type CellView, type Colouring, type Scale, scaleOf, tone, viewOf } from './cells.ts'
import { Glyph, Steady } from './parts.tsx'
import { Plot } from './plot.tsx'
import { toConnection } from './route.ts'
import type { Picture } from './store.ts'
import { age, nameOf, percent } from './text.ts'

/** Above, names are beside the cells and cells have no text; then they are a picture. */
const largeCells = 8
const mostCells = 48

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
        <Plot picture={picture} scale={scale} by={by} now={now} />
      ) : (
        <Table picture={picture} scale={scale} by={by} now={now} />
      )}
      <Legend scale={scale} isSmall={isSmall} />
      <p class={`note below${isSmall ? ' hide-s' : ''}`}>
        {isSmall
          ? 'A row is what one server says of the others. Both ends of a connection are asked; where they differ the cell says so.'
          : 'A row is what one server says of the others: round trip, and how long the connection has held.'}
      </p>
    </div>
  )
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
        onKeyDown={(event) => move(event, table.current, hosts)}
        onClick={({ target }) => open(cellAt(target), hosts)}
        onPointerOver={nameAtPointer}
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
  const name = nameOf(hosts, from)
  const views = useSteady(
    hosts.map((to) => {
      const cell = cells.get(`${from} ${to}`)
      return cell === undefined ? itself(name) : viewOf(cell, server, scale, by, now, [name, nameOf(hosts, to)])
    })
  )
  const note = isSmall ? '' : rowNote(server, picture, now)
  return <Line {...{ from, name, hosts, views, heat: tone(server), note, isFirst, isSmall }} />
}

interface LineProps {
  from: string
  name: string
  hosts: readonly string[]
  views: readonly CellView[]
  heat: ReturnType<typeof tone>
  note: string
  isFirst: boolean
  isSmall: boolean
}

/** Drawn anew only where it shows something else, and of its cells those that do. */
class Line extends Steady<LineProps> {
  render({ from, name, hosts, views, heat, note, isFirst, isSmall }: LineProps) {
    const first = views.findIndex(({ kind }) => kind !== 'self')
    return (
      <tr class={heat}>
        <th scope="row" title={from}>
          {name}
          {isSmall ? null : <small>{note}</small>}
        </th>
        {views.map((view, at) => (
          <CellBox key={hosts[at]} view={view} isStop={isFirst && at === first} isSmall={isSmall} />
        ))}
      </tr>
    )
  }
}

/** What says the same as before is the same: each view, and all of them. */
function useSteady(views: readonly CellView[]): readonly CellView[] {
  const before = useRef<readonly CellView[]>([])
  const steady = views.map((view, at) => {
    const last = before.current[at]
    return last !== undefined && isSame(last, view) ? last : view
  })
  const isOther = steady.length !== before.current.length || steady.some((view, at) => view !== before.current[at])
  if (isOther) before.current = steady
  return before.current
}

function isSame(a: CellView, b: CellView): boolean {
  return a.name === b.name && a.kind === b.kind && a.text === b.text && a.small === b.small
}

function itself(name: string): CellView {
  return { name: `${name} itself`, kind: 'self', text: '·', small: '' }
}

interface CellProps {
  view: CellView
  isStop: boolean
  isSmall: boolean
}

class CellBox extends Steady<CellProps> {
  render({ view: { kind, name, glyph, text, small }, isStop, isSmall }: CellProps) {
    return (
      <td
        class={`cell ${kind}`}
        role="gridcell"
        tabIndex={kind === 'self' ? undefined : isStop ? 0 : -1}
        aria-label={name}
      >
        {glyph !== undefined ? <Glyph kind={glyph} silent /> : isSmall ? null : <span>{text}</span>}{' '}
        {isSmall ? null : <small>{small}</small>}
      </td>
    )
  }
}

const steps: Readonly<Record<string, readonly [number, number]>> = {
  ArrowRight: [0, 1],
  ArrowLeft: [0, -1],
  ArrowDown: [1, 0],
  ArrowUp: [-1, 0]
}

function cellAt(target: EventTarget | null): HTMLTableCellElement | null {
  return (target as HTMLElement).closest<HTMLTableCellElement>('td.cell')
}

/** Of a thousand cells one is pointed at: only that has its words beside the pointer. */
function nameAtPointer({ target }: { target: EventTarget | null }): void {
  const cell = cellAt(target)
  if (cell !== null) cell.title = cell.ariaLabel ?? ''
}

function placeOf(cell: HTMLTableCellElement): [row: number, column: number] {
  return [(cell.parentElement as HTMLTableRowElement).rowIndex, cell.cellIndex]
}

function open(cell: HTMLTableCellElement | null, hosts: readonly string[]): void {
  if (cell === null) return
  const [row, column] = placeOf(cell)
  const [from, to] = [hosts[row - 1], hosts[column - 1]]
  if (from !== undefined && to !== undefined && from !== to) location.hash = toConnection(from, to)
}

/** One tab stop; the focus is on the cell itself. */
function move(event: KeyboardEvent, table: HTMLTableElement | null, hosts: readonly string[]): void {
  const at = cellAt(event.target)
  if (at === null || table === null) return
  if (event.key === 'Enter') return open(at, hosts)
  const step = steps[event.key]
  if (step === undefined) return
  event.preventDefault()
  let [row, column] = placeOf(at)
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
              <td class="h">
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
