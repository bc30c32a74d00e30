/** Calls as they end, with filters. Off until it is started; what is not shown is counted. */

import { useEffect, useRef, useState } from 'preact/hooks'
import type { TraceBatch, TraceRow } from '../traced.ts'
import { useNews } from './news.ts'
import { Empty, Title } from './parts.tsx'
import { linkTo, type Route, toHandler } from './route.ts'
import type { Picture } from './store.ts'
import { ms, nameOf, size } from './text.ts'

const rowsKept = 500
const rowsShown = 100
const longestMs = 600_000
/** Above, one call of a hundred is enough to begin with. */
const manyCalls = 500

interface Known {
  readonly startedMs: number
  readonly rows: readonly TraceRow[]
  readonly notShown: number
  readonly servers: number
  readonly refused: string | undefined
  /** Rows that have made room for newer ones. */
  readonly over: number
}

function fold(before: Known | undefined, { rows, notShown, servers, refused }: TraceBatch): Known {
  const all = [...rows, ...(before?.rows ?? [])]
  const over = (before?.over ?? 0) + Math.max(0, all.length - rowsKept)
  const startedMs = before?.startedMs ?? performance.now()
  return { startedMs, rows: all.slice(0, rowsKept), notShown: notShown + over, servers, refused, over }
}

export interface TraceProps {
  picture: Picture
  route: Route
  isFrozen: boolean
}

export function Trace({ picture, route, isFrozen }: TraceProps) {
  const { query } = route
  const [isHeld, setHeld] = useState(false)
  const filter = {
    ...{ from: query.get('from') ?? '', to: query.get('to') ?? '', handler: query.get('handler') ?? '' },
    ...{ slower: query.get('slower') ?? '', failed: query.get('failed') ?? '' },
    sample: query.get('sample') ?? ((picture.sums?.calls ?? 0) > manyCalls ? '0.01' : '1')
  }
  const isOn = query.get('on') === '1'
  const address = isOn ? `trace?${new URLSearchParams(filter)}` : undefined
  // Rows stand while the pointer or the focus is on them: there are none at first, wherever the pointer is.
  const hasRows = useRef(false)
  // Somebody makes in another tab what is to be seen here.
  const known = useNews(address, isFrozen || (isHeld && hasRows.current), fold, 'stays')
  hasRows.current = (known?.rows.length ?? 0) > 0
  const go = (more: Record<string, string>) => {
    location.hash = linkTo(['trace'], { ...filter, on: isOn ? '1' : '', ...more })
  }
  useEffect(() => {
    if (!isOn) return undefined
    const timer = setTimeout(() => go({ on: '' }), longestMs)
    return () => clearTimeout(timer)
  }, [address])
  return (
    <>
      <Title note="calls as they end, newest first">Trace</Title>
      <section class="panel" aria-label="Calls">
        <Filters picture={picture} filter={filter} isOn={isOn} go={go} />
        {!isOn && known === undefined ? (
          <Empty title="The trace is off">It costs nothing until you start it.</Empty>
        ) : (
          <>
            <p class="note above">{stateOf(known, isOn, filter.sample, picture.hosts.length)}</p>
            {known?.refused !== undefined && (
              <p class="note above">
                Not all of them tell of all their calls: <span class="warn">{known.refused}</span>
              </p>
            )}
            <div
              class="scroll"
              onPointerEnter={() => setHeld(true)}
              onPointerLeave={() => setHeld(false)}
              onFocusIn={() => setHeld(true)}
              onFocusOut={() => setHeld(false)}
            >
              {known === undefined || known.rows.length === 0 ? (
                <Empty title={`No call has ended yet${passing(filter)}`}>Calls are told when they end.</Empty>
              ) : (
                <Rows rows={known.rows.slice(0, rowsShown)} picture={picture} />
              )}
            </div>
            <p class="note below hide-s">
              Bars are logarithmic, from 0.1 ms to 10 s. Rows stand while the pointer or the focus is on them.
            </p>
          </>
        )}
      </section>
    </>
  )
}

function stateOf(known: Known | undefined, isOn: boolean, sample: string, servers: number): string {
  if (known === undefined) return 'Starts'
  const seconds = Math.floor((performance.now() - known.startedMs) / 1000)
  const runs = isOn ? `Runs for ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}` : 'Stopped'
  const share = sample === '1' ? 'every call' : `1 call of ${Math.round(1 / Number(sample))}`
  const shown = Math.min(known.rows.length, rowsShown)
  const hidden = known.notShown + known.rows.length - shown
  return `${runs} · ${known.servers} of ${servers} servers, ${share} · ${shown} shown, ${hidden} not shown · stops by itself after 10 minutes`
}

function passing({ handler, slower, failed }: Readonly<Record<'handler' | 'slower' | 'failed', string>>): string {
  const parts = [
    handler === '' ? '' : ` of ${handler.slice(0, 60)}`,
    failed === '1' ? ' that failed' : '',
    Number(slower) > 0 ? ` that took ${ms(Number(slower))} or more` : ''
  ]
  return parts.join('')
}

interface FiltersProps {
  picture: Picture
  filter: Readonly<Record<'from' | 'to' | 'handler' | 'slower' | 'failed' | 'sample', string>>
  isOn: boolean
  go(more: Record<string, string>): void
}

function Filters({ picture, filter, isOn, go }: FiltersProps) {
  const hosts = picture.hosts.map((host) => (
    <option key={host} value={host}>
      {nameOf(picture.hosts, host)}
    </option>
  ))
  const pick = (name: keyof FiltersProps['filter']) => ({
    value: filter[name],
    onChange: (event: { currentTarget: { value: string } }) => go({ [name]: event.currentTarget.value })
  })
  return (
    <div class="filters">
      <label>
        From
        <select {...pick('from')}>
          <option value="">any server</option>
          {hosts}
        </select>
      </label>
      <label>
        To
        <select {...pick('to')}>
          <option value="">any server</option>
          {hosts}
        </select>
      </label>
      <label>
        Handler
        <input id="find" placeholder="any" {...pick('handler')} />
      </label>
      <label>
        Slower than, ms
        <input inputMode="numeric" size={6} placeholder="0" {...pick('slower')} />
      </label>
      <label>
        Only
        <select {...pick('failed')}>
          <option value="">all calls</option>
          <option value="1">those that failed</option>
        </select>
      </label>
      <label>
        One of
        <select {...pick('sample')}>
          <option value="0.01">100</option>
          <option value="0.1">10</option>
          <option value="1">1, every call</option>
        </select>
      </label>
      <button type="button" class="btn" onClick={() => go({ on: isOn ? '' : '1' })}>
        {isOn ? 'Stop' : 'Start'}
      </button>
    </div>
  )
}

function Rows({ rows, picture }: { rows: readonly TraceRow[]; picture: Picture }) {
  const name = (host: string) => nameOf(picture.hosts, host)
  return (
    <table class="rows">
      <caption class="sr">Calls that have ended</caption>
      <thead>
        <tr>
          <th scope="col">ended, UTC</th>
          <th scope="col">from → to</th>
          <th scope="col">handler</th>
          <th scope="col" class="num">
            took
          </th>
          <th scope="col" class="num hide-m" title="until the first response of a stream">
            first
          </th>
          <th scope="col" class="hide-s">
            <span class="sr">as a bar</span>
          </th>
          <th scope="col">outcome</th>
          <th scope="col" class="num hide-s">
            bytes
          </th>
          <th scope="col" class="hide-s">
            delivery
          </th>
          <th scope="col" class="hide-m">
            trace id
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={`${row.endedAt} ${row.from} ${row.handler} ${row.durationMs}`}>
            <td class="muted">{new Date(row.endedAt).toISOString().slice(11, 23)}</td>
            <td class="wrap">
              {name(row.from)} <span class="muted">→</span> {name(row.to)}
            </td>
            <td class="h">
              <a class="mono" href={toHandler(row.handlerKey)}>
                {row.handler.slice(0, 200)}
              </a>
            </td>
            <td class={`num${row.isSlow ? ' bad b' : ''}`}>{ms(row.durationMs)}</td>
            <td class="num muted hide-m">{row.firstMs === undefined ? '' : ms(row.firstMs)}</td>
            <td class="hide-s bar">
              <span
                class={`dur${row.isSlow ? ' hot' : ''}`}
                style={{
                  width: `${Math.max(2, Math.min(100, ((Math.log10(Math.max(row.durationMs, 0.1)) + 1) / 5) * 100))}%`
                }}
              />
            </td>
            <td class={row.code === 'OK' ? 'muted' : 'bad b'}>{row.code === 'OK' ? 'ok' : row.code.slice(0, 60)}</td>
            <td class="num hide-s">{size(row.bytes)}</td>
            <td class="muted hide-s">{row.delivery ?? ''}</td>
            <td class="hide-m">
              <span class="mono trace-id" title={row.traceId}>
                {row.traceId ?? ''}
              </span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
