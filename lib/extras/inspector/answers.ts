/**
 * The five answers, in words: is everybody connected, who is slow, which handler fails, who waits for whom, what just
 * happened. Computed where the figures are, so that all pages agree.
 */

import { connected } from './connected.ts'
import { type Merged, minuteOf, verySlow } from './handlers.ts'
import { lastOf } from './happenings.ts'
import { busyShare, freshOf, type Seen } from './matrix.ts'
import type { Answer } from './model.ts'
import type { Picture } from './picture.ts'
import { usualOf } from './tracker.ts'
import { age, inWords, joined, ms, percent } from './words.ts'

const recentMs = 15 * 60_000
const manyFail = 0.1
/** So few calls have no share. */
const fewCalls = 20
/** In the title of what happened: one handler does, or several do. */
const throws = / throws? /

export function answersOf(picture: Picture): Answer[] {
  return [connected(picture), slow(picture), fails(picture), waits(picture), happened(picture)]
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
    return { id, severity, answer: `${row.name} at ${inWords(seen, [where])}`, detail: joined(what, busyText, more) }
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
  const far = longRtt(seen)
  if (far !== undefined) return { id, severity: 'warn', ...far }
  const most = Math.max(0, ...servers.map((server) => server.busy ?? 0))
  const { answer, detail } = asFarAsKnown(merged)
  return { id, severity: 'ok', answer, detail: joined(detail, `no server busier than ${percent(most)}`) }
}

/** Nobody is slow, of those of which it is known what is usual; of the others one can only say how long they took so far. */
function asFarAsKnown(merged: readonly Merged[]): Pick<Answer, 'answer' | 'detail'> {
  const called = merged.filter((row) => row.kind === 'single' && minuteOf(row).calls >= fewCalls)
  const p99Of = (row: Merged) => minuteOf(row).p99 ?? 0
  const [slowest, ...others] = called
    .filter(({ usual }) => usualOf(usual) === undefined)
    .sort((a, b) => p99Of(b) - p99Of(a))
  if (slowest === undefined) return { answer: 'Nobody', detail: 'every p99 is as usual' }
  const more = others.length === 0 ? '' : ` and ${others.length} other${others.length > 1 ? 's' : ''}`
  const young = `${slowest.name}${more} too young to judge: p99 ${ms(p99Of(slowest))} so far`
  return {
    answer: others.length + 1 === called.length ? 'Too early to say' : 'Nobody that can be judged',
    detail: young
  }
}

/** Connections whose round trip is far from usual, by the server that they have in common. */
function longRtt(seen: Seen): Pick<Answer, 'answer' | 'detail'> | undefined {
  const found = freshOf(seen).flatMap(({ host, connections, links }) =>
    [...links].flatMap(([to, { isLong, usualRttMs = 0 }]) => {
      const { rttMs } = connections.get(to)?.session ?? {}
      return isLong && rttMs !== undefined ? [{ pair: [host, to], rttMs, usualRttMs }] : []
    })
  )
  const [first] = found.sort((a, b) => b.rttMs / b.usualRttMs - a.rttMs / a.usualRttMs)
  if (first === undefined) return undefined
  const count = (host: string) => found.filter(({ pair }) => pair.includes(host)).length
  const [worst = '', other = ''] = [...first.pair].sort((a, b) => count(b) - count(a))
  const pairs = new Set(found.filter(({ pair }) => pair.includes(worst)).map(({ pair }) => [...pair].sort().join()))
  const answer =
    pairs.size > 1
      ? `Round trips to ${inWords(seen, [worst])}`
      : `${inWords(seen, [worst])} ⇄ ${inWords(seen, [other])}`
  const detail = joined(
    `round trip ${ms(first.rttMs)}, usually ${ms(first.usualRttMs)}`,
    pairs.size > 1 ? `${pairs.size} connections` : ''
  )
  return { answer, detail }
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
  const thrown = events.find(({ handlers, title }) => throws.test(title) && handlers.includes(row.name))
  const name = thrown?.title.split(throws)[1] ?? 'an error'
  const many = calls < fewCalls ? `${Math.round(share * calls)} of ${calls} calls` : `${percent(share)} of its calls`
  const mistake = mistakes > 0 ? `${name}, a mistake in the handler` : ''
  const more = failing.length > 1 ? `${failing.length - 1} other${failing.length > 2 ? 's' : ''}` : ''
  return {
    id,
    severity: share >= manyFail && calls >= fewCalls ? 'bad' : 'warn',
    answer: `${row.name} at ${inWords(seen, [row.where ?? ''])}`,
    detail: joined(`${many} in the last minute`, mistake, more)
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
  return { id, severity, answer, detail: joined(`${handler}: ${why}, for ${age(seen.now - since)}`, more) }
}

function happened({ seen, events }: Picture): Answer {
  const id = 'happened'
  const last = lastOf(events, seen.now, recentMs)
  const [newest] = events
  if (last !== undefined) {
    const detail = joined(`${age(seen.now - last.at)} ago`, last.detail)
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
