/**
 * The five answers, in words: is everybody connected, who is slow, which handler fails, who waits for whom, what just
 * happened. Computed where the figures are, so that all pages agree.
 */

import { type Merged, minuteOf, verySlow } from './handlers.ts'
import { lastOf } from './happenings.ts'
import { busyShare, freshOf, reachedBy, type Seen } from './matrix.ts'
import type { Answer, Cell, HandlerRow, Happening, ServerFigures, Wait } from './model.ts'
import { age, inWords, ms, percent } from './words.ts'

/** A pair that is not connected for less is on its way. */
const briefMs = 1000
const recentMs = 15 * 60_000
const manyFail = 0.1
/** So few calls have no share. */
const fewCalls = 20

export interface Picture {
  readonly seen: Seen
  readonly servers: readonly ServerFigures[]
  readonly cells: readonly Cell[]
  readonly handlers: readonly HandlerRow[]
  readonly merged: readonly Merged[]
  readonly waits: readonly Wait[]
  readonly events: readonly Happening[]
}

export function answersOf(picture: Picture): Answer[] {
  return [connected(picture), slow(picture), fails(picture), waits(picture), happened(picture)]
}

function join(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' · ')
}

function connected({ seen, servers, cells, events }: Picture): Answer {
  const id = 'connected'
  const { hosts, now } = seen
  const name = (...names: readonly string[]) => inWords(seen, names)
  const answering = servers.filter(({ state }) => state === 'answers')
  const told = `${answering.length} of ${hosts.length} answer`
  const gone = servers.filter(({ state, host }) => state === 'away' && reachedBy(seen, host).length === 0)
  const odd = servers.filter(({ state }) => state === 'refuses' || state === 'silent')
  const oddText =
    odd.length === 0 ? '' : `${name(...odd.map(({ host }) => host))} tell${odd.length > 1 ? '' : 's'} nothing`
  const apart = cells.filter(({ state, since }) => state === 'try' && now - (since ?? 0) >= briefMs)
  if (gone.length > 0) {
    const [first] = gone as [ServerFigures]
    const since = Math.max(...cells.filter(({ to }) => to === first.host).map((cell) => cell.since ?? 0))
    const answer = `No: ${name(...gone.map(({ host }) => host))} ${gone.length > 1 ? 'are' : 'is'} gone`
    const lost = since > 0 ? `not connected for ${age(now - since)}` : ''
    return { id, severity: 'bad', answer, detail: join(lost, whyNot(events, name(first.host)), told, oddText) }
  }
  if (apart.length > 0) {
    const [{ from, to, since = now, why = '' }] = apart as [Cell]
    const others = apart.filter((cell) => cell.from !== to && cell.from !== from).length
    const more = others === 0 ? '' : `${others} more views like it`
    const answer = `No: ${name(from)} does not reach ${name(to)}`
    return { id, severity: 'warn', answer, detail: join(`for ${age(now - since)}`, why, more, told, oddText) }
  }
  const unlisted = cells.find(({ state, from }) => state === 'unknown' && answering.some(({ host }) => host === from))
  if (unlisted !== undefined) {
    const answer = 'The lists of hosts differ'
    return {
      id,
      severity: 'warn',
      answer,
      detail: join(`${name(unlisted.from)} does not know ${name(unlisted.to)}`, told)
    }
  }
  if (odd.length > 0) {
    const [{ note }] = odd as [ServerFigures]
    return { id, severity: 'warn', answer: `Yes, but ${oddText}`, detail: join(told, note) }
  }
  if (hosts.length === 1)
    return { id, severity: 'ok', answer: `${name(seen.grid.local)} is alone`, detail: 'its list holds no other server' }
  const youngest = Math.max(...cells.map(({ since }) => since ?? 0))
  const pairs = (hosts.length * (hosts.length - 1)) / 2
  const detail = `${pairs} connection${pairs > 1 ? 's' : ''}, the youngest for ${age(now - youngest)}`
  return { id, severity: 'ok', answer: `Yes, all ${hosts.length}`, detail }
}

/** Of those that dial it: in one word where there is one. */
function whyNot(events: readonly Happening[], name: string): string {
  const detail = events.find(({ title }) => title.endsWith(`→ ${name} · dial failed`))?.detail
  if (detail === undefined) return ''
  return `dials fail: ${/\bE[A-Z]{4,}\b/.exec(detail)?.[0] ?? detail.slice(0, 60)}`
}

function slow({ seen, servers, handlers, merged }: Picture): Answer {
  const id = 'slow'
  const [row] = handlers.filter(({ isSlow }) => isSlow).sort((a, b) => b.unusual - a.unusual)
  const busy = servers.filter((server) => (server.busy ?? 0) >= busyShare)
  const others = handlers.filter(({ isSlow }) => isSlow).length - 1
  if (row !== undefined) {
    const { p99 } = minuteOf(merged.find(({ key }) => key === row.key) as Merged)
    const { where = '', usual, oldestMs = 0, running } = row
    const usually = usual === undefined ? '' : `, usually ${ms(usual)}`
    const isHanging = row.kind === 'single' && oldestMs > Math.max(p99 ?? 0, verySlow.ms)
    const what = isHanging
      ? `${running} running, the oldest for ${age(oldestMs)}${usually}`
      : `p99 ${ms(p99 ?? 0)}${usually}`
    const loop = seen.watchers.get(where)?.busy ?? 0
    const busyText = loop >= busyShare ? `its event loop is busy for ${percent(loop)}` : ''
    const severity = row.unusual >= verySlow.times && Math.max(p99 ?? 0, oldestMs) >= verySlow.ms ? 'bad' : 'warn'
    const more = others > 0 ? `${others} other${others > 1 ? 's' : ''}` : ''
    return { id, severity, answer: `${row.name} at ${inWords(seen, [where])}`, detail: join(what, busyText, more) }
  }
  if (busy.length > 0) {
    const answer = `${inWords(
      seen,
      busy.map(({ host }) => host)
    )} ${busy.length > 1 ? 'are' : 'is'} busy`
    return {
      id,
      severity: 'warn',
      answer,
      detail: `its event loop works for ${percent(busy[0]?.busy ?? 0)} of the time`
    }
  }
  const most = Math.max(0, ...servers.map((server) => server.busy ?? 0))
  return {
    id,
    severity: 'ok',
    answer: 'Nobody',
    detail: `every p99 is as usual · no server busier than ${percent(most)}`
  }
}

function fails({ seen, handlers, merged, events }: Picture): Answer {
  const id = 'fails'
  const failing = handlers
    .filter((row) => row.fails)
    .map((row) => ({ row, ...minuteOf(merged.find(({ key }) => key === row.key) as Merged) }))
    .sort((a, b) => b.share * b.calls - a.share * a.calls)
  const [first] = failing
  if (first === undefined)
    return { id, severity: 'ok', answer: 'None', detail: 'less than 1 % of each handler in the last minute' }
  const { row, share, mistakes, calls } = first
  const thrown = events.find(({ handler, title }) => title.includes(' throws ') && row.name.endsWith(handler ?? '\0'))
  const name = thrown?.title.split(' throws ')[1] ?? 'an error'
  const many = calls < fewCalls ? `${Math.round(share * calls)} of ${calls} calls` : `${percent(share)} of its calls`
  const mistake = mistakes > 0 ? `${name}, a mistake in the handler` : ''
  const more = failing.length > 1 ? `${failing.length - 1} other${failing.length > 2 ? 's' : ''}` : ''
  return {
    id,
    severity: share >= manyFail && calls >= fewCalls ? 'bad' : 'warn',
    answer: `${row.name} at ${inWords(seen, [row.where ?? ''])}`,
    detail: join(`${many} in the last minute`, mistake, more)
  }
}

function waits({ seen, waits: found }: Picture): Answer {
  const id = 'waits'
  const [first] = [...found].sort((a, b) => Number(b.severity === 'bad') - Number(a.severity === 'bad'))
  if (first === undefined) {
    return {
      id,
      severity: 'ok',
      answer: 'Nobody',
      detail: 'no window is full, no request takes much longer than usual'
    }
  }
  const { who, whom, handler, why, since, severity } = first
  const others = found.length - 1
  const more = others > 0 ? `${others} other wait${others > 1 ? 's' : ''}` : ''
  const answer = `${inWords(seen, who)} wait${who.length > 1 ? '' : 's'} for ${inWords(seen, [whom])}`
  return { id, severity, answer, detail: join(`${handler}: ${why}, for ${age(seen.now - since)}`, more) }
}

function happened({ seen, events }: Picture): Answer {
  const id = 'happened'
  const last = lastOf(events, seen.now, recentMs)
  const [newest] = events
  if (last !== undefined) {
    const detail = join(`${age(seen.now - last.at)} ago`, last.detail)
    return { id, severity: last.severity, answer: last.title, detail }
  }
  if (newest === undefined) return { id, severity: 'ok', answer: 'Nothing', detail: 'no event is kept' }
  const answer = `Nothing for ${age(seen.now - newest.at)}`
  return { id, severity: 'ok', answer, detail: `last: ${newest.title}` }
}

/** Those that answer. */
export function answering(seen: Seen): number {
  return freshOf(seen).length
}
