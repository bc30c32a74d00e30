/** Answers the `$grid` handlers, from what the manager tells anybody who asks it. */

import type { Connection } from '../connection/connection.ts'
import { ofStreams, selectStreams } from '../connection/streams.ts'
import { register } from '../contract/register.ts'
import { aBoolean, aString, aWholeNumber, optionsReader } from '../errors/check.ts'
import { GridError, InvalidOptionError } from '../errors/errors.ts'
import { maxLimit, maxTimeoutMs } from '../errors/options.ts'
import type { EventLog } from '../figures/event-log.ts'
import type { AnyDefinition } from '../handler/definition.ts'
import type { HandlerOf } from '../handler/handler.ts'
import type { HandlerInfo } from '../handler/info.ts'
import type { LocalHandlers } from '../handler/table.ts'
import type { HandlerCall, HandlerContext } from '../hooks/call-info.ts'
import type { Hooks } from '../hooks/hooks.ts'
import type { HandlerInterceptor } from '../hooks/interceptor.ts'
import { canonicalHost } from '../peer/hosts.ts'
import type { GridEvent } from '../report/events.ts'
import type { ManagerStats } from '../report/stats.ts'
import type { StreamInfo, StreamsOptions } from '../report/stream-info.ts'
import { authorizeBy, type Rule } from '../rules/authorize.ts'
import { Feed } from './feed.ts'
import {
  type CallerReport,
  type CallersOptions,
  type EventsOptions,
  type HostReport,
  introspection,
  type TraceOptions,
  type WatchOptions
} from './introspection.ts'
import { type MaxReaders, Readers } from './readers.ts'
import { traceCalls } from './trace.ts'
import { changesOf, minEveryMs } from './watch.ts'

/** What is looked into. */
export interface Introspected {
  readonly local: string
  readonly instance: string
  readonly handlers: readonly HandlerInfo[]
  readonly connections: readonly Connection[]
  readonly recent: readonly GridEvent[]
  connection(host: string): Connection
  stats(): ManagerStats
}

const ruleName = 'the rule of introspection'
const noGuestText = 'introspection: true lets no guest in; give a function'

/** Events that wait for one slow reader; the oldest go. */
const maxWaiting = 1024

// Who asks may be of any kind: what is wrong would be taken for no option, or for a time of nothing.
const readRecent = optionsReader<Pick<EventsOptions, 'host'>>('recent()', { host: aString })
const readStreams = optionsReader<StreamsOptions & Pick<EventsOptions, 'host'>>('streams()', {
  host: aString,
  ...ofStreams
})
const readCallers = optionsReader<CallersOptions>('callers()', { handler: aString, subroute: aString })
const readEvents = optionsReader<EventsOptions>('events()', {
  host: aString,
  after: aWholeNumber(0, Number.MAX_SAFE_INTEGER)
})
const readWatch = optionsReader<WatchOptions>('watch()', { everyMs: aWholeNumber(minEveryMs, maxTimeoutMs) })
const readTrace = optionsReader<TraceOptions>('trace()', {
  side: { must: 'must be "caller" or "handler"', is: (value) => value === 'caller' || value === 'handler' },
  ...{ host: aString, handler: aString, subroute: aString },
  slowerThanMs: { must: 'must be a number of ms, 0 or more', is: (value) => typeof value === 'number' && value >= 0 },
  failed: aBoolean,
  sample: {
    must: 'must be a number above 0 and up to 1',
    is: (value) => Number(value) > 0 && Number(value) <= 1 && typeof value === 'number'
  }
})

/**
 * @param hooks those of the manager's handlers; a rule is asked before its interceptors
 * @param guests those that are connected now
 */
export function serveIntrospection(
  grid: Introspected,
  handlers: LocalHandlers,
  hooks: Hooks<HandlerInterceptor>,
  allowed: boolean | Rule<HandlerCall>,
  guests: () => readonly Connection[],
  maxReaders: MaxReaders
): void {
  const rule =
    typeof allowed === 'function'
      ? authorizeBy(ruleName, allowed)
      : authorizeBy(ruleName, ({ remote }) => remote.role === 'host', noGuestText)
  const readers = new Readers(grid.local, maxReaders)
  const interceptors = [rule, ...(hooks.interceptors ?? []), readers.bound]
  const { subroute } = introspection
  serve(grid, guests, handlers.figures.events, readers, (definition, fn) =>
    register(handlers, { local: grid.local, definition, fn, subroute, interceptors })
  )
}

type Add = <D extends AnyDefinition>(definition: D, fn: HandlerOf<D>) => void

function serve(
  grid: Introspected,
  guests: () => readonly Connection[],
  events: EventLog,
  readers: Readers,
  add: Add
): void {
  const { definitions } = introspection
  const peers = () => [...grid.connections, ...guests()]
  const peersOf = (host: string) =>
    isGuest(host) ? guests().filter((guest) => guest.host === host) : [grid.connection(host)]
  add(definitions.stats, () => grid.stats())
  add(definitions.handlers, () => [...grid.handlers])
  add(definitions.hosts, () => grid.connections.map(toReport))
  add(definitions.recent, (options) => asked(() => [...recentOf(grid, readRecent(given(options)).host)]))
  add(definitions.streams, (options) => {
    return asked(() => {
      const { host, ...which } = readStreams(given(options))
      const streams = (host === undefined ? peers() : peersOf(host)).flatMap((each) => each.streams(which))
      return selectStreams(streams, which)
    })
  })
  add(definitions.callers, (options) => {
    const which = asked(() => readCallers(given(options)))
    return countCallers(peers().flatMap((each) => each.streams({ ...which, max: maxLimit })))
  })
  add(definitions.ping, () => ({ at: Date.now(), instance: grid.instance }))
  add(definitions.events, (options, _, context) => {
    const { host: named, after = events.lastSeq } = asked(() => readEvents(given(options)))
    const host = toName(named)
    const isAsked = (event: GridEvent) => event.seq > after && (host === undefined || event.host === host)
    const feed = new Feed<GridEvent>(maxWaiting, endsOf(context))
    const add = (event: GridEvent) => {
      if (isAsked(event)) feed.add(event)
    }
    const follow = () => {
      for (const event of allRecent(grid)) add(event)
      return events.onEvent(add)
    }
    return readers.read(context, () => feed.read(follow, (event) => event))
  })
  add(definitions.watch, (options, _, context) => {
    const { everyMs } = asked(() => readWatch(given(options)))
    return readers.read(context, () => changesOf(() => grid.stats(), everyMs, endsOf(context)))
  })
  add(definitions.trace, (options, _, context) => {
    const read = asked(() => readTrace(given(options)))
    const which = { ...read, host: toName(read.host) }
    return readers.read(context, () => traceCalls(grid.local, which, endsOf(context)))
  })
}

function endsOf({ signal, draining }: HandlerContext): AbortSignal[] {
  return [signal, draining]
}

/** What is wrong with options is the fault of the caller that sent them, and no mistake of the handler that reads them. */
function asked<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw InvalidOptionError.is(error) ? new GridError(error.code, error.message) : error
  }
}

/** Of what has arrived: nil is what was not given, or was undefined. */
function given<T extends object>(options: T | null | undefined): T | undefined {
  if (typeof options !== 'object' || options === null) return options ?? undefined
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null)) as T
}

/** Its name is that of no host. */
function isGuest(host: string): boolean {
  return host.startsWith('guest:')
}

/** As events and calls have it, however it is spelled. What is no origin may be what somebody claims to be. */
function toName(host: string | undefined): string | undefined {
  if (host === undefined || isGuest(host)) return host
  try {
    return canonicalHost(host)
  } catch {
    return host
  }
}

function recentOf(grid: Introspected, host: string | undefined): readonly GridEvent[] {
  if (host !== undefined && isGuest(host)) return grid.recent.filter((event) => event.host === host)
  return host === undefined ? grid.recent : grid.connection(host).recent
}

/** Those of all connections and of the process, in their order. */
function allRecent(grid: Introspected): GridEvent[] {
  const all = [...grid.recent, ...grid.connections.flatMap(({ recent }) => recent)]
  return all.sort((a, b) => a.seq - b.seq)
}

function countCallers(streams: readonly StreamInfo[]): CallerReport[] {
  const reports = new Map<string, CallerReport>()
  for (const { side, host, kind, handler, subroute, ageMs } of streams) {
    if (side === 'caller') continue
    const key = JSON.stringify([host, kind, handler, subroute])
    const { open, oldestMs } = reports.get(key) ?? { open: 0, oldestMs: 0 }
    const counted = { open: open + 1, oldestMs: Math.max(oldestMs, ageMs) }
    reports.set(key, { host, kind, handler, subroute, ...counted })
  }
  return [...reports.values()].sort((a, b) => b.open - a.open)
}

function toReport(connection: Connection): HostReport {
  const { host, state, since, downSince, instance, session, lastError } = connection.stats()
  return {
    ...{ host, state, since },
    ...(downSince === undefined ? {} : { downSince }),
    ...(instance === undefined ? {} : { instance }),
    ...(session?.rttMs === undefined ? {} : { rttMs: session.rttMs }),
    ...(lastError === undefined ? {} : { lastError })
  }
}
