/** Calls as they end, with filters. Off until it is started; what is not shown is counted. */

import { useEffect, useRef, useState } from 'preact/hooks'
import type { TraceBatch, TraceRow } from '../lib/extras/inspector/model.ts'
import { Empty, Title } from './parts.tsx'
import { linkTo, type Route, toHandler } from './route.ts'
import { follow, type Picture } from './store.ts'
import { ms, nameOf, size } from './text.ts'

const rowsKept = 500
const rowsShown = 100
const longestMs = 600_000
/** Above, one call of a hundred is enough to begin with. */
const manyCalls = 500

interface Running {
  readonly startedMs: number
  readonly rows: readonly TraceRow[]
  readonly notShown: number
  readonly servers: number
}

export interface TraceProps {
  picture: Picture
  route: Route
  isFrozen: boolean
}

export function Trace({ picture, route, isFrozen }: TraceProps) {
  const { query } = route
  const [running, setRunning] = useState<Running>()
  const kept = useRef<{ rows: TraceRow[]; over: number }>({ rows: [], over: 0 })
  const isHeld = useRef(false)
  const filter = {
    ...{ from: query.get('from') ?? '', to: query.get('to') ?? '', handler: query.get('handler') ?? '' },
    ...{ slower: query.get('slower') ?? '', failed: query.get('failed') ?? '' },
    sample: query.get('sample') ?? ((picture.sums?.calls ?? 0) > manyCalls ? '0.01' : '1')
  }
  const isOn = query.get('on') === '1'
  const address = `trace?${new URLSearchParams(filter)}`
  const go = (more: Record<string, string>) => {
    location.hash = linkTo(['trace'], { ...filter, on: isOn ? '1' : '', ...more })
  }
  useEffect(() => {
    if (!isOn || isFrozen) return undefined
    const startedMs = performance.now()
    kept.current = { rows: [], over: 0 }
    setRunning({ startedMs, rows: [], notShown: 0, servers: 0 })
    const stop = follow<TraceBatch>(address, ({ rows, notShown, servers }) => {
      const all = [...rows, ...kept.current.rows]
      kept.current = { rows: all.slice(0, rowsKept), over: kept.current.over + Math.max(0, all.length - rowsKept) }
      // Rows stand while the pointer or the focus is on them.
      if (!isHeld.current)
        setRunning({ startedMs, rows: kept.current.rows, notShown: notShown + kept.current.over, servers })
    })
    const timer = setTimeout(() => go({ on: '' }), longestMs)
    return () => {
      stop()
      clearTimeout(timer)
    }
  }, [address, isOn, isFrozen])
  return (
    <>
      <Title note="calls as they end, newest first">Trace</Title>
      <section class="panel" aria-label="Calls">
        <Filters picture={picture} filter={filter} isOn={isOn} go={go} />
        {running === undefined ? (
          <Empty title="The trace is off">It costs nothing until you start it.</Empty>
        ) : (
          <>
            <p class="note above">
              {isOn ? 'Runs' : 'Stopped'} · {running.servers} of {picture.hosts.length} servers · {running.rows.length}{' '}
              kept, {running.notShown} not shown · stops by itself after 10 minutes
            </p>
            <div
              class="scroll"
              onPointerEnter={() => {
                isHeld.current = true
              }}
              onPointerLeave={() => {
                isHeld.current = false
              }}
              onFocusIn={() => {
                isHeld.current = true
              }}
              onFocusOut={() => {
                isHeld.current = false
              }}
            >
              {running.rows.length === 0 ? (
                <Empty title="No call has passed the filter yet">Calls are told when they end.</Empty>
              ) : (
                <Rows rows={running.rows.slice(0, rowsShown)} picture={picture} />
              )}
            </div>
          </>
        )}
      </section>
    </>
  )
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
          <th scope="col">ended</th>
          <th scope="col">from → to</th>
          <th scope="col">handler</th>
          <th scope="col" class="num">
            took
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
          </tr>
        ))}
      </tbody>
    </table>
  )
}
