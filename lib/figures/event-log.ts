/**
 * The last events of a manager: those of each connection, and those of the process. On at all times, so that they are there
 * after the night in which they are needed; they are few, and of many of one kind only the last are kept.
 */

import { publishEvent } from '../report/event-channels.ts'
import type { GridEvent, NewEvent } from '../report/events.ts'

/** Of states and dials so many are kept: each dial that fails makes three, for as long as a peer is away, */
const maxOfDials = 128
/** of what says how the connection was made and lost, */
const maxOfStory = 64
const story: ReadonlySet<GridEvent['type']> = new Set(['hello', 'goAway', 'close'])
/** and of those that may come in any number: resets, refusals, round trips, mistakes, other codecs. */
const maxOfMany = 64
const many: ReadonlySet<GridEvent['type']> = new Set(['reset', 'refused', 'rtt', 'mistake', 'mismatch'])

/** A round trip that jumps less is noise, */
const rttFactor = 3
const rttNoiseMs = 20
/** as is a turn that takes less. */
export const slowTurnMs = 100

/** Places of a ring at first: an array that grows by itself takes 17, and most connections have few events. */
const firstPlaces = 4

/** The last so many of what is added. */
class Ring {
  readonly #max: number
  #places: GridEvent[] = []
  #count = 0
  #at = 0

  constructor(max: number) {
    this.#max = max
  }

  add(event: GridEvent): void {
    if (this.#at === this.#places.length) this.#grow()
    this.#places[this.#at] = event
    this.#count = Math.max(this.#count, ++this.#at)
    if (this.#at === this.#max) this.#at = 0
  }

  list(): readonly GridEvent[] {
    return this.#places.slice(0, this.#count)
  }

  #grow(): void {
    const places = new Array<GridEvent>(Math.min(Math.max(firstPlaces, 2 * this.#count), this.#max))
    for (let at = 0; at < this.#count; at++) places[at] = this.#places[at] as GridEvent
    this.#places = places
  }
}

/** The events of one connection, or of the process. */
export class HostEvents {
  readonly #log: EventLog
  readonly #host: string
  readonly #dials = new Ring(maxOfDials)
  readonly #story = new Ring(maxOfStory)
  readonly #many = new Ring(maxOfMany)
  readonly #also: HostEvents | undefined

  /** @param also keeps them, too */
  constructor(log: EventLog, host: string, also?: HostEvents) {
    this.#log = log
    this.#host = host
    this.#also = also
  }

  /** @param host where it is not that of the connection */
  add(event: NewEvent, host = this.#host): void {
    const made = this.#log.number(event, host)
    this.#keep(made)
    if (this.#also !== undefined) this.#also.#keep(made)
    this.#log.tell(made)
  }

  #keep(made: GridEvent): void {
    this.#ringOf(made.type).add(made)
  }

  /** A round trip was measured. */
  onRtt(durationMs: number, previousMs: number | undefined): void {
    if (previousMs === undefined || durationMs < previousMs * rttFactor) return
    if (durationMs - previousMs >= rttNoiseMs) this.add({ type: 'rtt', durationMs, previousMs })
  }

  /** A turn took so long. */
  onTurn(durationMs: number): void {
    if (durationMs >= slowTurnMs) this.#log.addSlowTurn(durationMs)
  }

  /** A copy, oldest first. */
  get recent(): readonly GridEvent[] {
    const all = [...this.#dials.list(), ...this.#story.list(), ...this.#many.list()]
    return all.sort((a, b) => a.seq - b.seq)
  }

  #ringOf(type: GridEvent['type']): Ring {
    if (many.has(type)) return this.#many
    return story.has(type) ? this.#story : this.#dials
  }

  /** What there is until now, made when it is asked for: events that were dropped by then are missing. */
  recentUntilNow(): () => readonly GridEvent[] {
    const { lastSeq } = this.#log
    return () => this.recent.filter(({ seq }) => seq <= lastSeq)
  }
}

export class EventLog {
  /** Of the process, and of peers that are not in the list. */
  readonly own: HostEvents
  /** Of all guests, those that have gone included: however many they are, they push out no others. */
  readonly guests: HostEvents
  lastSeq = 0
  readonly #local: string
  readonly #listeners = new Set<(event: GridEvent) => void>()
  #slowUntilMs = 0

  constructor(local: string) {
    this.#local = local
    this.own = new HostEvents(this, local)
    this.guests = new HostEvents(this, local)
  }

  /** Of the process, of peers that are not in the list and of guests; a copy, oldest first. */
  get recent(): readonly GridEvent[] {
    return [...this.own.recent, ...this.guests.recent].sort((a, b) => a.seq - b.seq)
  }

  /** Calls `listener`, which must not throw, with each event; returns what ends that. */
  onEvent(listener: (event: GridEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  number(event: NewEvent, host: string): GridEvent {
    // Not spread first: V8 makes a hidden class of 280 B for each object that begins so.
    return { seq: ++this.lastSeq, at: Date.now(), host, local: this.#local, ...event }
  }

  tell(event: GridEvent): void {
    publishEvent(event)
    for (const listener of this.#listeners) listener(event)
  }

  /** Several sessions see the same turn. */
  addSlowTurn(durationMs: number): void {
    const nowMs = performance.now()
    if (nowMs - durationMs < this.#slowUntilMs) return
    this.#slowUntilMs = nowMs
    this.own.add({ type: 'slowTurn', durationMs })
  }
}
