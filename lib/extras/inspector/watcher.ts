/**
 * One server as it tells of itself over `$grid`: its figures and its events, followed for as long as somebody looks.
 *
 * Whatever ends is tried again. What was told last stays, with its age: nothing old is shown as new.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { type Calls, type ConnectionStats, type GridEvent, introspection, UnknownHandlerError } from '../../index.ts'
import type { InspectedPeer } from './inspected.ts'
import { Link } from './link.ts'
import { type Change, changeOf, eventOf, pingOf } from './shapes.ts'
import { Tracked } from './tracked.ts'

/** After a server that tells nothing was asked. */
const againMs = 2000
/** After one that went away: what follows is waiting for it. */
const soonMs = 100
/** The clocks are compared so often. */
const compareMs = 30_000
/** Connections to ever new hosts cost no more. */
const maxConnections = 2000
/** How busy it is, is looked at over this time. */
const busyMs = 10_000

export interface WatcherInit {
  readonly peer: InspectedPeer
  readonly everyMs: number
  /** The number of the slot that has begun. */
  slot(): number
  /** It answers now, or does not any more. */
  onState(): void
  onEvent(event: GridEvent, watcher: Watcher): void
}

interface Loop {
  readonly at: number
  readonly activeMs: number
  readonly idleMs: number
}

export class Watcher {
  readonly host: string
  /** What is no list, as it was told last. */
  stats: Change | undefined
  /** How it sees the others. */
  readonly connections = new Map<string, ConnectionStats>()
  /** What has become of those connections. */
  readonly links = new Map<string, Link>()
  /** What calls came to, of its handlers and by them. */
  readonly tracked = { handler: new Tracked(true), caller: new Tracked(false) } as const
  /** When its last figures arrived, by `Date.now()` here. */
  heardAt: number | undefined
  /** Connected, but it does not answer `$grid`. */
  refuses: string | undefined
  /** What to add to a moment of its clock to have it by the clock here. */
  offsetMs = 0
  readonly #init: WatcherInit
  readonly #stop = new AbortController()
  #lastSeq = 0
  #instance: string | undefined
  #comparedAt = Number.NEGATIVE_INFINITY
  #loops: Loop[] = []

  constructor(init: WatcherInit) {
    this.#init = init
    this.host = init.peer.host
    void this.#follow(() => this.#readFigures())
    void this.#follow(() => this.#readEvents())
  }

  /** Calls of this server; they end with the watcher. */
  get calls(): Calls<typeof introspection.definitions> {
    return introspection.on(this.#init.peer, { signal: this.#stop.signal })
  }

  /** Share of the last 10 s in which its event loop worked. */
  get busy(): number | undefined {
    const [first, last] = [this.#loops[0], this.#loops.at(-1)]
    if (first === undefined || last === undefined) return undefined
    const activeMs = last.activeMs - first.activeMs
    const inAllMs = activeMs + last.idleMs - first.idleMs
    return inAllMs > 0 ? Math.max(0, activeMs) / inAllMs : undefined
  }

  get isConnected(): boolean {
    return this.#init.peer.state === 'connected'
  }

  /** Its connection is closed for good. */
  get isOver(): boolean {
    return this.#init.peer.state === 'closed'
  }

  stop(): void {
    this.#stop.abort()
  }

  /** Runs it again and again, while the server is connected. */
  async #follow(read: () => Promise<void>): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await this.#init.peer.waitForConnect({ signal })
        await read()
        this.refuses = undefined
      } catch (error) {
        if (signal.aborted) return
        if (this.isConnected) this.refuses = textOf(error)
      }
      if (this.#init.peer.state === 'closed') return
      this.#init.onState()
      // It rejects for nothing else than the signal.
      await delay(this.isConnected ? againMs : soonMs, undefined, { signal }).catch(() => undefined)
    }
  }

  async #readFigures(): Promise<void> {
    for await (const told of this.calls.watch({ everyMs: this.#init.everyMs })) {
      const change = changeOf(told)
      if (change === undefined) throw new Error('its figures are not of the shape that is known here')
      const isNews = this.heardAt === undefined || this.refuses !== undefined
      this.refuses = undefined
      this.#take(change)
      if (isNews) this.#init.onState()
      if (performance.now() - this.#comparedAt > compareMs) await this.#greet()
    }
  }

  async #readEvents(): Promise<void> {
    // What has happened is placed by the clock here, and another process counts its events anew: so that comes first.
    await this.#greet()
    for await (const told of this.calls.events({ after: this.#lastSeq })) {
      const event = eventOf(told, this.host)
      if (event === undefined) continue
      this.#lastSeq = event.seq
      this.#takeEvent(event)
      this.#init.onEvent(event, this)
    }
  }

  /** Compares the clocks, and learns which process it is. */
  async #greet(): Promise<void> {
    this.#comparedAt = performance.now()
    const sentAt = Date.now()
    const { at, instance } = pingOf(await this.calls.ping(undefined, { timeout: 5000 }))
    this.offsetMs = Math.round((sentAt + Date.now()) / 2 - at)
    if (instance !== this.#instance) this.#begin(instance)
  }

  #take(change: Change): void {
    const { instance, connections = [], called = [], served = [], removed = [], at } = change
    if (instance !== this.#instance) this.#begin(instance)
    // What has not changed is not told again.
    const { loop, startedAt, keepAliveMs, guestCount, guests } = { ...this.stats, ...change }
    if (loop !== undefined) {
      this.#loops = [...this.#loops.filter((each) => at - each.at <= busyMs), { at, ...loop }]
    }
    this.stats = {
      ...{ at, instance },
      ...(loop && { loop }),
      ...(startedAt === undefined ? {} : { startedAt }),
      ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
      ...(guestCount === undefined ? {} : { guestCount, guests })
    }
    this.heardAt = Date.now()
    for (const host of removed) {
      this.connections.delete(host)
      this.links.delete(host)
    }
    for (const each of connections) {
      if (!this.connections.has(each.host) && this.connections.size >= maxConnections) continue
      this.connections.set(each.host, each)
      this.#linkTo(each.host)?.take(each)
    }
    const slot = this.#init.slot()
    for (const each of served) this.tracked.handler.take(each, at, slot)
    for (const each of called) this.tracked.caller.take(each, at, slot)
  }

  /** Another process: its counters begin anew. */
  #begin(instance: string): void {
    this.#instance = instance
    this.#lastSeq = 0
    this.stats = undefined
    this.heardAt = undefined
    this.#loops = []
    this.connections.clear()
    this.links.clear()
    this.tracked.handler.clear()
    this.tracked.caller.clear()
  }

  /** A state is told at once, not with the next figures. */
  #takeEvent(event: GridEvent): void {
    if (event.type !== 'state' && event.type !== 'rtt') return
    const known = this.connections.get(event.host)
    const isNews = known === undefined || known.since <= event.at
    if (event.type === 'state' && known !== undefined && isNews) {
      this.connections.set(event.host, { ...known, state: event.state, since: event.at })
    }
    this.#linkTo(event.host)?.takeEvent(event, isNews)
  }

  #linkTo(host: string): Link | undefined {
    const known = this.links.get(host)
    if (known !== undefined || this.links.size >= maxConnections) return known
    const link = new Link()
    this.links.set(host, link)
    return link
  }
}

/** Why a server that is connected tells nothing. */
export function textOf(error: unknown): string {
  if (UnknownHandlerError.is(error)) return 'introspection is off there'
  return error instanceof Error ? error.message : String(error)
}
