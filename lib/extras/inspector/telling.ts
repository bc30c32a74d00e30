/** What happened in words, and how bad it is: one event, or many of one cause with how many and how far they go. */

import type { CreditEvent, Happened, Kind } from './causes.ts'
import type { Severity } from './model.ts'
import { type Parties, partiesOf } from './parties.ts'
import { inWords, joined, ms, nameOf } from './words.ts'

const maxName = 60
/** Shorter turns are worth no look. */
const longTurnMs = 500
/** More servers are not named. */
const mostNamed = 3

export interface Case<Event = Happened> {
  /** The newest. */
  readonly event: Event
  readonly times: number
}

export type Words = readonly [severity: Severity, title: string, detail?: string]

/** Events of one kind, one or more. */
interface Told<Event> {
  readonly hosts: readonly string[]
  readonly events: readonly Event[]
  /** The newest. */
  readonly last: Event
  readonly parties: Parties
  /** How often, where that is more than once; of a reset both ends tell, and it counts once. */
  readonly again: string
}

type Of<Type extends Happened['type']> = Extract<Happened, { readonly type: Type }>
type Tell<Event> = (told: Told<Event>) => Words

/** @param cases of one kind, the newest last */
export function tell(kind: Kind, cases: readonly Case[], hosts: readonly string[]): readonly [Words, Parties] {
  const events = cases.map(({ event }) => event)
  const [last] = events.slice(-1) as [Happened]
  const times = timesOf(cases)
  const parties = partiesOf(events)
  const told = { hosts, events, last, parties, again: times > 1 ? `${times} times` : '' }
  return [(words[kind] as Tell<Happened>)(told), parties]
}

function timesOf(cases: readonly Case[]): number {
  const byPair = new Map<string, Map<string, number>>()
  for (const { event, times } of cases) {
    const pair = [event.local, event.host].sort().join(' ')
    const byTeller = byPair.get(pair) ?? new Map<string, number>()
    byPair.set(pair, byTeller.set(event.local, (byTeller.get(event.local) ?? 0) + times))
  }
  return [...byPair.values()].reduce((sum, byTeller) => sum + Math.max(...byTeller.values()), 0)
}

const words: { readonly [K in Kind]: Tell<never> } = {
  lost: ({ hosts, last, parties }: Told<Of<'state'>>) => {
    const { of, by, pairs, isToldByThem, isMutual } = parties
    if (of.length > mostNamed || (pairs === 1 && isMutual)) {
      const connections = pairs > 1 ? `${pairs} connections` : ''
      return ['bad', `${inWords({ hosts }, [...of, ...by])} lost each other`, joined(connections, last.reason ?? '')]
    }
    return [
      'bad',
      `${inWords({ hosts }, of)} lost ${isToldByThem ? '' : 'by '}${all(hosts, by, of)}`,
      last.reason ?? ''
    ]
  },

  hello: ({ hosts, events, parties }: Told<Of<'hello'>>) => {
    return ['ok', pairsText(hosts, parties, 'connected to'), processesText(events)]
  },

  guestHello: ({ hosts, events }: Told<Of<'hello'>>) => {
    const [servers, guests] = sidesOf(events)
    return ['ok', `${guestsText(guests)} connected to ${inWords({ hosts }, servers)}`, processesText(events)]
  },

  guestClose: ({ hosts, events, last }: Told<Of<'close'>>) => {
    const [servers, guests] = sidesOf(events)
    const lost = events.findLast(({ reason }) => reason !== 'shutdown')
    const { reason, message } = lost ?? last
    const title = `conn${events.length > 1 ? 's' : ''} of ${guestsText(guests)} ended at ${inWords({ hosts }, servers)}`
    return [lost === undefined ? 'info' : 'warn', title, joined(`${reason}: ${message}`, failedText(events))]
  },

  close: ({ hosts, events, last, parties }: Told<Of<'close'>>) => {
    const { of, by, pairs } = parties
    const title =
      of.length > mostNamed
        ? `${pairs} conns among ${of.length + by.length} servers ended`
        : `conn${pairs > 1 ? 's' : ''} of ${inWords({ hosts }, of)} ended at ${all(hosts, by, of)}`
    return ['info', title, joined(`${last.reason}: ${last.message}`, failedText(events))]
  },

  goAway: ({ hosts, events, last }: Told<Of<'goAway'>>) => {
    const [told, going] = sidesOf(events)
    const title = `${inWords({ hosts }, going)} go${going.length > 1 ? '' : 'es'} away`
    return ['info', title, `told to ${all(hosts, told, going)}: ${last.reason}`]
  },

  dial: ({ hosts, events, last, again, parties }: Told<Of<'dial'>>) => {
    const title = `${wayText(hosts, events)} · dial${parties.pairs > 1 ? 's' : ''} failed`
    const messages = [...new Set(events.map(({ error }) => error?.message ?? ''))]
    const said = messages.length > mostNamed ? (last.error?.message ?? '') : joined(...messages)
    return ['info', title, joined(said, again)]
  },

  rtt: ({ hosts, events, last, parties, again }: Told<Of<'rtt'>>) => {
    const { pairs, of, by } = parties
    const [before, now] = [events.map(({ previousMs }) => previousMs), events.map(({ durationMs }) => durationMs)]
    const range = `${rangeOf(before)} → ${rangeOf(now)}`
    if (pairs === 1) return ['info', `${ends(hosts, last)} · round trip ${range}`, again]
    const who =
      of.length > mostNamed
        ? `${pairs} round trips among ${of.length + by.length} servers`
        : `${inWords({ hosts }, of)} ⇄ ${all(hosts, by, of)} · ${pairs} round trips`
    return ['info', `${who} ${range}`, again]
  },

  slowTurn: ({ hosts, events, again }: Told<Of<'slowTurn'>>) => {
    const longest = events.reduce((a, b) => (b.durationMs > a.durationMs ? b : a))
    const [at] = sidesOf(events)
    const far = ms(longest.durationMs)
    const what = at.length > 1 ? `up to ${far}, at ${nameOf(hosts, longest.local)}` : far
    const title = `${inWords({ hosts }, at)} · slow turn${at.length > 1 ? 's' : ''}`
    return [longest.durationMs < longTurnMs ? 'info' : 'warn', title, joined(`the event loop stood for ${what}`, again)]
  },

  refuses: ({ hosts, events, last, again }: Told<Of<'refused'>>) => {
    const [here, there] = sidesOf(events)
    const handlers = events.flatMap(({ handler = '' }) => (handler === '' ? [] : [handler]))
    const title = `${all(hosts, here, there)} refused ${all(hosts, there, here)}`
    return ['warn', joined(title, handlers.length === 0 ? '' : namesOf(handlers)), joined(last.message, again)]
  },

  refused: ({ hosts, events, last, again }: Told<Of<'refused'>>) => {
    const [here, there] = sidesOf(events)
    const were = here.length > 1 ? 'were' : 'was'
    const title = `${all(hosts, here, there)} ${were} refused by ${all(hosts, there, here)}`
    return ['info', title, joined(last.message, again)]
  },

  reset: ({ hosts, events, last, parties, again }: Told<Of<'reset'>>) => {
    const handlers = events.map(({ handler }) => handler)
    const who = parties.pairs === 1 ? ends(hosts, last) : pairsText(hosts, parties, '⇄')
    const what = `reset${parties.pairs > 1 || new Set(handlers).size > 1 ? 's' : ''} of ${namesOf(handlers)}`
    return [
      'info',
      `${who} · ${what}`,
      joined(
        namesOf(
          events.map(({ reason }) => reason),
          'reasons'
        ),
        again
      )
    ]
  },

  mistake: ({ hosts, events, last, again }: Told<Of<'mistake'>>) => {
    const [at, callers] = sidesOf(events)
    const handlers = events.map(({ handler }) => handler)
    const others = events.some(({ name }) => name !== last.name) ? ' and others' : ''
    const verb = new Set(handlers).size > 1 ? 'throw' : 'throws'
    const title = `${inWords({ hosts }, at)} · ${namesOf(handlers)} ${verb} ${brief(last.name)}${others}`
    return ['warn', title, joined(`called by ${inWords({ hosts }, callers)}`, again)]
  },

  credit: ({ hosts, events, last, again }: Told<CreditEvent>) => {
    const handlers = namesOf(events.map(({ handler }) => handler))
    const { length } = events
    const what = length > 1 ? `${length} streams of ${handlers} have` : `${handlers} #${last.id} has`
    return ['warn', `${wayText(hosts, events)} · ${what} no credit`, joined(last.text, again)]
  }
}

type Ends = Pick<Happened, 'local' | 'host'>

/** Who told, and of whom. */
function sidesOf(events: readonly Ends[]): readonly [tellers: string[], abouts: string[]] {
  return [[...new Set(events.map(({ local }) => local))], [...new Set(events.map(({ host }) => host))]]
}

function ends(hosts: readonly string[], { local, host }: Ends): string {
  return `${nameOf(hosts, local)} ⇄ ${nameOf(hosts, host)}`
}

/** Each with whom it is about, where there are few ways; else all of one side, and all of the other one. */
function wayText(hosts: readonly string[], events: readonly Ends[]): string {
  const ways = waysOf(events)
  const few = ways.length <= mostNamed ? ways : [sidesOf(events)]
  return few.map(([from, to]) => `${all(hosts, from, to)} → ${all(hosts, to, from)}`).join(', ')
}

/** Those that tell of the same ones are together. */
function waysOf(events: readonly Ends[]): (readonly [from: string[], to: string[]])[] {
  const ways = new Map<string, readonly [from: string[], to: string[]]>()
  for (const from of new Set(events.map(({ local }) => local))) {
    const to = [...new Set(events.flatMap(({ local, host }) => (local === from ? [host] : [])))].sort()
    const key = to.join(' ')
    ways.set(key, [[...(ways.get(key)?.[0] ?? []), from], to])
  }
  return [...ways.values()]
}

/** Guests are not servers, and each of them may be at several. */
function guestsText(guests: readonly string[]): string {
  return guests.length > mostNamed ? `${guests.length} guests` : inWords({ hosts: [] }, guests)
}

function processesText(events: readonly Of<'hello'>[]): string {
  const processes = new Set(events.map(({ instance }) => instance))
  return processes.size > 1 ? `${processes.size} processes` : `process ${[...processes].join().slice(0, 8)}`
}

function pairsText(hosts: readonly string[], { of, by }: Parties, verb: string): string {
  if (of.length > mostNamed) return `${of.length + by.length} servers ${verb} each other`
  return `${inWords({ hosts }, of)} ${verb} ${all(hosts, by, of)}`
}

/** Names, or that they are all but those: where it is said which ones those are, and else where there are many. */
function all(hosts: readonly string[], names: readonly string[], others: readonly string[]): string {
  const isClear = others.length === 1 || names.length > mostNamed
  const isAll = isClear && names.length > 1 && names.length >= hosts.length - others.length
  return isAll ? `all ${names.length} others` : inWords({ hosts }, names)
}

/** Some, or how many. */
function namesOf(names: readonly string[], what = 'handlers'): string {
  const all = [...new Set(names)]
  return all.length > mostNamed ? `${all.length} ${what}` : all.map(brief).join(', ')
}

function rangeOf(values: readonly number[]): string {
  const [least, most] = [ms(Math.min(...values)), ms(Math.max(...values))]
  return least === most ? least : `${least} to ${most}`
}

/** A name within a title. */
function brief(name: string): string {
  return name.length > maxName ? `${name.slice(0, maxName)}…` : name
}

/** How many calls failed with conns. */
function failedText(events: readonly Of<'close'>[]): string {
  const sum = (of: 'notSent' | 'maybeRan') => events.reduce((all, { failed }) => all + failed[of], 0)
  const [notSent, maybeRan] = [sum('notSent'), sum('maybeRan')]
  return notSent + maybeRan === 0 ? '' : `${notSent + maybeRan} calls failed: ${notSent} notSent, ${maybeRan} maybeRan`
}
