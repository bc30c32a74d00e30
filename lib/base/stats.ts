/** The shapes of `stats()`: plain data, cheap to take. */

/** The counters of one session. */
export interface SessionCounts {
  batchesIn: number
  bytesIn: number
  framesIn: number
  messagesIn: number
  /** Frames that arrived too late to matter, such as data of a stream that was reset. */
  ignoredFrames: number
}

/** One live session. */
export interface SessionStats extends Readonly<SessionCounts> {
  readonly batchesOut: number
  readonly bytesOut: number
  readonly framesOut: number
  readonly messagesOut: number
  /** Round-trip time of the last ping in ms; undefined before the first pong. */
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
  /** Calls of the remote end that were refused before they ran. */
  readonly refusals: number
}

export function createSessionCounts(): SessionCounts {
  return { batchesIn: 0, bytesIn: 0, framesIn: 0, messagesIn: 0, ignoredFrames: 0 }
}

/** The counters of all sessions of a connection together, including the live one. */
export interface SessionTotals extends SessionCounts {
  batchesOut: number
  bytesOut: number
  framesOut: number
  messagesOut: number
  refusals: number
}

export function createTotals(): SessionTotals {
  return { ...createSessionCounts(), batchesOut: 0, bytesOut: 0, framesOut: 0, messagesOut: 0, refusals: 0 }
}

/** Adds `counted`, if given, to `totals`, and returns `totals`. */
export function addTotals(totals: SessionTotals, counted: Readonly<SessionTotals> | undefined): SessionTotals {
  if (counted === undefined) return totals
  for (const name of Object.keys(totals) as (keyof SessionTotals)[]) totals[name] += counted[name]
  return totals
}

/** One connection. */
export interface ConnectionStats {
  readonly host: string
  readonly state: 'idle' | 'connecting' | 'connected' | 'waiting' | 'closed'
  /** When it entered this state, in ms since the epoch. */
  readonly since: number
  /** Whether this side dials. */
  readonly isDialer: boolean
  readonly instance: string | undefined
  /** Sessions after the first one, including those that renewed an identity. */
  readonly reconnects: number
  /** The live session, if there is one. */
  readonly session: SessionStats | undefined
  readonly totals: Readonly<SessionTotals>
}

/** One manager. */
export interface ManagerStats {
  readonly local: string
  readonly instance: string
  /** Handlers registered here. */
  readonly handlerCount: number
  /** Inbound conns whose handshake is in progress. */
  readonly pendingHandshakes: number
  /** Inbound handshakes that were refused or failed. */
  readonly refusedHandshakes: number
  readonly connections: readonly ConnectionStats[]
  /** The sum over all connections, those to hosts that were removed included. It never falls. */
  readonly totals: Readonly<SessionTotals>
}
