/**
 * The list of one source: the hosts that the last good answer named, those that are missing for less than `keepMs`, and this
 * server itself.
 *
 * Refuses names one by one, and an answer as a whole when it names nothing any more or far too much.
 */

import { isIPv6 } from 'node:net'
import { serverName } from '../../index.ts'
import { errorText, type Reports } from './reports.ts'

/** A full mesh ends long before. More than this is garbage, which must not fill the memory. */
export const maxHosts = 10_000
/** Of one answer, so many wrong names are told. */
const maxTold = 4

/** What an answer has for one host: its name, or why there is none. */
export type Name = string | Error

/** Of an entry as it has arrived: what is missing in it must not become a host that is called `undefined`. */
export function nameOf(scheme: string, address: unknown, port: unknown): Name {
  if (typeof address !== 'string' || address === '') return new Error('an entry without an address')
  if (!Number.isInteger(port)) return new Error(`the entry of "${address}" has no port`)
  return `${scheme}://${isIPv6(address) ? `[${address}]` : address}:${port}`
}

interface Sorted {
  /** The canonical name of each good one. */
  readonly spellings: ReadonlyMap<string, string>
  readonly refused: number
  /** Why, of the first ones. */
  readonly reasons: readonly string[]
}

export class KeptHosts {
  readonly #local: string
  readonly #keepMs: number
  readonly #reports: Reports
  readonly #onList: (hosts: readonly string[]) => void
  /** Since when each host is missing in answers, of `performance.now()`. */
  readonly #missing = new Map<string, number>()
  #hosts: ReadonlySet<string> | undefined
  /** How the last answer spelled each host: the next one has most of them again, and to read a name takes some us. */
  #spellings: ReadonlyMap<string, string> = new Map()
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(local: string, keepMs: number, reports: Reports, onList: (hosts: readonly string[]) => void) {
    this.#local = local
    this.#keepMs = keepMs
    this.#reports = reports
    this.#onList = onList
  }

  /**
   * Takes the answer of a source: all names that it has.
   *
   * @throws {Error} when it is a bad one, which changes nothing
   */
  take(names: Iterable<Name>): void {
    const { spellings, refused, reasons } = sortNames(names, this.#spellings)
    const good = new Set(spellings.values())
    this.#reports.refused(refused, reasons)
    const known = this.#hosts ?? new Set([this.#local])
    if (good.size === 0 && refused > 0) throw new Error('all of its names are refused')
    if (good.size === 0 && known.size > 1) throw new Error('it names no host any more')
    const hosts = new Set([...known, ...good])
    if (hosts.size > maxHosts) throw new Error(`it names more than ${maxHosts} hosts, with those that are kept`)
    this.#spellings = spellings
    this.#reports.good(describeWithout(this.#local, good))
    this.#mark(hosts, good)
    this.#update(hosts)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  /** How many hosts the list has that stays, for a log. */
  get size(): number | undefined {
    return this.#hosts?.size
  }

  #mark(hosts: ReadonlySet<string>, named: ReadonlySet<string>): void {
    const nowMs = performance.now()
    for (const host of hosts) {
      if (named.has(host) || host === this.#local) this.#missing.delete(host)
      else if (!this.#missing.has(host)) this.#missing.set(host, nowMs)
    }
  }

  /** Drops those that are missing for too long, and wakes up for the next one. */
  #update(all: ReadonlySet<string>): void {
    const overMs = performance.now() - this.#keepMs
    let nextMs = Number.POSITIVE_INFINITY
    const hosts = new Set(all)
    for (const [host, sinceMs] of this.#missing) {
      if (sinceMs > overMs) nextMs = Math.min(nextMs, sinceMs - overMs)
      else if (this.#missing.delete(host)) hosts.delete(host)
    }
    clearTimeout(this.#timer)
    // Not in the turn of the answer even where it is 0: see the comparison above, which is exact.
    if (nextMs !== Number.POSITIVE_INFINITY) this.#timer = setTimeout(() => this.#update(hosts), Math.ceil(nextMs))
    this.#publish(hosts)
  }

  #publish(hosts: ReadonlySet<string>): void {
    const before = this.#hosts
    this.#hosts = hosts
    if (before !== undefined && before.size === hosts.size && [...hosts].every((host) => before.has(host))) return
    this.#reports.changed(before, hosts)
    this.#onList(Object.freeze([...hosts].sort()))
  }
}

function sortNames(names: Iterable<Name>, known: ReadonlyMap<string, string>): Sorted {
  const spellings = new Map<string, string>()
  const reasons: string[] = []
  let refused = 0
  for (const name of names) {
    try {
      if (typeof name !== 'string') throw name
      spellings.set(name, known.get(name) ?? serverName(name))
    } catch (error) {
      refused += 1
      if (reasons.length < maxTold) reasons.push(errorText(error))
    }
    if (spellings.size > maxHosts || refused > maxHosts) throw new Error(`it has more than ${maxHosts} names`)
  }
  return { spellings, refused, reasons }
}

/** What is to be told of a good answer that does not name this server; undefined for nothing. */
function describeWithout(local: string, good: ReadonlySet<string>): string | undefined {
  if (good.has(local)) return undefined
  if (good.size === 0) return `it names no host: ${local} is alone`
  const first = [...good].slice(0, maxTold).join(', ') + (good.size > maxTold ? ', ...' : '')
  return `it does not name this server, ${local} (it names ${first}): servers refuse those that their lists do not name`
}
