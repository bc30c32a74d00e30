/** One connection, as both of its servers tell of it: its streams, its windows and who waits, its figures, its last events. */

import type { ConnectionStats } from '../../index.ts'
import { barOf, causeOf, type Half, halvesOf, type Rates, severityOf, type Told, waitMs, wordsOf } from './lanes.ts'
import { isFresh, lastError, nextDialOf, sinceOf } from './matrix.ts'
import type { ConnectionDetail, EndRow, Lane, Severity } from './model.ts'
import type { Observer } from './observer.ts'
import { streamsOf } from './open-calls.ts'
import { keyOf } from './tracked.ts'
import { nameOfCall } from './waits.ts'
import type { Watcher } from './watcher.ts'
import { age, inWords, joined, ms, nameOf, nextDial, size } from './words.ts'

const streamsAsked = 200
const lanesTold = 40
const eventsTold = 40

/** Rates are over this time at least. */
const leastMs = 900

/** Messages of a lane until then. */
interface Sample {
  readonly atMs: number
  readonly sent: number | undefined
  readonly taken: number | undefined
  readonly rates: Rates
}

/** What it has to remember between two answers: messages so far, to make rates of them. */
export class ConnectionLooker {
  readonly #observer: Observer
  readonly #a: string
  readonly #b: string
  #samples: ReadonlyMap<string, Sample> = new Map()

  constructor(observer: Observer, a: string, b: string) {
    this.#observer = observer
    this.#a = a
    this.#b = b
  }

  async look(): Promise<ConnectionDetail> {
    const [observer, a, b] = [this.#observer, this.#a, this.#b]
    const ends = [observer.watchers.get(a), observer.watchers.get(b)] as const
    const hosts = [b, a]
    const told = await Promise.all(
      ends.map((watcher, at) =>
        watcher !== undefined && isFresh(observer.seen, watcher)
          ? streamsOf(watcher, { host: hosts[at] as string, max: streamsAsked })
          : []
      )
    )
    const all = told.flat().filter(({ info }) => info.subroute !== '$grid')
    const halves = halvesOf(all).filter(({ info }) => info.kind === 'streaming')
    this.#samples = new Map(halves.map((half) => [half.key, sampleOf(half, this.#samples.get(half.key))]))
    const lanes = halves
      .map((half) => toLane(half, observer.hosts, this.#samples.get(half.key)?.rates ?? {}))
      .sort((x, y) => weight(y) - weight(x))
    return {
      ...{ at: Date.now(), a, b, title: titleOf(observer, a, b), open: openText(all, lanes.length) },
      lanes: lanes.slice(0, lanesTold),
      rows: rowsOf(observer, ends, a, b),
      events: observer.happenings.between(a, b).slice(0, eventsTold)
    }
  }
}

function sampleOf({ sending, receiving }: Half, before: Sample | undefined): Sample {
  const atMs = performance.now()
  if (before !== undefined && atMs - before.atMs < leastMs) return before
  const sent = sending?.totalMessages
  const { totalMessages: arrived, unread } = receiving ?? {}
  const taken = arrived === undefined ? undefined : arrived - (unread?.messages ?? 0)
  const rate = (now: number | undefined, then: number | undefined) =>
    now === undefined || then === undefined || before === undefined
      ? undefined
      : (Math.max(0, now - then) / (atMs - before.atMs)) * 1000
  const [sentRate, takenRate] = [rate(sent, before?.sent), rate(taken, before?.taken)]
  const rates = {
    ...(sentRate === undefined ? {} : { sent: sentRate }),
    ...(takenRate === undefined ? {} : { taken: takenRate })
  }
  return { atMs, sent, taken, rates }
}

/** Those that wait come first, then those that carry most. */
function weight({ severity, totalBytes }: Lane): number {
  return { bad: 2e18, warn: 1e18, info: 0, ok: 0 }[severity] + totalBytes
}

function openText(told: readonly Told[], lanes: number): string {
  const callers = told.filter(({ info }) => info.side === 'caller')
  const requests = callers.filter(({ info }) => info.kind === 'single')
  const streams = callers.length - requests.length
  const oldest = Math.max(0, ...requests.map(({ info }) => info.ageMs))
  const shown = lanes > lanesTold ? `, the ${lanesTold} directions that wait or carry most are shown` : ''
  const under =
    requests.length === 0
      ? 'no request'
      : `${requests.length} request${requests.length === 1 ? '' : 's'}, the oldest for ${ms(oldest)},`
  return `${streams} stream${streams === 1 ? '' : 's'} open${shown} · ${under} under way`
}

function toLane(half: Half, hosts: readonly string[], rates: Rates): Lane {
  const { key, direction, from, to, info, at, sending, receiving } = half
  const found = causeOf(half)
  const bar = barOf(half)
  const waitedMs = found?.waitedMs ?? 0
  const name = (host: string) => nameOf(hosts, host)
  const isStopped = found !== undefined && (found.cause === 'credit' || found.cause === 'socket')
  const isWaiting = waitedMs >= waitMs.warn
  const [who, whom] = found?.cause === 'producer' ? [to, from] : [from, to]
  const flows = found?.cause === 'consumer' ? 'reads ahead' : 'flows'
  const tells = isWaiting && found?.cause !== 'consumer'
  return {
    ...{ key, direction, from, to, handler: nameOfCall(info), handlerKey: keyOf(info), id: info.id },
    ...{ openedAt: Math.round((at - info.ageMs) / 1000) * 1000, ...wordsOf(half, rates) },
    totalBytes: sending?.totalBytes ?? receiving?.totalBytes ?? 0,
    ...messagesOf(sending ?? receiving),
    severity: isStopped ? severityOf(waitedMs) : 'ok',
    verdict: tells ? `${name(who)} waits for ${name(whom)}` : flows,
    ...(tells ? { since: Math.round((at - waitedMs) / 250) * 250 } : {}),
    ...(isStopped && isWaiting
      ? { blame: found.cause === 'credit' ? ('receiver' as const) : ('sender' as const) }
      : {}),
    ...(bar === undefined ? {} : { bar })
  }
}

function messagesOf(half: Half['sending']): Pick<Lane, 'totalMessages'> {
  return half?.totalMessages === undefined ? {} : { totalMessages: half.totalMessages }
}

function titleOf(observer: Observer, a: string, b: string): { severity: Severity; text: string } {
  const { seen, watchers } = observer
  const [of, other] = [watchers.get(a)?.connections.get(b), watchers.get(b)?.connections.get(a)]
  const watcher = of === undefined ? watchers.get(b) : watchers.get(a)
  const told = of ?? other
  if (told === undefined || watcher === undefined) return { severity: 'warn', text: 'neither end tells of it' }
  const since = age(seen.now - sinceOf(watcher, told))
  if (told.state !== 'connected') {
    const why = lastError(seen.grid, a === seen.grid.local ? b : a)
    const dials = nextDial(nextDialOf(told, watcher), seen.now, inWords(seen, [of === undefined ? a : b]))
    return { severity: 'bad', text: joined(`not connected for ${since}${why === undefined ? '' : `: ${why}`}`, dials) }
  }
  const differs = other !== undefined && of !== undefined && other.state !== of.state && isFresh(seen, watchers.get(b))
  if (differs) return { severity: 'warn', text: `both ends differ: ${inWords(seen, [b])} says ${other.state}` }
  const rtt = told.session?.rttMs
  return { severity: 'ok', text: `connected for ${since}${rtt === undefined ? '' : `, round trip ${ms(rtt)}`}` }
}

type Read = (of: ConnectionStats, watcher: Watcher, now: number) => string

const figures: readonly (readonly [name: string, read: Read])[] = [
  ['state', (of) => of.state],
  ['connected, or not, for', (of, watcher, now) => age(now - sinceOf(watcher, of))],
  ['last sign of life', lastSign],
  ['round trip', ({ session }) => (session?.rttMs === undefined ? '–' : ms(session.rttMs))],
  ['dials', dials],
  ['reconnects', (of) => String(of.reconnects)],
  ['process of the other end', ({ instance }) => instance?.slice(0, 8) ?? '–'],
  ['open, opened here', ({ session }) => (session === undefined ? '–' : String(session.outboundStreams))],
  ['handlers running', ({ session }) => (session === undefined ? '–' : String(session.runningHandlers))],
  ['send queue', ({ session }) => (session === undefined ? '–' : queue(session))],
  ['sent', ({ totals }) => `${totals.messagesOut} messages, ${size(totals.bytesOut)}`],
  ['refusals', ({ totals }) => String(totals.refusals)]
]

function dials(of: ConnectionStats, watcher: Watcher, now: number): string {
  if (of.isDialer === undefined) return '–'
  return of.isDialer ? joined('this end', nextDial(nextDialOf(of, watcher), now, '')) : 'the other end'
}

function lastSign(of: ConnectionStats, { stats }: Watcher): string {
  return of.lastSeenAt === undefined || stats === undefined ? '–' : `${age(stats.at - of.lastSeenAt)} ago`
}

function queue({ sendQueueBytes, sendQueueStreams }: NonNullable<ConnectionStats['session']>): string {
  return `${size(sendQueueBytes)}${sendQueueStreams === 0 ? '' : `, ${sendQueueStreams} streams`}`
}

function rowsOf(
  { seen }: Observer,
  ends: readonly [Watcher | undefined, Watcher | undefined],
  a: string,
  b: string
): EndRow[] {
  const others = [b, a]
  return figures.map(([name, read]) => {
    const [x = '–', y = '–'] = ends.map((watcher, at) => {
      const of = watcher?.connections.get(others[at] as string)
      if (watcher === undefined || of === undefined) return 'not told'
      const isOld = !isFresh(seen, watcher)
      return isOld
        ? `${read(of, watcher, watcher.heardAt ?? 0)} (${age(seen.now - (watcher.heardAt ?? 0))} old)`
        : read(of, watcher, seen.now)
    })
    return [name, x, y]
  })
}
