/** The handlers of one side of one server: the figures of each as they were told last, and what they came to of late. */

import { type HandlerStats, introspection } from '../../index.ts'
import { Tracker } from './tracker.ts'

/** `handler`: as its handlers ran calls. `caller`: as its own calls went. */
export type Side = 'handler' | 'caller'

/** A handler that is called by ever new names costs no more. */
const maxHandlers = 2000
/** So many others are counted: no server tells of more. */
const maxOthers = 16_384

export interface Entry {
  /** `oldestMs` is the moment at which that call began, by the clock of the server. */
  readonly stats: HandlerStats
  readonly tracker: Tracker
}

export function keyOf({ kind, subroute, handler }: Pick<HandlerStats, 'kind' | 'subroute' | 'handler'>): string {
  return `${kind} ${subroute === '' ? '' : `${subroute}/`}${handler}`
}

/** Tells names apart that are only counted. */
export function markOf(key: string): number {
  let mark = 0
  for (let at = 0; at < key.length; at++) mark = (Math.imul(mark, 31) + key.charCodeAt(at)) | 0
  return mark
}

export class Tracked {
  readonly entries = new Map<string, Entry>()
  /** The marks of those that are left out. */
  readonly others = new Set<number>()
  /** What nobody asks for is only kept. */
  readonly #kept: Map<string, HandlerStats> | undefined
  #isAsked: boolean

  /** @param isAsked whether they are tracked at once, and not only when somebody asks for them */
  constructor(isAsked: boolean) {
    this.#isAsked = isAsked
    this.#kept = isAsked ? undefined : new Map()
  }

  /** They are tracked from now on. */
  ask(slot: number): void {
    if (this.#isAsked) return
    this.#isAsked = true
    for (const [key, stats] of this.#kept ?? []) this.entries.set(key, { stats, tracker: new Tracker(stats, slot) })
    this.#kept?.clear()
  }

  /** @param at when it was told, by the clock of the server */
  take(told: HandlerStats, at: number, slot: number): void {
    // Looking is no work of theirs.
    if (told.subroute === introspection.subroute) return
    const key = keyOf(told)
    // Its age is only told with a change: the moment stays right.
    const stats = { ...told, ...(told.oldestMs === undefined ? {} : { oldestMs: at - told.oldestMs }) }
    const known = this.entries.get(key)
    if (known !== undefined) {
      known.tracker.update(told)
      this.entries.set(key, { stats, tracker: known.tracker })
      return
    }
    const map = this.#isAsked ? this.entries : this.#kept
    if (map === undefined) return
    if (map.size >= maxHandlers && !map.has(key)) {
      if (this.others.size < maxOthers) this.others.add(markOf(key))
      return
    }
    if (this.#isAsked) this.entries.set(key, { stats, tracker: new Tracker(told, slot) })
    else this.#kept?.set(key, stats)
  }

  advance(slot: number): void {
    for (const { tracker } of this.entries.values()) tracker.advance(slot)
  }

  clear(): void {
    this.entries.clear()
    this.others.clear()
    this.#kept?.clear()
  }
}
