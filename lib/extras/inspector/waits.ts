/** Who waits for whom, for longer than a second: in words, the worst first. Streams that are only quiet are no alarm. */

import type { StreamInfo } from '../../index.ts'
import type { Merged } from './handlers.ts'
import { verySlow } from './handlers.ts'
import { barOf, causeOf, type Half, halvesOf, severityOf, type Told, waitMs } from './lanes.ts'
import type { Seen } from './matrix.ts'
import type { Bar, Wait } from './model.ts'
import { keyOf } from './tracked.ts'
import { usualOf } from './tracker.ts'
import { inWords, ms, shorten, size } from './words.ts'

/** A request that runs so long without anybody knowing what is usual for its handler. */
const longMs = 10_000
/** A quiet stream is told after so long. */
const quietMs = 5000
const mostTold = 50

export interface Waits {
  readonly waits: readonly Wait[]
  readonly quiet: readonly Wait[]
}

export function waitsOf(told: readonly Told[], handlers: readonly Merged[], seen: Seen): Waits {
  const { hosts } = seen
  const halves = halvesOf(told).filter(({ info }) => info.kind === 'streaming' || info.side === 'handler')
  const found = halves.flatMap((half) => toWait(half, seen))
  const waits = [...found.filter(({ cause }) => cause !== 'producer'), ...requestWaits(told, handlers, hosts)]
  const byLength = (a: Wait, b: Wait) => a.since - b.since
  return {
    waits: waits.sort(byLength).slice(0, mostTold),
    quiet: found
      .filter(({ cause }) => cause === 'producer')
      .sort(byLength)
      .slice(0, mostTold)
  }
}

function toWait(half: Half, seen: Seen): Wait[] {
  const found = causeOf(half)
  const { from, to, info, at, key, direction } = half
  if (found === undefined || found.cause === 'consumer' || info.kind === 'single') return []
  const { cause, waitedMs } = found
  if (waitedMs < (cause === 'producer' ? quietMs : waitMs.warn)) return []
  const bar = barOf(half)
  const [sender, taker] = direction === 'responses' ? ['the handler', 'the consumer'] : ['the caller', 'the handler']
  const name = (host: string) => inWords(seen, [host])
  const queueBytes = seen.watchers.get(from)?.connections.get(to)?.session?.sendQueueBytes ?? 0
  const queue = queueBytes === 0 ? 'its turn' : `${size(queueBytes)} before it`
  const why = {
    credit: `${taker} at ${name(to)} has taken nothing; ${sender} at ${name(from)} stands, for the window is full`,
    socket: `it may send${bar === undefined ? '' : ` ${freeText(bar)} more`}, but ${queue} waits for the socket to ${name(to)}`,
    producer: `the window is open and ${sender} at ${name(from)} has sent nothing`
  }[cause]
  const isQuiet = cause === 'producer'
  return [
    {
      ...{ key, cause, why, handler: nameOfCall(info), handlerKey: keyOf(info), id: info.id },
      ...{ severity: isQuiet ? 'info' : severityOf(waitedMs), since: stepped(at - waitedMs) },
      ...(isQuiet ? { who: [to], whom: from } : { who: [from], whom: to }),
      ...(bar === undefined ? {} : { bar })
    }
  ]
}

function freeText({ unit, free }: Bar): string {
  return unit === 'bytes' ? size(free) : String(free)
}

export function nameOfCall({ subroute, handler }: Pick<StreamInfo, 'subroute' | 'handler'>): string {
  return shorten(subroute === '' ? handler : `${subroute}/${handler}`)
}

/** Two samples of one moment differ by little: it is told again when it is another one. */
function stepped(moment: number): number {
  return Math.round(moment / 250) * 250
}

/** Callers that wait for a handler which takes much longer than it usually does. */
function requestWaits(told: readonly Told[], handlers: readonly Merged[], hosts: readonly string[]): Wait[] {
  const usual = new Map(handlers.map((row) => [row.key, usualOf(row.usual)]))
  const groups = new Map<string, Told[]>()
  for (const each of told) {
    const { info, server } = each
    if (info.side !== 'handler' || info.kind !== 'single' || info.subroute === '$grid') continue
    const usualMs = usual.get(keyOf(info))
    const least = usualMs === undefined ? longMs : Math.max(verySlow.ms, usualMs * verySlow.times)
    if (info.ageMs < least) continue
    const key = `handler ${server} ${keyOf(info)}`
    groups.set(key, [...(groups.get(key) ?? []), each])
  }
  return [...groups].map(([key, group]) => {
    const [first] = group as [Told]
    const { info, server } = first
    const oldest = group.reduce((a, b) => (b.info.ageMs > a.info.ageMs ? b : a))
    const usualMs = usual.get(keyOf(info))
    const count = group.length === 1 ? 'a request runs' : `${group.length} requests run`
    const than = usualMs === undefined ? '' : `; usually ${ms(usualMs)}`
    return {
      ...{ key, cause: 'handler' as const, severity: 'warn' as const, whom: server },
      who: [...new Set(group.map((each) => each.info.host))],
      ...{ handler: nameOfCall(info), handlerKey: keyOf(info) },
      since: stepped(oldest.at - oldest.info.ageMs),
      why: `${count} at ${inWords({ hosts }, [server])}${than}`
    }
  })
}
