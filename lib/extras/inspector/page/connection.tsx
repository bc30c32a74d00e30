/** One connection: each direction of each stream as a lane, both ends side by side, the last events of both. */

import type { ConnectionDetail, Lane } from '../model.ts'
import { EventList } from './events.tsx'
import { newest, useNews } from './news.ts'
import { Back, Empty, Mark, Panel, Title, WindowBar } from './parts.tsx'
import { linkTo, type Route, toConnection, toHandler } from './route.ts'
import type { Picture } from './store.ts'
import { age, count, ms, nameOf, size } from './text.ts'

export interface ConnectionProps {
  picture: Picture
  now: number
  route: Route
  isFrozen: boolean
}

const views = ['all', 'waiting', 'by handler'] as const

export function Connection({ picture, now, route, isFrozen }: ConnectionProps) {
  const [a = '', b = ''] = route.rest
  const isThere = picture.hosts.includes(a) && picture.hosts.includes(b) && a !== b
  const address = isThere ? `connection?${new URLSearchParams({ a, b })}` : undefined
  const known = useNews<ConnectionDetail>(address, isFrozen, newest)
  const view = route.query.get('view') ?? 'all'
  const name = (host: string) => nameOf(picture.hosts, host)
  if (!isThere) {
    return (
      <>
        <Back to={linkTo(['servers'])}>Servers</Back>
        <Empty title="There is no such connection">One of the two servers is not in the list of this grid.</Empty>
      </>
    )
  }
  return (
    <>
      <Back to={linkTo(['servers'])}>Servers</Back>
      <Title
        note={
          known === undefined ? null : (
            <span class={known.title.severity === 'bad' ? 'bad b' : ''}>
              <Mark severity={known.title.severity} /> {known.title.text}
            </span>
          )
        }
      >
        {name(a)} <span class="muted">⇄</span> {name(b)}
      </Title>
      {known === undefined ? (
        <Empty title="Comes in a second" />
      ) : (
        <>
          <Panel
            id="streams"
            title="Streams"
            note={known.open}
            more={
              <nav class="seg" aria-label="Which streams">
                {views.map((each) => (
                  <a
                    key={each}
                    href={`${toConnection(a, b)}&view=${encodeURIComponent(each)}`}
                    aria-current={each === view ? 'true' : undefined}
                  >
                    {each}
                  </a>
                ))}
              </nav>
            }
          >
            {known.lanes.length === 0 ? (
              <Empty
                title={
                  known.title.severity === 'bad' ? 'No stream is open: they are not connected' : 'No stream is open'
                }
              >
                {known.open}
              </Empty>
            ) : (
              <Lanes lanes={known.lanes} view={view} now={now} picture={picture} />
            )}
          </Panel>
          <div class="cols gap">
            <Panel id="ends" title="Both ends" note="where they differ, one of them is wrong or late">
              <Ends detail={known} a={name(a)} b={name(b)} />
            </Panel>
            <Panel id="events" title="Recent events" note={`both ends, on the clock of ${name(picture.local)}`}>
              <EventList events={known.events} now={now} />
            </Panel>
          </div>
        </>
      )}
    </>
  )
}

interface LanesProps {
  lanes: readonly Lane[]
  view: string
  now: number
  picture: Picture
}

function Lanes({ lanes, view, now, picture }: LanesProps) {
  const waiting = lanes.filter(({ since }) => since !== undefined)
  const shown =
    view === 'waiting'
      ? waiting
      : view === 'by handler'
        ? [...lanes].sort((x, y) => (x.handler < y.handler ? -1 : 1))
        : lanes
  if (shown.length === 0) return <Empty title="No stream waits">{lanes.length} directions of streams are open.</Empty>
  return (
    <>
      {shown.map((lane) => (
        <LaneView key={lane.key} lane={lane} now={now} picture={picture} />
      ))}
    </>
  )
}

function LaneView({ lane, now, picture }: { lane: Lane; now: number; picture: Picture }) {
  const { direction, since, blame, bar, severity } = lane
  const isResponses = direction === 'responses'
  const verdict = severity === 'ok' ? (since === undefined ? 'ok' : 'muted') : severity
  const name = (host: string) => nameOf(picture.hosts, host)
  return (
    <div class="lane">
      <div class="head">
        <a class="mono b" href={toHandler(lane.handlerKey)}>
          {lane.handler} #{lane.id}
        </a>
        <span class="muted">
          {direction} · open {age(now - lane.openedAt)} ·{' '}
          {lane.totalMessages === undefined ? '' : `${count(lane.totalMessages)} messages, `}
          {size(lane.totalBytes)}
        </span>
        <span class={`since b ${verdict}`}>
          {lane.verdict}
          {since === undefined ? '' : `, ${ms(Math.max(0, now - since))}`}
        </span>
      </div>
      <div class={`end${blame === 'sender' ? ' blame' : ''}`}>
        <b>{name(lane.from)}</b> {isResponses ? 'handler' : 'caller'}
        <span class="say">{lane.sender}</span>
      </div>
      <div>
        <div class="flow">
          {direction}
          <i />
        </div>
        {bar === undefined ? <p class="note">neither end tells of its window</p> : <WindowBar bar={bar} isLarge />}
      </div>
      <div class={`end r${blame === 'receiver' ? ' blame' : ''}`}>
        <b>{name(lane.to)}</b> {isResponses ? 'consumer' : 'handler'}
        <span class="say">{lane.receiver}</span>
      </div>
    </div>
  )
}

function Ends({ detail, a, b }: { detail: ConnectionDetail; a: string; b: string }) {
  return (
    <table class="ends">
      <caption class="sr">What both ends say</caption>
      <thead>
        <tr>
          <th scope="col">
            <span class="sr">figure</span>
          </th>
          <th scope="col">{a} says</th>
          <th scope="col">{b} says</th>
        </tr>
      </thead>
      <tbody>
        {detail.rows.map(([name, x, y]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{x}</td>
            <td>{y}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
