/** The states of a connection, its events, what it shares with others, and what it has in common with a guest. */

import { nearest, printable } from '../base/text.ts'
import type { Callable } from '../call/callable.ts'
import { InvalidOptionError } from '../errors/errors.ts'
import type { HandlerInfo } from '../handler/info.ts'
import type { NameClash } from '../peer/name-clash.ts'
import type { ConnectionState, GridEvent } from '../report/events.ts'
import type { ConnectionStats } from '../report/stats.ts'
import type { StreamInfo, StreamsOptions } from '../report/stream-info.ts'

export type { ConnectionState }

export interface StateChange {
  readonly state: ConnectionState
  readonly previous: ConnectionState
  /** Why, in words, where there is a reason. */
  readonly reason?: string
}

export interface ConnectionEvents {
  state: [change: StateChange]
  /** The remote server is another process than the one before. */
  restart: [instances: { readonly instance: string; readonly previous: string }]
  /** What the peer offers has changed, or it is connected again. */
  handlers: [handlers: readonly HandlerInfo[]]
}

const events = ['state', 'restart', 'handlers']
/** Node's own: `once()` of `node:events` listens to errors, too. */
const ofNode = ['error', 'newListener', 'removeListener']

/**
 * For code without types: a listener of another event would never be called.
 *
 * @throws {InvalidOptionError} with the events that there are
 */
export function checkEvent(name: unknown): void {
  if ([...events, ...ofNode].includes(name as string)) return
  const shown = printable(String(name), 64)
  const near = nearest(shown, events)
  const hint = near === undefined ? '' : ` (did you mean "${near}"?)`
  throw new InvalidOptionError(`a connection has no event "${shown}"${hint}; it has ${events.join(', ')}`)
}

/** The server at the other end as its callers see it: a connection of a manager, or a guest. */
export interface Peer extends Callable {
  /** Its canonical name. */
  readonly host: string
  readonly instance: string | undefined
  /** What it offers, or has offered last. */
  readonly handlers: readonly HandlerInfo[]
  readonly recent: readonly GridEvent[]
  streams(options?: StreamsOptions): StreamInfo[]
  stats(): ConnectionStats
}

/** What the connections of a manager have in common. */
export interface Shared {
  /** Handshakes are under way, with any host. */
  readonly isBusy: () => boolean
  /** Calls can be made to one more. */
  readonly onConnected: () => void
  /** One of the hosts offers other handlers, or is connected again. */
  readonly onHandlers: () => void
  /** Told of processes with one name. */
  readonly clash: NameClash
}
