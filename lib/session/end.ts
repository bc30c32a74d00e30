/** How a session ended, and the errors of the calls that were running on it. */

import { errorText } from '../base/text.ts'
import {
  DisconnectedError,
  type DisconnectReason,
  DrainingError,
  ProtocolError,
  ShutdownError
} from '../errors/errors.ts'
import { causeBehind } from '../errors/failure.ts'
import { defaultKeepAlive } from '../errors/options.ts'
import type { HostEvents } from '../figures/event-log.ts'
import type { Stream } from '../stream/stream.ts'
import { CloseCode } from '../wire/frame.ts'

export interface SessionEnd {
  readonly reason: DisconnectReason
  readonly text: string
  /** The remote end announced it by a go-away. */
  readonly byRemote?: boolean
  readonly cause?: unknown
}

/**
 * How a session ends by an error: of the peer, of the conn, or of this side while it handles the peer's frames (`inDispatch`).
 *
 * @param intervalMs how often this side pings
 */
export function toSessionEnd(
  error: Error,
  inDispatch: boolean,
  remoteGoAway: SessionEnd | undefined,
  intervalMs: number
): SessionEnd {
  if (ProtocolError.is(error)) return { reason: error.reason, text: error.message, cause: error }
  // The text is sent to the peer, and that of an unexpected error may hold anything.
  if (inDispatch) return { reason: 'internal', text: 'an internal error', cause: error }
  // The close code of a conn says that this side broke a rule: no go-away from before that explains the end better.
  if (DisconnectedError.is(error) && error.reason === 'protocol') {
    return { reason: error.reason, text: error.message, cause: error }
  }
  if (remoteGoAway !== undefined) return { ...remoteGoAway, cause: error }
  return { reason: 'lost', text: `${errorText(error)}${describeRarePings(intervalMs)}`, cause: error }
}

/**
 * How a session ends whose conn the peer has closed in an orderly way, without a go-away.
 *
 * @param isRefused the peer has dialed, and said nothing once it was accepted: so ends who does not accept this side
 */
export function toClosedEnd(isRefused: boolean): SessionEnd {
  const why =
    ' as soon as it was accepted: it may not accept the proof or the name of this side (another secret, insecure() at one end only); its log has the reason'
  return { reason: 'lost', text: `the peer closed the conn${isRefused ? why : ''}` }
}

/** Where this server pings more rarely than most proxies allow, a conn that is lost was probably idle for too long. */
function describeRarePings(intervalMs: number): string {
  if (intervalMs <= defaultKeepAlive.intervalMs) return ''
  return `; keepAlive.intervalMs is ${intervalMs}: does a proxy on the way close conns that are idle for shorter?`
}

/** How this side ends a session that the remote end has left by `error`: for the reason that it gave. */
export function toLeftEnd(error: Error | undefined, text: string): SessionEnd {
  return { reason: DisconnectedError.is(error) ? error.reason : 'lost', text, byRemote: true }
}

/** How a session ends when nothing has arrived for so long. */
export function toSilenceEnd(silentMs: number): SessionEnd {
  return { reason: 'keepAlive', text: `keep-alive: the peer sent nothing for ${Math.round(silentMs)} ms` }
}

/** The close code that tells the remote end. */
export function toCloseCode(reason: DisconnectReason): number {
  return CloseCode[reason as keyof typeof CloseCode] ?? CloseCode.internal
}

/** The word for a close code; a code of a later version is `internal`. */
export function toCloseReason(code: number): DisconnectReason {
  for (const [reason, known] of Object.entries(CloseCode)) if (known === code) return reason as DisconnectReason
  return 'internal'
}

/** Why a session drains, and until when; `graceMs` is undefined where all running calls may end, or the peer does not say. */
export function toDrainingError({ reason, byRemote }: SessionEnd, graceMs: number | undefined): DrainingError {
  const deadline = graceMs === undefined ? undefined : Date.now() + graceMs
  return new DrainingError(reason, byRemote === true ? 'remote' : 'local', deadline)
}

/** The error of a call whose session ended; `host` is the remote one. */
export function createLossError(end: SessionEnd, stream: Stream, host: string, events: HostEvents): Error {
  if (!stream.initiator && end.reason === 'shutdown' && end.byRemote !== true) return new ShutdownError()
  const { delivery, owner } = stream
  // Where calls were given time to end.
  const remark = end.reason === 'shutdown' || end.reason === 'hostRemoved' ? (owner?.remark?.() ?? '') : ''
  return new DisconnectedError(end.reason, `disconnected from ${host}: ${end.text}${remark}`, {
    delivery,
    recent: events.recentUntilNow(),
    ...causeOfEnd(end)
  })
}

/** The error of a call that cannot start: the session has ended, or goes away (`remoteGoAway` when the remote end began it). */
export function createUnusableError(
  host: string,
  ended: boolean,
  remoteGoAway: SessionEnd | undefined,
  events: HostEvents
): DisconnectedError {
  const options = { delivery: 'notSent', recent: events.recentUntilNow() } as const
  if (ended) return new DisconnectedError('notConnected', `not connected to ${host}`, options)
  const { reason, text } = remoteGoAway ?? { reason: 'shutdown', text: 'this side is going away' }
  return new DisconnectedError(reason, `no new calls to ${host}: ${text}`, options)
}

/** The text of an end may be that of its cause, which then tells nothing more. */
export function causeOfEnd({ text, cause }: SessionEnd): { readonly cause?: unknown } {
  return errorText(cause) === text ? causeBehind(cause) : { cause }
}
