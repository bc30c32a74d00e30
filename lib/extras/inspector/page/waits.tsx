/** Who waits for whom, in words, with the window; and streams that are only quiet. */

import type { Wait } from '../model.ts'
import { Empty, Mark, Panel, Title, WindowBar } from './parts.tsx'
import { toConnection, toHandler } from './route.ts'
import type { Picture } from './store.ts'
import { ms, nameOf } from './text.ts'

export interface WaitListProps {
  picture: Picture
  now: number
  waits: readonly Wait[]
}

function names(picture: Picture, hosts: readonly string[]): string {
  const short = hosts.map((host) => nameOf(picture.hosts, host))
  if (short.length > 3) return `${short.length} servers`
  return short.length < 2 ? (short[0] ?? '') : `${short.slice(0, -1).join(', ')} and ${short.at(-1)}`
}

export function WaitList({ picture, now, waits }: WaitListProps) {
  if (waits.length === 0) {
    return <Empty title="Nobody waits">No window is full, and no request runs much longer than is usual.</Empty>
  }
  return (
    <>
      {waits.map((wait) => (
        <div class="wait" key={wait.key}>
          <div class="who">
            <Mark severity={wait.severity} />
            <span>
              <b>{names(picture, wait.who)}</b> {wait.who.length > 1 ? 'wait' : 'waits'} for{' '}
              <b>{names(picture, [wait.whom])}</b>
            </span>
            <span class="since">{ms(Math.max(0, now - wait.since))}</span>
          </div>
          <p class="why">
            <a
              class="mono"
              href={wait.cause === 'handler' ? toHandler(wait.handlerKey) : toConnection(wait.who[0] ?? '', wait.whom)}
            >
              {wait.handler}
              {wait.id === undefined ? '' : ` #${wait.id}`}
            </a>
            : {wait.why}
          </p>
          {wait.bar === undefined ? null : <WindowBar bar={wait.bar} />}
        </div>
      ))}
    </>
  )
}

export function Waits({ picture, now }: { picture: Picture; now: number }) {
  const { waits, quiet } = picture
  return (
    <>
      <Title note={waits.length === 0 ? '' : `${waits.length} that last longer than a second`}>Waits</Title>
      <div class="col">
        <Panel id="waits" title="Waits" note="the longest first">
          <p class="note above">
            A generator waits for a consumer that takes nothing; a stream waits for its turn on the socket; a caller
            waits for a handler that takes much longer than usual.
          </p>
          <WaitList picture={picture} now={now} waits={waits} />
        </Panel>
        <Panel
          id="quiet"
          title="Quiet streams"
          note="their consumers wait and nothing comes: usual for a feed, so never an alarm"
        >
          {quiet.length === 0 ? (
            <Empty title="No stream is quiet" />
          ) : (
            <WaitList picture={picture} now={now} waits={quiet} />
          )}
        </Panel>
      </div>
    </>
  )
}
