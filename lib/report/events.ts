/** What happens to the connections of a manager, as plain data: for `recent`, channels and tools. Never a payload or a secret. */

import type { DisconnectReason, RejectReason } from './reasons.ts'
import type { HandlerName } from './stats.ts'

/**
 * - `idle`: made, not started.
 * - `connecting`: a dial or a handshake is under way.
 * - `connected`: calls can be made.
 * - `waiting`: the dialing side waits out its backoff, the other side waits to be dialed.
 * - `closed`: takes no calls any more, for good; running ones may still end.
 */
export type ConnectionState = 'idle' | 'connecting' | 'connected' | 'waiting' | 'closed'

interface EventBase {
  /** Grows with each event of a manager. */
  readonly seq: number
  /** Ms since the epoch. */
  readonly at: number
  /** The peer; as it named itself, where it has not proved that. */
  readonly host: string
  /** This server: a process may have several managers. */
  readonly local: string
}

/** The connection has another state. */
export interface StateEvent extends EventBase {
  readonly type: 'state'
  readonly state: ConnectionState
  readonly previous: ConnectionState
  readonly reason?: string
}

/** A dial of this server has ended, with its handshake. */
export interface DialEvent extends EventBase {
  readonly type: 'dial'
  readonly durationMs: number
  /** None where it worked. */
  readonly error?: { readonly code: string; readonly message: string }
}

/** The peer has proved itself on a new conn. */
export interface HelloEvent extends EventBase {
  readonly type: 'hello'
  readonly role: 'host' | 'guest'
  readonly instance: string
  readonly address: string
}

/** One end begins to close the conn; running calls may end. */
export interface GoAwayEvent extends EventBase {
  readonly type: 'goAway'
  /** `inbound` where the peer began. */
  readonly direction: 'inbound' | 'outbound'
  readonly reason: DisconnectReason
  /** When the grace ends, in ms since the epoch, where that is told. */
  readonly deadline?: number
}

/** Calls of this server, by whether their handlers may have run. */
export interface FailedCalls {
  readonly notSent: number
  readonly maybeRan: number
}

/** A conn has ended. */
export interface CloseEvent extends EventBase {
  readonly type: 'close'
  readonly reason: DisconnectReason
  readonly message: string
  /** The calls that have failed by that. */
  readonly failed: FailedCalls
}

/** The round trip takes three times as long as it did. */
export interface RttEvent extends EventBase {
  readonly type: 'rtt'
  readonly durationMs: number
  readonly previousMs: number
}

/** The peer and this server use other codecs for one handler. */
export interface MismatchEvent extends EventBase, HandlerName {
  readonly type: 'mismatch'
  /** That of the peer, in hex, */
  readonly fingerprint: string
  /** and that of this server. */
  readonly own: string
}

/** A handshake (no `handler`), or a call, was refused. */
export interface RefusedEvent extends EventBase {
  readonly type: 'refused'
  /** `inbound` where this server refused. */
  readonly direction: 'inbound' | 'outbound'
  readonly reason: RejectReason
  readonly message: string
  readonly handler?: string
  readonly subroute?: string
}

/** A call was reset. */
export interface ResetEvent extends EventBase, HandlerName {
  readonly type: 'reset'
  /** `inbound` where the peer did it. */
  readonly direction: 'inbound' | 'outbound'
  /** The word of the protocol page: `deadline`, `flowControl`, ... */
  readonly reason: string
}

/** A turn of the event loop took long. Of this process: `host` is its own. */
export interface SlowTurnEvent extends EventBase {
  readonly type: 'slowTurn'
  readonly durationMs: number
}

/** A handler of this process threw what it did not mean to. `host` is that of the caller. */
export interface MistakeEvent extends EventBase, HandlerName {
  readonly type: 'mistake'
  /** Of the error: `TypeError` and the like. */
  readonly name: string
}

export type ConnectionEvent = StateEvent | DialEvent | HelloEvent | GoAwayEvent | CloseEvent | RttEvent | MismatchEvent
export type GridEvent = ConnectionEvent | RefusedEvent | ResetEvent | SlowTurnEvent | MistakeEvent

type Without<Event, Keys extends PropertyKey> = Event extends unknown ? Omit<Event, Keys> : never
/** An event before it has its number, its time and its names. */
export type NewEvent = Without<GridEvent, keyof EventBase>
