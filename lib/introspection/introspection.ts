/**
 * The `$grid` handlers, by which a server is looked into over the grid itself: their definitions, which both ends share.
 *
 * `introspect.ts` answers them, where the option `introspection` allows that.
 */

import { contract } from '../contract/contract.ts'
import { single, streaming } from '../handler/definition.ts'
import type { HandlerInfo } from '../handler/info.ts'
import type { CallOutcome } from '../hooks/channels.ts'
import type { ConnectionState, GridEvent } from '../report/events.ts'
import type { HandlerName, ManagerStats } from '../report/stats.ts'
import type { StreamInfo, StreamsOptions } from '../report/stream-info.ts'

/** How a server sees another one. */
export interface HostReport {
  readonly host: string
  readonly state: ConnectionState
  /** When it entered this state, in ms since the epoch. */
  readonly since: number
  /** Since when it has not been connected, as in the stats; none while it is. */
  readonly downSince?: number
  readonly instance?: string
  readonly rttMs?: number
  readonly lastError?: string
}

/** Whose calls. Default: of all handlers. */
export interface CallersOptions {
  readonly handler?: string
  readonly subroute?: string
}

/** The calls of one host that are open at one handler of this server. */
export interface CallerReport extends HandlerName {
  readonly host: string
  readonly open: number
  readonly oldestMs: number
}

/** Which events. */
export interface EventsOptions {
  /** Only those of the connection to this host. Default: all. */
  readonly host?: string
  /** From this `seq` on, as far as they are still there. Default: from now on. */
  readonly after?: number
}

export interface WatchOptions {
  /** Time between two changes, in whole ms, at least 100. Default 1000. */
  readonly everyMs?: number
}

/**
 * What has changed of the stats. The first one has all of them. In each later one `connections`, `called` and `served` have
 * only the entries that have changed, and the entries are whole.
 */
export type StatsChange = Partial<ManagerStats> &
  Pick<ManagerStats, 'at' | 'instance'> & {
    /** Hosts to which there is no connection any more, since they have left the list; absent where there are none. */
    readonly removed?: readonly string[]
  }

/** Which calls. Default: all, but for those of `$grid`. */
export interface TraceOptions {
  readonly side?: 'caller' | 'handler'
  readonly host?: string
  readonly handler?: string
  readonly subroute?: string
  readonly slowerThanMs?: number
  /** Only what failed. */
  readonly failed?: boolean
  /** Share of the calls that fit, above 0 and up to 1. Default 1. */
  readonly sample?: number
}

/** One call that has ended. */
export interface CallRecord extends HandlerName, Omit<CallOutcome, 'delivery'> {
  readonly side: 'caller' | 'handler'
  readonly host: string
  readonly instance?: string
  readonly delivery?: NonNullable<CallOutcome['delivery']>
  /** Of the `traceparent` in its metadata. */
  readonly traceId?: string
  /** Ms since the epoch. */
  readonly startedAt: number
  /** Records left out before this one, because the reader was slow. */
  readonly skipped: number
}

const feed = { inCapacity: 0, outCapacity: 64 } as const

const definitions = {
  /** As `grid.stats()`. */
  stats: single<void, ManagerStats>('stats'),
  /** As `grid.handlers`. */
  handlers: single<void, HandlerInfo[]>('handlers'),
  hosts: single<void, HostReport[]>('hosts'),
  /** As `recent` of the connection to a host, or of the manager. */
  recent: single<{ readonly host?: string } | undefined, GridEvent[]>('recent'),
  /** Now, by the clock of that server. */
  ping: single<void, { readonly at: number; readonly instance: string }>('ping'),
  /** As `streams()` of the connection to a host, or without one of all connections. */
  streams: single<(StreamsOptions & { readonly host?: string }) | undefined, StreamInfo[]>('streams'),
  /** Who calls the handlers of this server now, the most calls first. Walks over all that are open. */
  callers: single<CallersOptions | undefined, CallerReport[]>('callers'),
  /** As they happen. */
  events: streaming<EventsOptions | undefined, never, GridEvent>('events', feed),
  /** The stats, and then what has changed of them. A reader that is slow gets the newest. */
  watch: streaming<WatchOptions | undefined, never, StatsChange>('watch', { inCapacity: 0, outCapacity: 1 }),
  /** Calls that have ended. Costs nothing while nobody reads it. */
  trace: streaming<TraceOptions | undefined, never, CallRecord>('trace', feed)
}

/**
 * Looks into a server: `introspection.on(peer).stats()`. `peer` is a connection, also that of a server to itself. The server
 * must have the option `introspection`. Names that begin with `$` are ours.
 */
export const introspection = contract(definitions, { subroute: '$grid' })
