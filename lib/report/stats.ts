/** The shapes of `stats()`: plain data, cheap to take. */

/** The counters of one session. */
export interface SessionCounts {
  batchesIn: number
  bytesIn: number
  framesIn: number
  messagesIn: number
  /** Frames that arrived too late to matter, such as data of a stream that was reset. */
  ignoredFrames: number
  /** Calls of the remote end that were refused before they ran, by this server or by an interceptor of the handler. */
  refusals: number
}

/** One live session. */
export interface SessionStats extends Readonly<SessionCounts> {
  /** Names it, the same at both ends. */
  readonly id: string
  /** When it began, in ms since the epoch. */
  readonly since: number
  readonly batchesOut: number
  readonly bytesOut: number
  readonly framesOut: number
  readonly messagesOut: number
  /** Round-trip time of the last ping in ms; undefined before the first pong. An idle listener sends one in eight keep-alive intervals. */
  readonly rttMs: number | undefined
  /** Open streams, single requests included, that the remote end opened. */
  readonly inboundStreams: number
  /** Open streams, single requests included, that this end opened. */
  readonly outboundStreams: number
  /** Handlers of the remote end whose code is still running, also of calls and of sessions that have ended. */
  readonly runningHandlers: number
  /** Bytes encoded and waiting for the conn. */
  readonly sendQueueBytes: number
  /** Streams waiting for their turn to write. */
  readonly sendQueueStreams: number
}

export function createSessionCounts(): SessionCounts {
  return { batchesIn: 0, bytesIn: 0, framesIn: 0, messagesIn: 0, ignoredFrames: 0, refusals: 0 }
}

/** The counters of all sessions of a connection together, including the live one. */
export interface SessionTotals extends SessionCounts {
  batchesOut: number
  bytesOut: number
  framesOut: number
  messagesOut: number
}

export function createTotals(): SessionTotals {
  return {
    batchesIn: 0,
    bytesIn: 0,
    framesIn: 0,
    messagesIn: 0,
    ignoredFrames: 0,
    refusals: 0,
    batchesOut: 0,
    bytesOut: 0,
    framesOut: 0,
    messagesOut: 0
  }
}

/** Adds `counted`, if given, to `totals`, and returns `totals`. */
export function addTotals(totals: SessionTotals, counted: Readonly<SessionTotals> | undefined): SessionTotals {
  if (counted === undefined) return totals
  for (const name of Object.keys(totals) as (keyof SessionTotals)[]) totals[name] += counted[name]
  return totals
}

/** Names a handler, wherever one is named. */
export interface HandlerName {
  readonly kind: 'single' | 'streaming'
  readonly handler: string
  /** '' for none. */
  readonly subroute: string
}

/** How long calls took. */
export interface Histogram {
  /** Upper bounds in ms, always the same. A duration that is a bound is counted below it. */
  readonly boundsMs: readonly number[]
  /** One for each bound, and one more for what took longer than the last. */
  readonly counts: readonly number[]
  readonly sumMs: number
}

/** What calls came to so far. A call begins when it is made or has arrived, and ends when its stream is closed at this end. */
export interface CallFigures {
  /** Those that are open now included. */
  readonly calls: number
  /** Of `calls`, further tries of one call: an interceptor of its caller has sent it again. 0 for calls that are served. */
  readonly retries: number
  /** Open now. Code of a handler that runs on after its call is counted in `runningHandlers`. */
  readonly running: number
  /** Of the call that has been open longest; none where none is. */
  readonly oldestMs?: number
  /** Errors that a handler of this server threw by mistake, such as a `TypeError`. */
  readonly mistakes: number
  /** Calls that failed, by the `code` of their error; at most 64 codes, then `_OTHER`. What a caller gave up is `ERR_CANCELLED`. */
  readonly errors: Readonly<Record<string, number>>
  /** Of those that have ended, those that failed included. */
  readonly durations: Histogram
  /** Of payloads and messages, not of errors. */
  readonly bytesIn: number
  readonly bytesOut: number
}

/** The calls of one handler. */
export interface HandlerStats extends HandlerName, CallFigures {}

/** The dials of this server to one host. */
export interface DialStats {
  /** Since the start, handshakes that failed included. */
  readonly failures: number
  /** How long the last one took that has ended. */
  readonly lastDurationMs?: number
  /** When the next one begins, in ms since the epoch; none while there is a session, or where the host dials. */
  readonly nextAt?: number
}

/** How many wait now. */
export interface Waits {
  readonly count: number
  /** Of the one that has waited longest; none where none does. */
  readonly oldestMs?: number
}

/** What the open calls of one connection wait for, from this end. `connection.streams()` says which. */
export interface ConnectionWaits {
  /** Requests of this server that have no answer, by their age. */
  readonly called: Waits
  /** Requests of the peer that have no answer, by their age. */
  readonly served: Waits
  /** Halves of streams that may send nothing: the consumer at the other end takes nothing. */
  readonly credit: Waits
  /** Calls that have a message to send, and the conn is full. */
  readonly conn: Waits
  /** Halves of streams with messages that nobody here takes. */
  readonly consumer: Waits
}

export function createWaits(): ConnectionWaits {
  const none = () => ({ count: 0 })
  return { called: none(), served: none(), credit: none(), conn: none(), consumer: none() }
}

/** One connection, or one guest. */
export interface ConnectionStats {
  /** Of a guest `guest:` and its name. */
  readonly host: string
  readonly role: 'host' | 'guest'
  readonly state: 'idle' | 'connecting' | 'connected' | 'waiting' | 'closed'
  /** When it entered this state, in ms since the epoch. */
  readonly since: number
  /**
   * Since when it has not been connected, in ms since the epoch: since it last was, or since this server looks for the host.
   * A dial that fails changes `since`, and leaves this. None while it is connected.
   */
  readonly downSince?: number
  /** Whether this side dials. */
  readonly isDialer: boolean
  readonly instance: string | undefined
  /** Sessions after the first one, including those that renewed an identity. */
  readonly reconnects: number
  /** The text of `connection.lastError`. */
  readonly lastError?: string
  /** The live session, if there is one. */
  readonly session: SessionStats | undefined
  readonly waits: ConnectionWaits
  readonly totals: Readonly<SessionTotals>
  /** When the peer has last sent anything, in ms since the epoch, to half a keep-alive interval; none before the first session. */
  readonly lastSeenAt?: number
  readonly dialing: DialStats
  /** Calls of this server to the peer. */
  readonly called: CallFigures
  /** Calls of the peer to this server. */
  readonly served: CallFigures
}

/** One manager. */
export interface ManagerStats {
  readonly local: string
  readonly instance: string
  /** Now, by the clock of this server: the age of whatever has a time here is the difference. */
  readonly at: number
  /** When the manager was made. */
  readonly startedAt: number
  /** Its `keepAlive.intervalMs`: a peer that it has not heard from for two of them is lost. */
  readonly keepAliveMs: number
  /** How long the event loop of this process has worked and waited so far. */
  readonly loop: { readonly activeMs: number; readonly idleMs: number }
  /** Handlers registered here. */
  readonly handlerCount: number
  /** Inbound conns whose handshake is in progress. */
  readonly pendingHandshakes: number
  /** Inbound handshakes that were refused or failed. */
  readonly refusedHandshakes: number
  /** Other servers of the list that are connected, and that are not. */
  readonly up: number
  readonly down: number
  /** Open over all connections, single requests included, that peers have opened. */
  readonly inboundStreams: number
  /** The same, that this server has opened. */
  readonly outboundStreams: number
  readonly connections: readonly ConnectionStats[]
  /** Guests that are connected now, and those that have gone while their handlers still run. */
  readonly guests: readonly ConnectionStats[]
  /** What this server calls, by handler, over all peers; at most 1024 that no peer has had, then `_OTHER`. */
  readonly called: readonly HandlerStats[]
  /** The handlers of this server, those that were withdrawn included. */
  readonly served: readonly HandlerStats[]
  /** The sum over all connections, those to hosts that were removed and guests that have gone included. It never falls. */
  readonly totals: Readonly<SessionTotals>
}
