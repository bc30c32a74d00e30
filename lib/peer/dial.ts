/**
 * Makes a conn to a host and runs the handshake on it, within one deadline. The result has what a session is made of.
 *
 * Whether it is dialed, and what becomes of the session, is for those that call this.
 */

import { type AnySignal, createSharedController, listenToAbort, unlessAborted } from '../base/abort.ts'
import { detached } from '../base/scope.ts'
import type { Conn } from '../conn/conn.ts'
import { ClosedError, HandshakeError } from '../errors/errors.ts'
import type { RemoteHandlers } from '../handler/table.ts'
import type { SessionInit } from '../session/session.ts'
import { DeadlineTimer } from '../time/after-reading.ts'
import { Wire } from '../wire/wire.ts'
import type { Auth } from './auth.ts'
import { type DialReason, dialHandshake, type HandshakeInit, type HandshakeResult } from './handshake.ts'

/** A conn whose handshake is done. */
export interface Established {
  /** What its session needs. */
  readonly session: SessionInit
  /** As of `Session`. */
  readonly remoteHandlers?: RemoteHandlers
  /** When the session must be ready, of `performance.now()`. */
  readonly deadlineMs: number
  /** It replaces a session, whose calls may end meanwhile. */
  readonly renews: boolean
  /** When the first of the two identities expires, as far as this side knows; ms since the epoch. */
  readonly renewBefore: number | undefined
}

/** What all sessions of one server or guest have in common. */
export type CommonSession = Pick<SessionInit, 'limits' | 'beat' | 'handlers'>

/** What one end of all its handshakes is. */
export interface OwnEnd {
  readonly local: string
  readonly instance: Uint8Array
  readonly auth: Auth
  readonly session: CommonSession
  readonly checksum: boolean | undefined
}

export interface DialInit extends OwnEnd {
  /** Makes a conn to a host; rejects when it cannot, or when the signal aborts. */
  readonly connect: (host: string, signal: AbortSignal) => Promise<Conn>
  /** The handshake is about to begin; what this returns is called when it has ended. */
  readonly onBegin?: (wire: Wire) => (error?: unknown) => void
}

/** Makes a conn to `host` and runs the handshake. */
export function dialPeer(init: DialInit, host: string, signal: AnySignal, as?: DialReason): Promise<Established> {
  return detached(() => dial(init, host, signal, as))
}

async function dial(init: DialInit, host: string, signal: AnySignal, as?: DialReason): Promise<Established> {
  const { handshakeTimeoutMs } = init.session.limits
  const text = `no session with ${host} within ${handshakeTimeoutMs} ms: does that server call attach()?`
  const deadline = new Deadline(performance.now() + handshakeTimeoutMs, text, signal)
  try {
    const connecting = init.connect(host, deadline.signal)
    const abortLate = (conn: Conn) => conn.abort(new ClosedError('the dial was given up'))
    const wire = new Wire(await unlessAborted(connecting, deadline.signal, abortLate))
    const onEnd = init.onBegin?.(wire)
    try {
      const result = await dialHandshake({ remote: host, as, ...toHandshake(init, wire, deadline.signal) })
      onEnd?.()
      return toEstablished(init.session, wire, 'dialer', result, deadline.atMs)
    } catch (error) {
      wire.close('the handshake failed')
      onEnd?.(error)
      throw error
    }
  } finally {
    deadline.clear()
  }
}

export function toHandshake(end: OwnEnd, wire: Wire, signal: AbortSignal): HandshakeInit {
  const { local, instance, auth, session, checksum } = end
  return { wire, local, instance, auth, limits: session.limits, wantChecksum: checksum ?? !wire.secure, signal }
}

export function toEstablished(
  common: CommonSession,
  wire: Wire,
  role: 'dialer' | 'listener',
  result: HandshakeResult,
  deadlineMs: number
): Established {
  const { host, instance, session: id, identity, limits: remoteLimits, checksum, renews, renewBefore } = result
  const { understands: remoteUnderstands } = result
  const address = wire.remoteAddress
  const remote = Object.freeze({ host, role: result.role, instance, session: id, identity, address })
  // Not spread first: V8 makes a hidden class of 280 B for each object that begins so.
  const session = { wire, role, remote, remoteLimits, remoteUnderstands, checksum, ...common }
  return { session, deadlineMs, renews, renewBefore }
}

/** A signal that aborts at a moment, or when another one aborts. */
export class Deadline {
  readonly atMs: number
  readonly #controller = createSharedController()
  readonly #timer: DeadlineTimer
  readonly #unlisten: () => void

  constructor(atMs: number, text: string, parent: AnySignal) {
    this.atMs = atMs
    this.#timer = new DeadlineTimer(atMs, () => this.#controller.abort(new HandshakeError(text)))
    this.#unlisten = listenToAbort(parent, (reason) => this.#controller.abort(reason))
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  abort(reason: Error): void {
    this.#controller.abort(reason)
  }

  clear(): void {
    this.#timer.clear()
    this.#unlisten()
  }
}
