/** All servers against all: a row is what one server says of the others. */

import { useMemo, useRef } from 'preact/hooks'
import type { ServerFigures } from '../model.ts'
import { type Colouring, type Scale, scaleOf, tone, viewOf } from './cells.ts'
import { Glyph } from './parts.tsx'
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
