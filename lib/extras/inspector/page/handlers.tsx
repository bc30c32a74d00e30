/** All handlers in one table: any column sorts, a name filters, only rows in view are drawn. */

import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { unpackRow, unpackSeries } from '../compact.ts'
import type { Chart, HandlerRow, HandlersDetail, Points } from '../model.ts'
import { useNews } from './news.ts'
import { Empty, Glyph, Spark, Steady, Title } from './parts.tsx'
import { linkTo, type Route, toHandler } from './route.ts'
import { type Picture, takePoints } from './store.ts'
import { count, ms, nameOf, orUnknown, percent, rate, size, unknown } from './text.ts'

const none: Points = []
const rowHeight = 32
/** Fewer rows are all drawn. */
const fewRows = 60
const spareRows = 12
/** An order stays so long under the pointer: nothing moves away from a click. */
const orderStaysMs = 5000

type SortKey = 'unusual' | 'name' | 'calls' | 'errors' | 'p50' | 'p99' | 'usual' | 'running' | 'oldest' | 'bytes'

interface Column {
  readonly key: SortKey | undefined
  readonly label: string
  readonly isNumber?: boolean
  readonly hide?: 'hide-s' | 'hide-m'
  /** Not in the short table. */
  readonly isExtra?: boolean
}

const columns: readonly Column[] = [
  { key: 'name', label: 'handler' },
  { key: 'calls', label: 'calls/s', isNumber: true },
  { key: 'errors', label: 'errors', isNumber: true },
  { key: 'p50', label: 'p50', isNumber: true, hide: 'hide-s' },
  { key: 'p99', label: 'p99', isNumber: true },
  { key: 'usual', label: 'usual', isNumber: true, hide: 'hide-s' },
  { key: undefined, label: 'p99, 5 min', hide: 'hide-s' },
  { key: undefined, label: 'calls/s, 5 min', hide: 'hide-m', isExtra: true },
  { key: 'running', label: 'running', isNumber: true, hide: 'hide-s', isExtra: true },
  { key: 'oldest', label: 'oldest', isNumber: true, hide: 'hide-s', isExtra: true },
  { key: 'bytes', label: 'bytes/s', isNumber: true, hide: 'hide-m', isExtra: true },
  { key: undefined, label: 'stands out', hide: 'hide-m', isExtra: true }
]

export function errorShare({ calls, errors }: HandlerRow): number | undefined {
  if (calls === undefined || errors === undefined) return undefined
  return calls === 0 ? 0 : Math.min(1, errors / calls)
}

function sortValue(row: HandlerRow, key: SortKey): number | string {
  if (key === 'name') return row.name
  if (key === 'errors') return errorShare(row) ?? -1
  if (key === 'oldest') return row.oldestMs ?? -1
  if (key === 'bytes') return (row.bytesIn ?? -1) + (row.bytesOut ?? 0)
  if (key === 'unusual') return row.unusual + (row.fails ? 1000 : 0) + (row.isSlow ? 100 : 0)
  return row[key] ?? -1
}

export function sortRows(rows: readonly HandlerRow[], key: SortKey, isUp: boolean): HandlerRow[] {
  const sign = isUp ? 1 : -1
  return [...rows].sort((a, b) => {
    const [x, y] = [sortValue(a, key), sortValue(b, key)]
    if (x === y) return a.name < b.name ? -1 : 1
    return (x < y ? -1 : 1) * (key === 'name' ? -sign : sign)
  })
}

export interface HandlerTableProps {
  picture: Picture
  rows: readonly HandlerRow[]
  isShort?: boolean
  sort?: SortKey
  isUp?: boolean
  /** None where only figures are told: of one server. */
  charts: ReadonlyMap<string, Chart> | undefined
}

export function HandlerTable({ picture, rows, isShort, sort, isUp, charts }: HandlerTableProps) {
  const shown = columns.filter(({ isExtra }) => isShort !== true || isExtra !== true)
  const body = useRef<HTMLTableSectionElement>(null)
  const [from, to] = useRowsInView(body, rows.length)
  return (
    <table class="rows handlers">
      <caption class="sr">Handlers</caption>
      <thead>
        <tr>
          {shown.map(({ key, label, isNumber, hide }) => (
            <th
              key={label}
              scope="col"
              class={`${isNumber ? 'num ' : ''}${hide ?? ''}`}
              aria-sort={key !== undefined && key === sort ? (isUp ? 'ascending' : 'descending') : undefined}
            >
              {isShort || key === undefined ? label : <SortButton column={key} label={label} sort={sort} isUp={isUp} />}
            </th>
          ))}
        </tr>
      </thead>
      <tbody ref={body}>
        {from > 0 ? <tr class="spacer" style={{ height: `${from * rowHeight}px` }} /> : null}
        {rows.slice(from, to).map((row) => (
          <HandlerLine
            key={row.key}
            row={row}
            chart={charts?.get(row.key)}
            hosts={picture.hosts}
            isShort={isShort === true}
          />
        ))}
        {to < rows.length ? <tr class="spacer" style={{ height: `${(rows.length - to) * rowHeight}px` }} /> : null}
      </tbody>
    </table>
  )
}

interface SortButtonProps {
  column: SortKey
  label: string
  sort: SortKey | undefined
  isUp: boolean | undefined
}

function SortButton({ column, label, sort, isUp }: SortButtonProps) {
  const isSorted = column === sort
  const onClick = () => {
    location.hash = linkTo(['handlers'], { ...filters(), sort: column, up: isSorted && !isUp ? '1' : undefined })
  }
  return (
    <button type="button" onClick={onClick}>
      {label}
      {isSorted ? (isUp ? ' ↑' : ' ↓') : ''}
    </button>
  )
}

/** Those of the address, so that a sort keeps them. */
function filters(): Record<string, string | undefined> {
  const query = new URLSearchParams(location.hash.split('&').slice(1).join('&'))
  return {
    find: query.get('find') ?? undefined,
    server: query.get('server') ?? undefined,
    side: query.get('side') ?? undefined
  }
}

interface LineProps {
  row: HandlerRow
  chart: Chart | undefined
  hosts: readonly string[]
  isShort: boolean
}

/** Where calls hang none has a duration: it is longer than the oldest has run. */
function durationOf({ isSlow, p99, oldestMs }: HandlerRow): string {
  if (isSlow && oldestMs !== undefined && oldestMs > (p99 ?? 0)) return `>${ms(oldestMs)}`
  return orUnknown(p99, ms)
}

class HandlerLine extends Steady<LineProps> {
  render(props: LineProps) {
    return drawLine(props)
  }
}

function drawLine({ row, chart, hosts, isShort }: LineProps) {
  const { key, name, kind, isSlow, fails, usual, where, servers, running, oldestMs } = row
  const share = errorShare(row)
  return (
    <tr class={servers === 0 ? 'old' : undefined}>
      <td class="h">
        {isSlow || fails ? (
          <span class="warn">
            <Glyph kind="warn" />{' '}
          </span>
        ) : null}
        <a class="mono" href={toHandler(key)} title={name}>
          {name}
        </a>
        {isShort || kind === 'single' ? null : <span class="muted"> stream</span>}
      </td>
      <td class="num">{rate(row.calls)}</td>
      <td class={`num${fails && share ? ' bad b' : share ? '' : ' muted'}`}>{orUnknown(share, percent)}</td>
      <td class="num hide-s">{orUnknown(row.p50, ms)}</td>
      <td class={`num${isSlow ? ' bad b' : ''}`}>{durationOf(row)}</td>
      <td class="num muted hide-s">{orUnknown(usual, ms)}</td>
      <td class="hide-s">
        <Spark values={chart?.p99 ?? none} isHot={isSlow} usual={usual} errors={chart?.errors} />
      </td>
      {isShort ? null : (
        <>
          <td class="hide-m">
            <Spark values={chart?.calls ?? none} width={84} />
          </td>
          <td class="num hide-s">{running}</td>
          <td class="num hide-s">{orUnknown(oldestMs, ms)}</td>
          <td class="num hide-m">{row.bytesIn === undefined ? unknown : size(row.bytesIn + (row.bytesOut ?? 0))}</td>
          <td class="muted hide-m">
            {servers === 0 ? (
              'no server tells of it now'
            ) : where === undefined ? null : (
              <span>
                <span class="warn b">{nameOf(hosts, where)}</span> of {servers}
              </span>
            )}
          </td>
        </>
      )}
    </tr>
  )
}

/** Which rows can be seen. */
function useRowsInView(body: { current: HTMLElement | null }, count: number): [from: number, to: number] {
  const [range, setRange] = useState<[number, number]>([0, fewRows])
  useLayoutEffect(() => {
    if (count <= fewRows) return
    let frame = 0
    const look = () => {
      frame = 0
      const top = body.current?.getBoundingClientRect().top ?? 0
      const from = Math.max(0, Math.floor(-top / rowHeight) - spareRows)
      const to = Math.ceil((innerHeight - top) / rowHeight) + spareRows
      setRange((before) =>
        Math.abs(before[0] - from) + Math.abs(before[1] - to) < spareRows / 2 ? before : [from, to]
      )
    }
    const onScroll = () => {
      frame ||= requestAnimationFrame(look)
    }
    look()
    addEventListener('scroll', onScroll, { passive: true })
    addEventListener('resize', onScroll)
    return () => {
      cancelAnimationFrame(frame)
      removeEventListener('scroll', onScroll)
      removeEventListener('resize', onScroll)
    }
  }, [count])
  if (count <= fewRows) return [0, count]
  return [Math.min(range[0], count), Math.min(range[1], count)]
}

export interface HandlersProps {
  picture: Picture
  route: Route
  isFrozen: boolean
}

interface Known {
  readonly rows: readonly HandlerRow[]
  readonly charts: ReadonlyMap<string, Chart>
  readonly notShown: number
}

function fold(before: Known | undefined, { rows, points, notShown }: HandlersDetail): Known {
  const charts = before?.charts ?? new Map()
  const of = points?.of.map(([key, ...series]) => [key, unpackSeries(series)] as const)
  return {
    rows: rows.map(([key, ...values]) => unpackRow(String(key), values)),
    charts: points === undefined || of === undefined ? charts : takePoints(charts, { ...points, of }),
    notShown
  }
}

/** An order stays under the pointer. */
export function useSteadyOrder(
  rows: readonly HandlerRow[],
  asked: string
): [rows: readonly HandlerRow[], onPointerMove: () => void] {
  const order = useRef<{ keys: readonly string[]; of: string }>({ keys: [], of: '' })
  const movedMs = useRef(Number.NEGATIVE_INFINITY)
  let shown = rows
  if (order.current.of === asked && performance.now() - movedMs.current < orderStaysMs) {
    const places = new Map(order.current.keys.map((key, at) => [key, at]))
    shown = [...rows].sort((a, b) => (places.get(a.key) ?? 1e9) - (places.get(b.key) ?? 1e9))
  }
  order.current = { keys: shown.map(({ key }) => key), of: asked }
  const onPointerMove = () => {
    movedMs.current = performance.now()
  }
  return [shown, onPointerMove]
}

export function Handlers({ picture, route, isFrozen }: HandlersProps) {
  const { query } = route
  const sort = (query.get('sort') ?? 'unusual') as SortKey
  const [isUp, find, host] = [query.get('up') === '1', query.get('find') ?? '', query.get('server') ?? '']
  const side = query.get('side') === 'caller' ? 'caller' : 'handler'
  const isPicture = host === '' && side === 'handler'
  const detail = useNews(isPicture ? undefined : `handlers?${new URLSearchParams({ host, side })}`, isFrozen, fold)
  const all = isPicture ? [...picture.handlers.values()] : (detail?.rows ?? [])
  const others = (isPicture ? picture.sums?.handlersNotShown : detail?.notShown) ?? 0
  const notShown = others === 0 ? '' : `, ${count(others)} not shown`
  const found = all.filter(({ name }) => name.toLowerCase().includes(find.toLowerCase()))
  const asked = `${sort} ${isUp} ${find} ${host} ${side}`
  const [rows, onPointerMove] = useSteadyOrder(sortRows(found, sort, isUp), asked)
  const onFind = (text: string) => {
    const state = { sort, up: isUp ? '1' : undefined, server: host, side: query.get('side') ?? '', find: text }
    history.replaceState(null, '', linkTo(['handlers'], state))
    dispatchEvent(new HashChangeEvent('hashchange'))
  }
  const pick = (name: 'server' | 'side') => (event: { currentTarget: { value: string } }) => {
    location.hash = linkTo(['handlers'], { sort, find, ...filters(), [name]: event.currentTarget.value })
  }
  return (
    <>
      <Title
        note={`${count(all.length)} on ${host === '' ? `${picture.hosts.length} servers` : nameOf(picture.hosts, host)}${notShown}`}
      >
        Handlers
      </Title>
      <section class="panel" aria-label="All handlers" onPointerMove={onPointerMove}>
        <div class="filters">
          <label>
            Name holds
            <input
              id="find"
              type="search"
              placeholder="press /"
              value={find}
              onInput={(event) => onFind(event.currentTarget.value)}
            />
          </label>
          <label>
            Server
            <select value={host} onChange={pick('server')}>
              <option value="">all together</option>
              {picture.hosts.map((each) => (
                <option key={each} value={each}>
                  {nameOf(picture.hosts, each)}
                </option>
              ))}
            </select>
          </label>
          <label>
            Side
            <select value={side} onChange={pick('side')} id="side">
              <option value="handler">as handlers ran it</option>
              <option value="caller">as callers saw it</option>
            </select>
          </label>
          <span class="note">
            Sorted by {sort === 'unusual' ? 'how far from usual' : sort}. “usual” is the p99 since each process began,
            of 1,000 calls or more.
          </span>
        </div>
        {rows.length > 0 ? (
          <HandlerTable
            picture={picture}
            charts={isPicture ? picture.charts : host === '' ? detail?.charts : undefined}
            rows={rows}
            sort={sort}
            isUp={isUp}
          />
        ) : all.length > 0 ? (
          <Empty title={`No name holds “${find.slice(0, 60)}”`}>
            {`${count(all.length)} handlers have other names${notShown}.`}
          </Empty>
        ) : !isPicture && detail === undefined ? (
          <Empty title="Comes in a second" />
        ) : side === 'caller' ? (
          <Empty title="No call was made">by any server that answers.</Empty>
        ) : (
          <Empty title="No handler is registered">on any server that answers.</Empty>
        )}
      </section>
    </>
  )
}
