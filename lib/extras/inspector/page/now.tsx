/** The first screen: the five answers in words, and below them what proves them. And the screen of all servers. */

import { useState } from 'preact/hooks'
import type { Answer, Happening, ServerFigures } from '../model.ts'
import { type Colouring, colourings } from './cells.ts'
import { EventList } from './events.tsx'
import { Guests } from './guests.tsx'
import { HandlerTable, sortRows, useSteadyOrder } from './handlers.tsx'
import { Matrix } from './matrix.tsx'
import { Empty, Glyph, Panel, Title } from './parts.tsx'
import { linkTo, type Route, toConnection } from './route.ts'
import type { Picture } from './store.ts'
import { age, nameOf, orUnknown, percent, rate, size, unknown } from './text.ts'
import { WaitList } from './waits.tsx'

const questions: Readonly<Record<Answer['id'], readonly [question: string, panel: string]>> = {
  connected: ['Is everybody connected?', 'servers'],
  slow: ['Who is slow?', 'handlers'],
  fails: ['Which handler fails?', 'handlers'],
  waits: ['Who waits for whom?', 'waits'],
  happened: ['What just happened?', 'events']
}

const handlersShown = 8
const waitsShown = 3
const eventsShown = 8
const notesShown = 3
const smallGrid = 8
const copiedMs = 3000
const busySteps = 5

/** The newest, of which no more than some are mere notes: those must not hide what went wrong. */
function newsOf(events: readonly Happening[]): Happening[] {
  const notes = new Set(events.filter(({ severity }) => severity === 'info').slice(0, notesShown))
  return events.filter((event) => event.severity !== 'info' || notes.has(event)).slice(0, eventsShown)
}

export function Now({ picture, now }: { picture: Picture; now: number }) {
  const { hosts, local, waits } = picture
  const ranked = sortRows([...picture.handlers.values()], 'unusual', false)
  const [steady, onPointerMove] = useSteadyOrder(ranked, 'now')
  const least = steady.slice(0, handlersShown)
  const isLarge = hosts.length > smallGrid
  const waiting = (
    <Panel
      id="waits"
      title="Waits"
      note={waits.length === 0 ? undefined : 'the longest first'}
      more={<a href={linkTo(['waits'])}>all waits</a>}
    >
      <WaitList picture={picture} now={now} waits={waits.slice(0, waitsShown)} />
    </Panel>
  )
  return (
    <>
      <h1 class="sr">Now</h1>
      <Answers picture={picture} />
      <Totals picture={picture} now={now} />
      <div class="cols">
        <div class="col">
          <Panel
            id="servers"
            title="Servers"
            note={`seen from ${nameOf(hosts, local)}, through the grid`}
            more={<a href={linkTo(['servers'])}>all servers</a>}
          >
            <Matrix picture={picture} now={now} />
          </Panel>
          {isLarge ? null : waiting}
        </div>
        <div class="col">
          <Panel
            id="handlers"
            title="Handlers"
            note="the least usual first"
            more={<a href={linkTo(['handlers'])}>all {picture.handlers.size}</a>}
          >
            {least.length === 0 ? (
              <Empty title="No handler is registered">on any server that answers.</Empty>
            ) : (
              <div onPointerMove={onPointerMove}>
                <HandlerTable picture={picture} charts={picture.charts} rows={least} isShort />
              </div>
            )}
          </Panel>
          {isLarge ? waiting : null}
          <Panel id="events" title="Events" more={<a href={linkTo(['events'])}>all events</a>}>
            <EventList events={newsOf(picture.events)} now={now} />
          </Panel>
        </div>
      </div>
    </>
  )
}

function Answers({ picture }: { picture: Picture }) {
  return (
    <nav class="answers" aria-label="The five answers">
      {picture.answers.map(({ id, severity, answer, detail }) => {
        const [question, panel] = questions[id]
        const onClick = (event: MouseEvent) => {
          event.preventDefault()
          document.getElementById(panel)?.scrollIntoView()
        }
        return (
          <a
            key={id}
            href={linkTo(['now'])}
            class={severity === 'bad' ? 'bad-top' : severity === 'warn' ? 'warn-top' : ''}
            onClick={onClick}
            data-answer={id}
          >
            <span class="q">{question}</span>
            <span class="a">
              <span class={severity}>
                <Glyph kind={severity} />
              </span>
              <span>{answer}</span>
            </span>
            <span class="d">{detail}</span>
          </a>
        )
      })}
    </nav>
  )
}

/** Browsers give the clipboard to pages over HTTPS and of their own machine; others copy what is selected. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = document.createElement('textarea')
    area.value = text
    area.className = 'sr'
    document.body.append(area)
    area.select()
    const isCopied = document.execCommand('copy')
    area.remove()
    return isCopied
  }
}

function Totals({ picture, now }: { picture: Picture; now: number }) {
  const { sums } = picture
  const [copied, setCopied] = useState('')
  const copy = async () => {
    const lines = picture.answers.map(({ id, answer, detail }) => `${questions[id][0]} ${answer}: ${detail}`)
    const text = `${new Date(now).toISOString()} it-grid from ${picture.local}\n${lines.join('\n')}`
    setCopied((await copyText(text)) ? 'copied' : 'not copied: this browser does not let a page do that')
    setTimeout(() => setCopied(''), copiedMs)
  }
  return (
    <div class="sums">
      <span>
        <b>{rate(sums?.calls)}</b> calls/s
      </span>
      <span>
        <b>{rate(sums?.errors)}</b> errors/s
      </span>
      <span>
        <b>{sums?.streams ?? unknown}</b> open streams
      </span>
      <span>
        <b>{sums?.requests ?? unknown}</b> requests under way
      </span>
      <span>
        <b>{orUnknown(sums?.bytes, size)}</b>/s
      </span>
      <span class="hide-s">
        {sums?.calls === undefined ? 'rates come in a second' : 'all servers that answer, last 10 s'}
      </span>
      <button type="button" class="plain" id="copy" onClick={() => void copy()}>
        <span role="status">{copied === '' ? 'copy the answers as text' : copied}</span>
      </button>
    </div>
  )
}

const ranks = { bad: 3, warn: 2, info: 1, ok: 0 } as const

export function Servers({ picture, now, route }: { picture: Picture; now: number; route: Route }) {
  const { hosts, local } = picture
  const asked = route.query.get('by') as Colouring
  const by = colourings.includes(asked) ? asked : 'rtt'
  const hasGuests = [...picture.servers.values()].some(({ guests }) => guests !== undefined)
  // In steps: an order that is another one each second cannot be read.
  const busy = (server: ServerFigures) => Math.round((server.busy ?? 0) * busySteps)
  const list = [...picture.servers.values()].sort(
    (a, b) =>
      ranks[b.severity] - ranks[a.severity] || busy(b) - busy(a) || hosts.indexOf(a.host) - hosts.indexOf(b.host)
  )
  return (
    <>
      <Title note={`${hosts.length} in the list of ${nameOf(hosts, local)}`}>Servers</Title>
      <div class="cols left-some">
        <Panel
          id="matrix"
          title="Connections"
          more={
            <nav class="seg" aria-label="Colour by">
              {colourings.map((each) => (
                <a key={each} href={linkTo(['servers'], { by: each })} aria-current={each === by ? 'true' : undefined}>
                  {each}
                </a>
              ))}
            </nav>
          }
        >
          <Matrix picture={picture} now={now} by={by} />
        </Panel>
        <Panel id="list" title="Each server" note="in trouble first, then the busiest">
          <table class="rows">
            <caption class="sr">Servers</caption>
            <thead>
              <tr>
                <th scope="col" class="h">
                  server
                </th>
                <th scope="col" class="num">
                  connected
                </th>
                <th scope="col" class="num hide-s">
                  up
                </th>
                <th scope="col" class="num">
                  busy
                </th>
                <th scope="col" class="num hide-s">
                  calls/s
                </th>
                {hasGuests ? (
                  <th scope="col" class="num hide-s" title="peers that are in nobody's list, such as a command line">
                    guests
                  </th>
                ) : null}
                <th scope="col" class="num">
                  figures
                </th>
              </tr>
            </thead>
            <tbody>
              {list.map((server) => (
                <tr key={server.host} class={server.state === 'answers' ? undefined : 'old'} title={server.note}>
                  <td class="h">
                    <span class={server.severity === 'info' ? 'muted' : server.severity}>
                      <Glyph kind={server.severity} />
                    </span>{' '}
                    {server.host === local ? (
                      nameOf(hosts, server.host)
                    ) : (
                      <a href={toConnection(local, server.host)}>{nameOf(hosts, server.host)}</a>
                    )}
                  </td>
                  <td class="num wrap">
                    {server.up} of {hosts.length - 1}
                    {server.state === 'answers' ? '' : ', by others'}
                  </td>
                  <td class="num hide-s">{orUnknown(server.startedAt, (at) => age(now - at))}</td>
                  <td class={`num${(server.busy ?? 0) >= 0.9 ? ' warn b' : ''}`}>{orUnknown(server.busy, percent)}</td>
                  <td class="num hide-s">{rate(server.calls)}</td>
                  {hasGuests ? <td class="num hide-s">{server.guests ?? 0}</td> : null}
                  <td class={`num wrap${server.severity === 'bad' ? ' bad' : ''}`}>
                    {server.state === 'answers'
                      ? 'live'
                      : server.state === 'refuses'
                        ? 'no $grid'
                        : server.at === undefined
                          ? 'never told'
                          : `${age(now - server.at)} old`}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {list
            .filter(({ note }) => note !== '')
            .slice(0, 8)
            .map(({ host, note, severity }) => (
              <p class="note below" key={host}>
                <span class={severity === 'info' ? 'muted' : severity}>
                  <Glyph kind={severity} silent />
                </span>{' '}
                <b>{nameOf(hosts, host)}</b>: {note}
              </p>
            ))}
        </Panel>
      </div>
      {picture.guests.length === 0 ? null : <Guests picture={picture} now={now} />}
    </>
  )
}
