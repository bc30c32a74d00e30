/** Small texts of the page: names without what they all share, ages, lists. */

/** Texts of peers are cut here. */
const maxText = 200

/** What would change the order or the lines of what stands around it. */
const invisible = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

export function shorten(text: string): string {
  const cut = text.length > maxText ? `${text.slice(0, maxText)}…` : text
  return cut.replace(invisible, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

const guestPrefix = /^guest:/

/** Whoever is in no list, such as a command line: it comes and goes by itself. */
export function isGuest(host: string): boolean {
  return guestPrefix.test(host)
}

/** How a guest calls itself. */
export function nameOfGuest(host: string): string {
  return shorten(host.replace(guestPrefix, ''))
}

/** Of a handler: its key is its kind, and then its name. */
export function nameOfKey(key: string): string {
  return shorten(key.slice(key.indexOf(' ') + 1))
}

interface Shared {
  readonly start: number
  readonly end: number
}

/** By list: names are written for each cell of a matrix. */
const namesOf = new WeakMap<readonly string[], ReadonlyMap<string, string>>()

export function nameOf(hosts: readonly string[], host: string): string {
  let names = namesOf.get(hosts)
  if (names === undefined) {
    const { start, end } = shared(hosts)
    names = new Map(hosts.map((each) => [each, shorten(each.slice(start, each.length - end) || each)]))
    namesOf.set(hosts, names)
  }
  return names.get(host) ?? shorten(host.replace(/^https?:\/\//, ''))
}

/** What all names begin with, and end with, cut where a part ends: `http://` and `.test:9000` of `http://a.test:9000`. */
function shared(hosts: readonly string[]): Shared {
  const [first = ''] = hosts
  if (hosts.length < 2) return { start: first.indexOf('//') + 2, end: 0 }
  let [start, end] = [0, 0]
  while (start < first.length && hosts.every((host) => host[start] === first[start])) start++
  while (end < first.length - start && hosts.every((host) => host.at(-1 - end) === first.at(-1 - end))) end++
  while (start > 0 && first[start - 1] !== '/') start--
  while (end > 0 && !/[.:]/.test(first.at(-end) as string)) end--
  return { start, end }
}

/** Parts of a sentence, those that are there. */
export function joined(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' · ')
}

const mostNamed = 3

/** `a`, `a and b`, `5 servers`. */
export function inWords({ hosts }: { readonly hosts: readonly string[] }, names: readonly string[]): string {
  const short = names.map((name) => nameOf(hosts, name))
  if (short.length > mostNamed) return `${short.length} servers`
  return short.length < 2 ? (short[0] ?? 'nobody') : `${short.slice(0, -1).join(', ')} and ${short.at(-1)}`
}

export function ms(value: number): string {
  if (value < 10) return `${value.toFixed(1)}\u00a0ms`
  if (value < 1000) return `${Math.round(value)}\u00a0ms`
  return value < 10_000 ? `${(value / 1000).toFixed(1)}\u00a0s` : age(value)
}

export function age(value: number): string {
  if (value < 60_000) return `${Math.max(0, Math.round(value / 1000))}\u00a0s`
  if (value < 3_600_000) return `${Math.round(value / 60_000)}\u00a0min`
  return value < 172_800_000 ? `${Math.round(value / 3_600_000)}\u00a0h` : `${Math.round(value / 86_400_000)}\u00a0d`
}

/** What differs by less looks the same where durations are shown; see `ms`. */
export function shownMs(value: number): number {
  if (value < 10) return Math.round(value * 10) / 10
  if (value < 1000) return Math.round(value)
  const stepMs = value < 10_000 ? 100 : value < 60_000 ? 1000 : 60_000
  return Math.round(value / stepMs) * stepMs
}

/** The same for rates: a digit after the point below ten. */
export function shownRate(value: number): number {
  return value < 10 ? Math.round(value * 10) / 10 : Math.round(value)
}

/** Of a connection that is none now. */
export interface NextDial {
  /** When this end dials again. */
  readonly nextAt?: number
  /** The other end dials, and this one waits for it. */
  readonly isOthersTurn?: boolean
}

/** When the next dial comes; empty where nobody tells. `other` is the server at the other end. */
export function nextDial({ nextAt, isOthersTurn }: NextDial, now: number, other: string): string {
  if (isOthersTurn === true) return `${other} dials`
  if (nextAt === undefined) return ''
  return nextAt <= now ? 'dials now' : `next dial in ${roughly(nextAt - now)}`
}

export function size(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)}\u00a0B`
  if (bytes < 1_048_576) return `${(bytes / 1024).toFixed(bytes < 10_240 ? 1 : 0)}\u00a0KiB`
  return `${(bytes / 1_048_576).toFixed(1)}\u00a0MiB`
}

export function percent(share: number): string {
  if (share === 0) return '0'
  return share < 0.001 ? '<0.1\u00a0%' : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)}\u00a0%`
}

/** A duration that is written in a sentence which must not change each second: it is in steps. */
export function roughly(value: number): string {
  if (value < 10_000) return `${Math.max(0, Math.floor(value / 1000))}\u00a0s`
  return age(value < 60_000 ? Math.floor(value / 5000) * 5000 : value)
}
