/** What happened, of all servers, the newest first. */

import type { Happening } from '../model.ts'
import { Empty, Mark, Title } from './parts.tsx'
import { linkTo, type Route } from './route.ts'
import type { Picture } from './store.ts'
import { age, nameOf } from './text.ts'

const shownAtOnce = 200

export function EventList({ events, now }: { events: readonly Happening[]; now: number }) {
  if (events.length === 0)
    return <Empty title="No event is kept">Connections that come, go and fail are told here.</Empty>
  return (
    <ol class="events">
      {events.map((event) => (
        <li key={event.id}>
          <time dateTime={new Date(event.at).toISOString()} title={new Date(event.at).toISOString()}>
            {age(now - event.at)}
          </time>
          <Mark severity={event.severity} />
          <div>
            <div class={event.severity === 'bad' ? 'top1 x0' : 'x0'}>{event.title}</div>
            {event.detail === '' ? null : <div class="x">{event.detail}</div>}
          </div>
        </li>
      ))}
    </ol>
  )
}

export function Events({ picture, now, route }: { picture: Picture; now: number; route: Route }) {
  const find = route.query.get('find') ?? ''
  const only = route.query.get('only') ?? ''
  const found = picture.events
    .filter(({ title, detail }) => `${title} ${detail}`.toLowerCase().includes(find.toLowerCase()))
    .filter(({ severity }) => only === '' || severity === 'bad' || severity === 'warn')
  const go = (more: Record<string, string>) => {
    history.replaceState(null, '', linkTo(['events'], { find, only, ...more }))
    dispatchEvent(new HashChangeEvent('hashchange'))
  }
  const silent = [...picture.servers.values()].filter(({ state }) => state !== 'answers')
  return (
    <>
      <Title
        note={`the last of each connection, from ${picture.sums?.answering ?? 0} of ${picture.hosts.length} servers`}
      >
        Events
      </Title>
      <section class="panel" aria-label="All events">
        <div class="filters">
          <label>
            Text holds
            <input
              id="find"
              type="search"
              placeholder="press /"
              value={find}
              onInput={(event) => go({ find: event.currentTarget.value })}
            />
          </label>
          <label>
            Only
            <select value={only} onChange={(event) => go({ only: event.currentTarget.value })}>
              <option value="">all events</option>
              <option value="bad">what went wrong</option>
            </select>
          </label>
        </div>
        {found.length === 0 && picture.events.length > 0 ? (
          <Empty title="No event passes">{picture.events.length} others are kept.</Empty>
        ) : (
          <EventList events={found.slice(0, shownAtOnce)} now={now} />
        )}
        <p class="note below">
          Times are put on the clock of {nameOf(picture.hosts, picture.local)}; they may be off by half a round trip.
          {found.length > shownAtOnce ? ` The newest ${shownAtOnce} of ${found.length} are shown.` : ''}
          {silent.length > 0
            ? ` What ${silent
                .map(({ host }) => nameOf(picture.hosts, host))
                .slice(0, 5)
                .join(', ')} saw of late is not known.`
            : ''}
        </p>
      </section>
    </>
  )
}
