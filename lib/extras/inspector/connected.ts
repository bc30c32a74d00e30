/** The first answer: is everybody connected. The first finding that holds is told; each holds for a while before it is one. */

import { isFresh, reachedBy, type Seen, sinceOf } from './matrix.ts'
import type { Answer, ServerFigures, Severity } from './model.ts'
import type { Picture } from './picture.ts'
import type { Watcher } from './watcher.ts'
import { age, inWords, joined, nameOf } from './words.ts'

/** A pair that is not connected for less is on its way. */
const briefMs = 1000
/** Two ends of which one is told later than the other. */
const differMs = 2000
/** Nothing was heard for so many intervals of pings. After two the connection is lost. */
const silentIntervals = 1.5
/** Figures come once a second: with short intervals that is more than half of one. */
const leastSilentMs = 1500
const defaultKeepAliveMs = 5000
const manyReconnects = 3

type Finding = readonly [severity: Severity, answer: string, ...details: readonly string[]]
type Find = (picture: Picture, told: string, odd: string) => Finding | undefined

const finders: readonly Find[] = [gone, apart, differing, silent, unlisted, unknownHosts, telling, flapping, alone]

export function connected(picture: Picture): Answer {
  const { seen, servers } = picture
  const answering = servers.filter(({ state }) => state === 'answers').length
  const told = `${answering} of ${seen.hosts.length} answer`
  const odd = oddOf(picture)
  for (const find of finders) {
    const found = find(picture, told, odd)
    if (found === undefined) continue
    const [severity, answer, ...details] = found
    return { id: 'connected', severity, answer, detail: joined(...details) }
  }
  return allWell(picture)
}

function allWell({ seen, cells }: Picture): Answer {
  const { hosts, now } = seen
  const youngest = cells.reduce((most, { since = 0 }) => Math.max(most, since), 0)
  const pairs = (hosts.length * (hosts.length - 1)) / 2
  const detail = `${pairs} connection${pairs > 1 ? 's' : ''}, the youngest for ${age(now - youngest)}`
  return { id: 'connected', severity: 'ok', answer: `Yes, all ${hosts.length}`, detail }
}

/** Those that are connected, or were a moment ago, and tell nothing. */
function oddOf({ seen, servers }: Picture): string {
  const odd = servers.filter(({ state }) => state === 'refuses' || state === 'silent').map(({ host }) => host)
  return odd.length === 0 ? '' : `${inWords(seen, odd)} tell${odd.length > 1 ? '' : 's'} nothing`
}

/** Since when nobody is connected to it: since the last one lost it, or since the first one looks for it; 0 where nobody tells. */
function lostAt({ watchers }: Seen, host: string): number {
  const views = [...watchers.values()].flatMap((watcher) => {
    const connection = watcher.connections.get(host)
    return connection === undefined ? [] : [{ at: sinceOf(watcher, connection), lastSeenAt: connection.lastSeenAt }]
  })
  const losses = views.flatMap(({ at, lastSeenAt }) => (lastSeenAt === undefined ? [] : [at]))
  if (losses.length > 0) return Math.max(...losses)
  return views.length === 0 ? 0 : Math.min(...views.map(({ at }) => at))
}

function gone({ seen, servers, events }: Picture, told: string, odd: string): Finding | undefined {
  const { now } = seen
  const all = servers
    .filter(({ state, host }) => state === 'away' && reachedBy(seen, host).length === 0)
    .filter(({ host }) => now - lostAt(seen, host) >= briefMs)
  const [first] = all
  if (first === undefined) return undefined
  const names = inWords(
    seen,
    all.map(({ host }) => host)
  )
  const since = lostAt(seen, first.host)
  const lost = since > 0 ? `not connected for ${age(now - since)}` : ''
  const dials = events.find(({ title }) => title.endsWith(`→ ${nameOf(seen.hosts, first.host)} · dial failed`))?.detail
  // In one word where there is one.
  const why = dials === undefined ? '' : `dials fail: ${/\bE[A-Z]{4,}\b/.exec(dials)?.[0] ?? dials.slice(0, 60)}`
  return ['bad', `No: ${names} ${all.length > 1 ? 'are' : 'is'} gone`, lost, why, told, odd]
}

function apart({ seen, cells }: Picture, told: string, odd: string): Finding | undefined {
  const { now } = seen
  const all = cells.filter(
    ({ state, since = 0, differs }) => state === 'try' && differs !== true && now - since >= briefMs
  )
  const [first] = all
  if (first === undefined) return undefined
  const { from, to, since = now, why = '' } = first
  const others = all.filter((cell) => cell !== first && (cell.from !== to || cell.to !== from)).length
  const more = others === 0 ? '' : `${others} more views like it`
  const answer = `No: ${inWords(seen, [from])} does not reach ${inWords(seen, [to])}`
  return ['warn', answer, `for ${age(now - since)}`, why, more, told, odd]
}

function differing({ seen, cells }: Picture, told: string): Finding | undefined {
  const { now } = seen
  const found = cells.find(({ state, differs, since = now }) => differs && state !== 'up' && now - since >= differMs)
  if (found === undefined) return undefined
  const { from, to, since = now } = found
  const says = `${inWords(seen, [to])} says connected, ${inWords(seen, [from])} does not`
  return ['warn', 'Both ends differ', says, `for ${age(now - since)}`, 'the next ping finds out', told]
}

/** For how long a server has heard nothing of another one that it is connected to; nothing where that is usual. */
function silenceOf({ stats, connections }: Watcher, host: string): number | undefined {
  const { state, lastSeenAt } = connections.get(host) ?? {}
  if (stats === undefined || state !== 'connected' || lastSeenAt === undefined) return undefined
  const { keepAliveMs = defaultKeepAliveMs } = stats
  const silentMs = stats.at - lastSeenAt
  return silentMs >= Math.max(silentIntervals * keepAliveMs, keepAliveMs + leastSilentMs) ? silentMs : undefined
}

function silent({ seen }: Picture, told: string): Finding | undefined {
  const found = freshViews(seen).flatMap(([watcher, to]) => {
    const ms = silenceOf(watcher, to)
    return ms === undefined ? [] : [{ from: watcher.host, to, ms }]
  })
  const [first] = found.sort((a, b) => b.ms - a.ms)
  if (first === undefined) return undefined
  const by = found.filter(({ to }) => to === first.to).map(({ from }) => from)
  const has = by.length > 1 ? 'have' : 'has'
  const answer = `${inWords(seen, [first.to])} is silent`
  return ['warn', answer, `${inWords(seen, by)} ${has} heard nothing for ${age(first.ms)}`, told]
}

function* viewsOf(seen: Seen): Generator<[Watcher, string]> {
  for (const watcher of seen.watchers.values()) {
    if (isFresh(seen, watcher)) for (const host of watcher.connections.keys()) yield [watcher, host]
  }
}

function freshViews(seen: Seen): [Watcher, string][] {
  return [...viewsOf(seen)].filter(([, host]) => seen.hosts.includes(host))
}

function unlisted({ seen, cells, servers }: Picture, told: string): Finding | undefined {
  const answers = new Set(servers.filter(({ state }) => state === 'answers').map(({ host }) => host))
  const found = cells.find(({ state, from }) => state === 'unknown' && answers.has(from))
  if (found === undefined) return undefined
  return [
    'warn',
    'The lists of hosts differ',
    `${inWords(seen, [found.from])} does not know ${inWords(seen, [found.to])}`,
    told
  ]
}

/** A host that others know, and this server does not: it is no row of the matrix. */
function unknownHosts({ seen }: Picture, told: string): Finding | undefined {
  const known = new Set(seen.hosts)
  for (const [{ host }, to] of viewsOf(seen)) {
    if (known.has(to)) continue
    const here = inWords(seen, [seen.grid.local])
    return [
      'warn',
      'The lists of hosts differ',
      `${inWords(seen, [host])} knows ${inWords(seen, [to])}, ${here} does not`,
      told
    ]
  }
  return undefined
}

function telling({ servers }: Picture, told: string, odd: string): Finding | undefined {
  if (odd === '') return undefined
  const [{ note }] = servers.filter(({ state }) => state === 'refuses' || state === 'silent') as [ServerFigures]
  return ['warn', `Yes, but ${odd}`, told, note]
}

function flapping({ seen }: Picture): Finding | undefined {
  const found = freshViews(seen).map(([watcher, to]) => {
    const inAll = watcher.connections.get(to)?.reconnects ?? 0
    const now = seen.now - watcher.offsetMs
    return { from: watcher.host, to, times: watcher.links.get(to)?.reconnects(now, inAll) ?? 0 }
  })
  const [first] = found.sort((a, b) => b.times - a.times)
  if (first === undefined || first.times < manyReconnects) return undefined
  const answer = `Yes, but ${inWords(seen, [first.from])} and ${inWords(seen, [first.to])} reconnect`
  return ['warn', answer, `${first.times} times in 5 minutes`]
}

function alone({ seen }: Picture): Finding | undefined {
  if (seen.hosts.length > 1) return undefined
  return ['ok', `${inWords(seen, [seen.grid.local])} is alone`, 'its list holds no other server']
}
