/**
 * One server as it tells of itself over `$grid`: its figures and its events, followed for as long as somebody looks.
 *
 * Whatever ends is tried again. What was told last stays, with its age: nothing old is shown as new.
 */

import {
  type Calls,
  type ConnectionStats,
  type GridEvent,
  type HandlerStats,
  introspection,
  type StatsChange,
  UnknownHandlerError
} from '../../index.ts'
import type { InspectedPeer } from './inspected.ts'
import { changeOf, eventOf, momentOf } from './shapes.ts'
import { Tracker } from './tracker.ts'

/** After a server that tells nothing was asked. */
const againMs = 2000
/** After one that went away: what follows is waiting for it. */
const soonMs = 100
/** The clocks are compared so often. */
const compareMs = 30_000
/** A handler that is called by ever new names costs no more. */
const maxHandlers = 2000
/** So do connections to ever new hosts. */
const maxConnections = 2000

export interface WatcherInit {
  readonly peer: InspectedPeer
  readonly everyMs: number
  /** The number of the slot that has begun. */
  slot(): number
  /** It answers now, or does not any more. */
  onState(): void
  onEvent(event: GridEvent, watcher: Watcher): void
}

export function keyOf({ kind, subroute, handler }: Pick<HandlerStats, 'kind' | 'subroute' | 'handler'>): string {
  return `${kind} ${subroute === '' ? '' : `${subroute}/`}${handler}`
}

export class Watcher {
  readonly host: string
  /** What is no list, as it was told last. */
  stats: StatsChange | undefined
  /** How it sees the others. */
  readonly connections = new Map<string, ConnectionStats>()
  /** Since when it is not connected to a host, by its clock. */
  readonly lostAt = new Map<string, number>()
  /** What calls came to at its handlers. */
  readonly served = new Map<string, { readonly stats: HandlerStats; readonly tracker: Tracker }>()
  /** When its last figures arrived, by `Date.now()` here. */
  heardAt: number | undefined
  /** Connected, but it does not answer `$grid`. */
  refuses: string | undefined
  /** What to add to a moment of its clock to have it by the clock here. */
  offsetMs = 0
  /** Share of the last seconds in which its event loop worked. */
  busy: number | undefined
  readonly #init: WatcherInit
  readonly #stop = new AbortController()
  #lastSeq = 0
  #instance: string | undefined
  #comparedAt = Number.NEGATIVE_INFINITY

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

  get isConnected(): boolean {
    return this.#init.peer.state === 'connected'
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
      await wait(this.isConnected ? againMs : soonMs, signal)
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
      if (performance.now() - this.#comparedAt > compareMs) await this.#compareClocks()
    }
  }

  async #readEvents(): Promise<void> {
    // What has happened is placed by the clock here, so that comes first.
    if (this.#comparedAt === Number.NEGATIVE_INFINITY) await this.#compareClocks()
    for await (const told of this.calls.events({ after: this.#lastSeq })) {
      const event = eventOf(told, this.host)
      if (event === undefined) continue
      this.#lastSeq = event.seq
      this.#takeState(event)
      this.#init.onEvent(event, this)
    }
  }

  async #compareClocks(): Promise<void> {
    this.#comparedAt = performance.now()
    const sentAt = Date.now()
    const at = momentOf(await this.calls.ping(undefined, { timeout: 5000 }))
    this.offsetMs = Math.round((sentAt + Date.now()) / 2 - at)
  }

  #take(change: StatsChange): void {
    const { instance, connections = [], served = [], removed = [], at, loop = this.stats?.loop } = change
    if (instance !== this.#instance) this.#begin(instance)
    const before = this.stats
    if (before !== undefined && loop !== undefined && before.loop !== undefined) {
      const [active, idle] = [loop.activeMs - before.loop.activeMs, loop.idleMs - before.loop.idleMs]
      if (active + idle > 0) this.busy = mix(this.busy, active / (active + idle))
    }
    const startedAt = change.startedAt ?? before?.startedAt
    this.stats = { at, instance, ...(loop && { loop }), ...(startedAt === undefined ? {} : { startedAt }) }
    this.heardAt = Date.now()
    for (const host of removed) {
      this.connections.delete(host)
      this.lostAt.delete(host)
    }
    for (const each of connections) {
      if (!this.connections.has(each.host) && this.connections.size >= maxConnections) continue
      this.connections.set(each.host, each)
      this.#takeLoss(each.host, each.state, each.lastSeenAt ?? each.since)
    }
    for (const each of served) this.#takeHandler(each, at)
  }

  /** Another process: its counters begin anew. */
  #begin(instance: string): void {
    this.#instance = instance
    this.#lastSeq = 0
    this.#comparedAt = Number.NEGATIVE_INFINITY
    this.stats = undefined
    this.busy = undefined
    this.connections.clear()
    this.lostAt.clear()
    this.served.clear()
  }

  #takeHandler(stats: HandlerStats, at: number): void {
    // Looking is no work of theirs.
    if (stats.subroute === introspection.subroute) return
    const key = keyOf(stats)
    const known = this.served.get(key)
    if (known === undefined && this.served.size >= maxHandlers) return
    // Its age is only told with a change: the moment stays right.
    const told = { ...stats, ...(stats.oldestMs === undefined ? {} : { oldestMs: at - stats.oldestMs }) }
    const hasSameBuckets = known?.stats.durations.counts.length === stats.durations.counts.length
    const tracker = hasSameBuckets ? known.tracker : new Tracker(stats, this.#init.slot())
    if (hasSameBuckets) tracker.update(stats)
    this.served.set(key, { stats: told, tracker })
  }

  /** A state is told at once, not with the next figures. */
  #takeState(event: GridEvent): void {
    if (event.type !== 'state') return
    const known = this.connections.get(event.host)
    if (known === undefined || known.since > event.at) return
    this.connections.set(event.host, { ...known, state: event.state, since: event.at })
    this.#takeLoss(event.host, event.state, event.at)
  }

  /** Its state changes with each dial; what counts is since when there is no connection. */
  #takeLoss(host: string, state: ConnectionStats['state'], at: number): void {
    if (state === 'connected') this.lostAt.delete(host)
    else if (!this.lostAt.has(host)) this.lostAt.set(host, at)
  }
}

function mix(before: number | undefined, now: number): number {
  return before === undefined ? now : before * 0.7 + now * 0.3
}

function textOf(error: unknown): string {
  if (UnknownHandlerError.is(error)) return 'introspection is off there'
  return error instanceof Error ? error.message : String(error)
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end)
  })
}
