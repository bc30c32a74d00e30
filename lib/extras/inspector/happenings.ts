/** Events of all servers in words, with how bad each is. What several servers tell of one loss is told once. */

import { type CloseEvent, type GridEvent, introspection } from '../../index.ts'
import type { Happening, Severity, Wait } from './model.ts'
import { inWords, joined, ms, nameOf, nameOfKey, shorten } from './words.ts'

const mostKept = 1000
const maxName = 60
/** Servers that lose one host within this time lose it for one reason. */
const togetherMs = 5000
/** What comes again and again is told once in this time, and counted. */
const againMs = 60_000
/** Shorter round trips are no news. */
const leastRttMs = 5
/** Shorter turns are worth no look. */
const longTurnMs = 500

/** Something is told in words while it may still change: `seq` is that of its last change. */
interface Kept extends Happening {
  readonly group?: string
  readonly tellers: readonly string[]
  readonly times: number
}

/** Told by several servers at a time. */
const together = new Set<GridEvent['type']>(['state', 'hello', 'close'])

interface Told {
  readonly at: number
  readonly group: string | undefined
  /** What is told again within this time is told once. */
  readonly limitMs: number
  readonly teller: string
  /** The other end, if it is of one. */
  readonly about: readonly string[]
  readonly handler?: string
}

type Words = readonly [severity: Severity, title: string, detail?: string]

export class Happenings {
  readonly #kept: Kept[] = []
  #seq = 0

  /** The newest first; those that came or changed after `seq`. */
  after(seq: number): Happening[] {
    return this.#kept.filter((each) => each.seq > seq).map(({ tellers: _, group: __, times: ___, ...told }) => told)
  }

  get seq(): number {
    return this.#seq
  }

  /** @param offsetMs what to add to its moment to have it by the clock here */
  add(event: GridEvent, offsetMs: number, hosts: readonly string[]): void {
    // Looking is no work of the grid.
    if ('subroute' in event && event.subroute === introspection.subroute) return
    const { type, local: teller, host } = event
    const handler = 'handler' in event && event.handler !== undefined ? event.handler : undefined
    this.#keep(
      {
        ...{ at: event.at + offsetMs, group: groupOf(event), teller },
        ...{ limitMs: together.has(type) ? togetherMs : againMs, about: type === 'slowTurn' ? [] : [host] },
        ...(handler === undefined ? {} : { handler })
      },
      (tellers, times) => toWords(event, { hosts, tellers, times })
    )
  }

  /** Something that no server tells, as nobody else sees both ends: a stream has no credit. */
  addWait({ key, who, whom, handler, handlerKey, id, since, bar }: Wait, hosts: readonly string[]): void {
    const [teller = ''] = who
    const title = `${nameOf(hosts, teller)} → ${nameOf(hosts, whom)} · ${brief(handler)} #${id} has no credit`
    const lie = bar === undefined ? '' : `${bar.unread} of ${bar.capacity} ${bar.unit} wait to be taken`
    const about = { at: since, group: `credit ${key}`, teller, limitMs: againMs, about: [whom] }
    this.#keep({ ...about, handler: nameOfKey(handlerKey) }, (_, times) => {
      return ['warn', title, joined(lie, times > 1 ? `${times} times` : '')]
    })
  }

  #keep(
    { at, group, limitMs, teller, about, handler }: Told,
    toTell: (tellers: string[], times: number) => Words | undefined
  ): void {
    const known =
      group === undefined
        ? undefined
        : this.#kept.find((each) => each.group === group && Math.abs(each.at - at) < limitMs)
    const tellers = [...new Set([...(known?.tellers ?? []), teller])]
    const times = (known?.times ?? 0) + 1
    const words = toTell(tellers, times)
    if (words === undefined) return
    const [severity, title, detail = ''] = words
    const seq = ++this.#seq
    if (known !== undefined) this.#kept.splice(this.#kept.indexOf(known), 1)
    const place = this.#kept.findIndex((each) => each.at <= at)
    const kept: Kept = {
      ...{ seq, id: known?.id ?? seq, at, severity, title: shorten(title), detail: shorten(detail) },
      ...{ hosts: about.length === 0 ? [teller] : [...tellers, ...about], tellers, times },
      ...(handler === undefined ? {} : { handler }),
      ...(group === undefined ? {} : { group })
    }
    this.#kept.splice(place < 0 ? this.#kept.length : place, 0, kept)
    if (this.#kept.length > mostKept) this.#kept.pop()
  }
}

function groupOf(event: GridEvent): string | undefined {
  const { type, host, local } = event
  if (type === 'state') return event.previous === 'connected' ? `lost ${host}` : undefined
  if (type === 'hello') return `hello ${host} ${event.instance}`
  if (type === 'close') return `close ${host} ${event.reason}`
  if (type === 'mistake') return `mistake ${local} ${event.subroute} ${event.handler} ${event.name}`
  if (type === 'reset') return `reset ${local} ${host} ${event.subroute} ${event.handler} ${event.reason}`
  if (type === 'refused') return `refused ${local} ${host} ${event.reason} ${event.handler ?? ''}`
  if (type === 'slowTurn') return `slowTurn ${local}`
  if (type === 'rtt') return `rtt ${[local, host].sort().join(' ')}`
  if (type === 'dial') return event.error === undefined ? undefined : `dial ${local} ${host} ${event.error.code}`
  return undefined
}

interface Around {
  readonly hosts: readonly string[]
  readonly tellers: readonly string[]
  readonly times: number
}

/** Undefined for what other events tell as well. */
function toWords(event: GridEvent, around: Around): Words | undefined {
  const { hosts, tellers, times } = around
  const [here, there] = [nameOf(hosts, event.local), nameOf(hosts, event.host)]
  const by =
    tellers.length > 1 && tellers.length >= hosts.length - 1
      ? `all ${tellers.length} others`
      : inWords({ hosts }, tellers)
  const again = times > 1 ? `${times} times` : ''
  switch (event.type) {
    case 'state':
      if (event.previous !== 'connected' || event.state === 'closed') return undefined
      return ['bad', `${there} lost by ${by}`, event.reason]
    case 'hello':
      return ['ok', `${there} connected to ${by}`, `process ${event.instance.slice(0, 8)}`]
    case 'dial':
      if (event.error === undefined) return undefined
      return ['info', `${here} → ${there} · dial failed`, joined(event.error.message, again)]
    case 'goAway':
      return event.direction === 'outbound'
        ? undefined
        : ['info', `${there} goes away`, `told to ${here}: ${event.reason}`]
    case 'close':
      return ['info', `conn of ${there} ended at ${by}`, joined(`${event.reason}: ${event.message}`, failedText(event))]
    case 'rtt':
      if (event.durationMs < leastRttMs || event.host === event.local) return undefined
      return ['info', `${here} ⇄ ${there} · round trip ${ms(event.previousMs)} → ${ms(event.durationMs)}`, again]
    default:
      return otherWords(event, here, there, again)
  }
}

function otherWords(event: GridEvent, here: string, there: string, again: string): Words | undefined {
  switch (event.type) {
    case 'refused':
      return event.direction === 'inbound'
        ? [
            'warn',
            `${here} refused ${there}${event.handler === undefined ? '' : ` · ${brief(event.handler)}`}`,
            joined(event.message, again)
          ]
        : ['info', `${here} was refused by ${there}`, joined(event.message, again)]
    case 'reset':
      return ['info', `${here} ⇄ ${there} · reset of ${brief(event.handler)}`, joined(event.reason, again)]
    case 'slowTurn':
      return [
        event.durationMs < longTurnMs ? 'info' : 'warn',
        `${here} · slow turn`,
        joined(`the event loop stood for ${ms(event.durationMs)}`, again)
      ]
    case 'mistake':
      return [
        'warn',
        `${here} · ${brief(event.handler)} throws ${brief(event.name)}`,
        joined(`called by ${there}`, again)
      ]
    default:
      return undefined
  }
}

/** A name within a title. */
function brief(name: string): string {
  return name.length > maxName ? `${name.slice(0, maxName)}…` : name
}

/** How many calls failed with a conn. */
function failedText({ failed }: CloseEvent): string {
  const { notSent, maybeRan } = failed
  return notSent + maybeRan === 0 ? '' : `${notSent + maybeRan} calls failed: ${notSent} notSent, ${maybeRan} maybeRan`
}

export function lastOf(events: readonly Happening[], now: number, mostMs: number): Happening | undefined {
  const recent = events.filter(({ at }) => now - at < mostMs)
  return recent.find(({ severity }) => severity === 'bad') ?? recent.find(({ severity }) => severity === 'warn')
}
