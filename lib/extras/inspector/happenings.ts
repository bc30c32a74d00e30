/**
 * What happened, of all servers, as rows in words. What one cause does is one row: what is the same again, or shares a server
 * or a handler with what a row tells at that time, joins it. So a server that dies, stalls or is deployed is a few rows,
 * however many others tell of it; and where ever more rows would begin at a time, the last of them has the rest.
 */

import { type GridEvent, introspection } from '../../index.ts'
import { type Cause, causeOf, type Happened, type Kind } from './causes.ts'
import type { Happening, Wait } from './model.ts'
import type { Parties } from './parties.ts'
import { type Case, tell } from './telling.ts'
import { nameOfKey, shorten } from './words.ts'

const mostKept = 1000
/** Rows of one kind that begin within the time in which its events belong together. */
const mostAtATime = 8
/** So many different events of a row are known apart, and so many of all rows: what is more only makes them new. */
const mostCases = 2000
const mostCasesInAll = 8000
/** A row that is settled knows so many of its handlers. */
const mostHandlers = 200

interface Row {
  readonly id: number
  readonly kind: Kind
  readonly beganAt: number
  readonly isRest: boolean
  /** By what is the same again; none once it is settled. */
  readonly cases: Map<string, Case>
  /** What its cases have in common. */
  readonly shared: Set<string>
  /** Of its last change. */
  seq: number
  at: number
  /** Its words, once they were asked for. */
  told: Told | undefined
}

/** With what it is about. */
export interface Known extends Happening {
  readonly hosts: readonly string[]
  /** By their names; none where it is not about handlers. */
  readonly handlers: readonly string[]
}

interface Told {
  readonly happening: Known
  readonly parties: Parties
}

export class Happenings {
  #rows: Row[] = []
  #ids = 0
  #cases = 0
  #seq = 0
  #hosts: readonly string[] = []

  /** The newest first. */
  get all(): readonly Known[] {
    return this.#newest().map((row) => this.#told(row).happening)
  }

  /** Of one connection, or of one of its two servers alone. */
  between(a: string, b: string): Happening[] {
    const told = this.#newest().map((row) => this.#told(row))
    return told
      .filter(({ parties }) => isBetween(parties, a, b))
      .map(({ happening: { hosts: _, handlers: __, ...happening } }) => happening)
  }

  /** @param offsetMs what to add to its moment to have it by the clock here */
  add(event: GridEvent, offsetMs: number, hosts: readonly string[]): void {
    // Looking is no work of the grid.
    if ('subroute' in event && event.subroute === introspection.subroute) return
    this.#hosts = hosts
    this.#take(event, event.at + offsetMs)
  }

  /** Something that no server tells, as nobody else sees both ends: a stream has no credit. */
  addWait({ key, who, whom, handlerKey, id, since, bar }: Wait, hosts: readonly string[]): void {
    const [local = ''] = who
    this.#hosts = hosts
    const text = bar === undefined ? '' : `${bar.unread} of ${bar.capacity} ${bar.unit} wait to be taken`
    this.#take({ type: 'credit', at: since, local, host: whom, handler: nameOfKey(handlerKey), id, key, text }, since)
  }

  #take(told: Happened, at: number): void {
    const event = cut(told, this.#hosts)
    const cause = causeOf(event)
    if (cause === undefined) return
    this.#settle()
    const row = this.#rowOf(cause, at) ?? this.#begin(cause, at)
    row.seq = ++this.#seq
    row.at = Math.max(row.at, at)
    row.told = undefined
    const before = row.cases.get(cause.same)
    if (before === undefined && row.cases.size >= mostCases) return
    if (before === undefined) this.#cases++
    for (const each of cause.shared) row.shared.add(each)
    // The newest last.
    row.cases.delete(cause.same)
    row.cases.set(cause.same, { event, times: (before?.times ?? 0) + 1 })
  }

  /** The row that tells of the same cause, with all that turn out to have it too; undefined where another one begins. */
  #rowOf({ kind, same, shared, limitMs }: Cause, at: number): Row | undefined {
    const near = this.#near(kind, limitMs, at)
    const known = near.find(({ cases }) => cases.has(same))
    if (known !== undefined) return known
    const [first, ...others] = near.filter((row) => shared.some((each) => row.shared.has(each)))
    for (const other of others) this.#merge(first as Row, other)
    return first ?? near.find(({ isRest, cases }) => isRest && cases.size > 0)
  }

  #near(kind: Kind, limitMs: number, at: number): Row[] {
    return this.#rows.filter((row) => row.kind === kind && Math.abs(row.beganAt - at) < limitMs)
  }

  #merge(row: Row, other: Row): void {
    for (const [same, { event, times }] of other.cases) {
      const own = row.cases.get(same)
      if (own !== undefined) this.#cases--
      row.cases.set(same, { event, times: times + (own?.times ?? 0) })
    }
    for (const each of other.shared) row.shared.add(each)
    row.at = Math.max(row.at, other.at)
    this.#rows = this.#rows.filter((each) => each !== other)
  }

  #begin({ kind, limitMs }: Cause, at: number): Row {
    const near = this.#near(kind, limitMs, at)
    const row: Row = {
      ...{
        id: ++this.#ids,
        kind,
        beganAt: at,
        isRest: near.length >= mostAtATime,
        cases: new Map(),
        shared: new Set()
      },
      ...{ seq: 0, at, told: undefined }
    }
    this.#rows.push(row)
    if (this.#rows.length > mostKept) {
      const oldest = this.#rows.reduce((a, b) => (b.at < a.at ? b : a))
      this.#forget(oldest)
      this.#rows = this.#rows.filter((each) => each !== oldest)
    }
    return row
  }

  /** Where there is too much to remember, the rows that changed least of late keep their words alone. */
  #settle(): void {
    if (this.#cases < mostCasesInAll) return
    const open = this.#rows.filter(({ cases }) => cases.size > 0).sort((a, b) => a.seq - b.seq)
    for (const row of open) {
      if (this.#cases < mostCasesInAll / 2) return
      row.told = settled(this.#told(row), this.#hosts)
      this.#forget(row)
    }
  }

  #forget({ cases, shared }: Row): void {
    this.#cases -= cases.size
    cases.clear()
    shared.clear()
  }

  #newest(): Row[] {
    return [...this.#rows].sort((a, b) => b.at - a.at || b.id - a.id)
  }

  #told(row: Row): Told {
    if (row.told !== undefined) return row.told
    const { id, at, kind } = row
    const cases = [...row.cases.values()]
    const [[severity, title, detail = ''], parties] = tell(kind, cases, this.#hosts)
    const happening = {
      ...{
        id,
        at,
        severity,
        title: shorten(title),
        detail: shorten(detail),
        hosts: [...parties.by, ...parties.of],
        handlers: [...new Set(cases.flatMap(({ event }) => handlerOf(event)))]
      }
    }
    row.told = { happening, parties }
    return row.told
  }
}

function isBetween({ of, by }: Parties, a: string, b: string): boolean {
  if (of.length === 0) return by.includes(a) || by.includes(b)
  const isIn = (host: string) => of.includes(host) || by.includes(host)
  return (of.includes(a) && isIn(b)) || (of.includes(b) && isIn(a))
}

/** What is kept of it once its words stand: of servers that are in the list, and of some handlers. */
function settled({ happening, parties }: Told, hosts: readonly string[]): Told {
  const known = (of: readonly string[]) => {
    const all = new Set(of)
    return hosts.filter((host) => all.has(host))
  }
  const handlers = happening.handlers.slice(0, mostHandlers)
  return {
    happening: { ...happening, hosts: known(happening.hosts), handlers },
    parties: { ...parties, of: known(parties.of), by: known(parties.by) }
  }
}

/** As handlers are named in the feed. */
function handlerOf(event: Happened): readonly string[] {
  const { handler = '', subroute = '' } = event as { readonly handler?: string; readonly subroute?: string }
  return handler === '' ? [] : [shorten(subroute === '' ? handler : `${subroute}/${handler}`)]
}

/** Servers of the list have their names, and streams their keys: what else peers write is cut. */
function cut<T extends object>(event: T, hosts: readonly string[]): T {
  const short = (name: string, value: unknown): unknown => {
    const isName = name === 'key' || ((name === 'host' || name === 'local') && hosts.includes(value as string))
    if (typeof value === 'string') return isName ? value : shorten(value)
    return name === 'error' && value !== undefined ? cut(value as object, hosts) : value
  }
  return Object.fromEntries(Object.entries(event).map(([name, value]) => [name, short(name, value)])) as T
}

export function lastOf(events: readonly Happening[], now: number, mostMs: number): Happening | undefined {
  const recent = events.filter(({ at }) => now - at < mostMs)
  return recent.find(({ severity }) => severity === 'bad') ?? recent.find(({ severity }) => severity === 'warn')
}
