/**
 * Handlers as users see them: what a server offers, and which of them has nearly the name that was asked for.
 */

import { printable } from '../base/text.ts'
import type { HandlerName } from '../report/stats.ts'
import { type HandlerEntry, HandlerKind } from '../wire/frame.ts'

/** A handler that a server offers. */
export interface HandlerInfo extends HandlerName {
  readonly inCapacity: number
  readonly outCapacity: number
  /** The same where both ends use the same codecs; undefined where that is not known. In hex. */
  readonly fingerprint?: string
}

export function toHandlerInfo(entry: HandlerEntry): HandlerInfo {
  const { inCapacity, outCapacity, fingerprint } = entry
  return { ...toHandlerName(entry), inCapacity, outCapacity, ...(fingerprint === undefined ? {} : { fingerprint }) }
}

export function toHandlerName({ kind, id, subroute }: Pick<HandlerEntry, 'kind' | 'id' | 'subroute'>): HandlerName {
  return { kind: kind === HandlerKind.single ? 'single' : 'streaming', handler: id, subroute }
}

/** Longer names are not looked at: they are compared whenever a call fails. */
const maxLength = 64
/** So much may differ in one place: two letters in each other's place, or a letter or two too many. */
const maxDifference = 2

/** Characters of a name in a text. Any text may be asked for. */
const maxShown = 256

/** How a handler is named to people. */
export function nameHandler({ id, subroute }: Pick<HandlerEntry, 'id' | 'subroute'>): string {
  return `handler "${printable(id, maxShown)}"${subroute === '' ? '' : ` under "${printable(subroute, maxShown)}"`}`
}

/** The handler that was probably meant: the same id under another subroute, or one with nearly the same id. */
export function findNear(offered: Iterable<HandlerEntry>, subroute: string, id: string): HandlerEntry | undefined {
  let near: HandlerEntry | undefined
  for (const entry of offered) {
    if (entry.id === id) return entry
    if (entry.subroute === subroute && isNear(entry.id, id)) near ??= entry
  }
  return near
}

function isNear(a: string, b: string): boolean {
  const longest = Math.max(a.length, b.length)
  if (longest > maxLength) return false
  const [one, other] = [a.toLowerCase(), b.toLowerCase()]
  let start = 0
  while (start < one.length && one[start] === other[start]) start++
  let end = 0
  const shortest = Math.min(one.length, other.length)
  while (end < shortest - start && one.at(-1 - end) === other.at(-1 - end)) end++
  const same = start + end
  // Of a short name that is nearly all.
  return longest - same <= maxDifference && same * 2 >= longest
}
