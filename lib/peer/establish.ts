/**
 * Runs the handshake on a new conn, at either end, within one deadline.
 *
 * The manager decides which hosts may connect. The connection makes a session of an established conn.
 */

import { createSharedController, listenToAbort, unlessAborted } from '../base/abort.ts'
import { detached } from '../base/scope.ts'
import type { Conn } from '../conn/conn.ts'
import { ClosedError, HandshakeError, RejectedError } from '../errors/errors.ts'
import { toError } from '../errors/failure.ts'
import type { Logger } from '../errors/logger.ts'
import type { RemoteHandlers } from '../handler/table.ts'
import type { SessionInit } from '../session/session.ts'
import { DeadlineTimer } from '../time/after-reading.ts'
import { Wire } from '../wire/wire.ts'
import type { Auth } from './auth.ts'
import {
  type DialReason,
  dialHandshake,
  type HandshakeInit,
  type HandshakeResult,
  listenHandshake,
  type Refusal
} from './handshake.ts'
import { NameClash } from './name-clash.ts'
import { RefusalLog, stripPort } from './refusal-log.ts'

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

export interface EstablisherInit {
  readonly local: string
  readonly instance: Uint8Array
  readonly auth: Auth
  /** What all sessions of this server have in common. */
  readonly session: Pick<SessionInit, 'limits' | 'beat' | 'handlers'>
  readonly checksum: boolean | undefined
  readonly logger: Logger
  /** Makes a conn to a host; rejects when it cannot, or when the signal aborts. */
  readonly connect: (host: string, signal: AbortSignal) => Promise<Conn>
  /** Why a peer that has proved its name is refused; undefined when it is not. */
  readonly admit: (host: string, instance: string) => Refusal | undefined
  /** The handshake of an inbound conn is done; `admit` has not refused the host. */
  readonly onAccepted: (host: string, established: Established) => void
}

/** Bytes that the framing of the transport and pings of a proxy may add to the messages of a handshake. */
const framingBytes = 1024

export class Establisher {
  /** Inbound conns so far. */
  arrived = 0
  /** Inbound handshakes in progress, the oldest first. */
  readonly #pending = new Map<Wire, Deadline>()
  /** Handshakes in progress on conns that were dialed. */
  #outbound = 0
  readonly clash: NameClash
  readonly #init: EstablisherInit
  readonly #refusals: RefusalLog
  readonly #closing = new AbortController()

  constructor(init: EstablisherInit) {
    this.#init = init
    this.#refusals = new RefusalLog(init.logger)
    this.clash = new NameClash(init.local, init.logger)
  }

  /** Inbound handshakes in progress. */
  get pending(): number {
    return this.#pending.size
  }

  /** Handshakes are under way, with peers that were dialed or have dialed. */
  get isBusy(): boolean {
    return this.pending + this.#outbound > 0
  }

  /** Inbound handshakes that were refused or failed, including those of TLS. */
  get refusals(): number {
    return this.#refusals.count
  }

  /** Of those, the ones in the name of `host` since it was last accepted; and those that named none. */
  refusalsOf(host: string): { refusals: number; unnamed: number } {
    return { refusals: this.#refusals.countOf(host), unnamed: this.#refusals.unnamed }
  }

  /** A conn from this address was refused by TLS, before its handshake. */
  refusedByTls(code: string, address: string): void {
    this.#refusals.add(new HandshakeError(`TLS does not accept its certificate: ${code}`), address)
  }

  /** Aborts all inbound handshakes. */
  close(): void {
    this.#closing.abort(new ClosedError('the manager is closed'))
  }

  /** Makes a conn to `host` and runs the handshake; it `renews` the current session. */
  dial(host: string, signal: AbortSignal, renews: boolean): Promise<Established> {
    return detached(() => this.#dial(host, signal, renews ? 'renews' : undefined))
  }

  /** Proves to `host`, which is the one that dials, that this server is there; rejects when `host` does not know it now. */
  async knock(host: string, signal: AbortSignal): Promise<void> {
    try {
      const { session } = await detached(() => this.#dial(host, signal, 'knocks'))
      session.wire.close('it was to be refused')
    } catch (error) {
      if (!(RejectedError.is(error) && error.reason === 'wrongDirection')) throw error
    }
  }

  async #dial(host: string, signal: AbortSignal, as: DialReason | undefined): Promise<Established> {
    const { handshakeTimeoutMs } = this.#init.session.limits
    const text = `no session with ${host} within ${handshakeTimeoutMs} ms: does that server call attach()?`
    const deadline = new Deadline(performance.now() + handshakeTimeoutMs, text, signal)
    try {
      const connecting = this.#init.connect(host, deadline.signal)
      const abortLate = (conn: Conn) => conn.abort(new ClosedError('the dial was given up'))
      const wire = new Wire(await unlessAborted(connecting, deadline.signal, abortLate))
      this.#outbound++
      try {
        const result = await dialHandshake({ ...this.#handshake(wire, deadline.signal), remote: host, as })
        return this.#established(wire, 'dialer', result, deadline.atMs)
      } catch (error) {
        wire.close('the handshake failed')
        this.#tellOwnName(error, `${host}, dialed at ${wire.remoteAddress}, is another process with this name`)
        throw error
      } finally {
        this.#outbound--
      }
    } finally {
      deadline.clear()
    }
  }

  /**
   * Runs the handshake on an inbound conn, within a time that begins now. Never rejects: a value that is not a conn, or a conn
   * that throws, is refused like a peer.
   */
  accept(conn: Conn): Promise<void> {
    return detached(() => this.#accept(conn))
  }

  async #accept(conn: Conn): Promise<void> {
    const { session, admit, onAccepted } = this.#init
    const { handshakeTimeoutMs, maxHandshakeBytes, maxPendingHandshakes } = session.limits
    const text = `no session within ${handshakeTimeoutMs} ms`
    const deadline = new Deadline(performance.now() + handshakeTimeoutMs, text, this.#closing.signal)
    let wire: Wire | undefined
    let claimed: string | undefined
    const onClaim = (host: string): void => {
      claimed = host
    }
    this.arrived++
    try {
      wire = new Wire(conn)
      if (this.pending >= maxPendingHandshakes) this.#abortOldest()
      this.#pending.set(wire, deadline)
      // Up to its proof the dialer sends two messages.
      conn.limitInbound?.(2 * maxHandshakeBytes + framingBytes)
      const result = await listenHandshake({ ...this.#handshake(wire, deadline.signal), admit, onClaim })
      if (result === undefined) return wire.close('it has knocked')
      conn.limitInbound?.(Infinity)
      this.#refusals.forget(result.host)
      onAccepted(result.host, this.#established(wire, 'listener', result, deadline.atMs))
    } catch (thrown) {
      const address = wire?.remoteAddress ?? 'an unknown address'
      this.#refusals.add(toError(thrown), address, claimed)
      this.#tellRefused(thrown, address, claimed)
      this.#tellOwnName(thrown, `it dialed from ${address}`)
      wire?.close('the handshake failed')
    } finally {
      if (wire !== undefined) this.#pending.delete(wire)
      deadline.clear()
    }
  }

  /** Its message may hold what the peer has sent: the reason says enough. */
  #tellRefused(error: unknown, address: string, claimed: string | undefined): void {
    if (!RejectedError.is(error)) return
    const event = { type: 'refused', direction: 'inbound', reason: error.reason, message: '' } as const
    this.#init.session.handlers.figures.eventsOf(claimed).add(event, claimed ?? address)
  }

  #tellOwnName(error: unknown, sign: string): void {
    if (RejectedError.is(error) && error.reason === 'ownName') this.clash.ofThis(sign)
  }

  /** Makes room: silent conns must not keep out others, nor one address all others. */
  #abortOldest(): void {
    const byHost = new Map<string, Wire[]>()
    for (const wire of this.#pending.keys()) {
      const host = stripPort(wire.remoteAddress)
      const wires = byHost.get(host)
      if (wires === undefined) byHost.set(host, [wire])
      else wires.push(wire)
    }
    const [most] = [...byHost.values()].sort((a, b) => b.length - a.length)
    const oldest = most?.[0]
    if (oldest === undefined) return
    const error = new RejectedError('busy', 'too many handshakes at once: the oldest was aborted')
    this.#pending.get(oldest)?.abort(error)
    this.#pending.delete(oldest)
    oldest.abort(error)
  }

  #handshake(wire: Wire, signal: AbortSignal): HandshakeInit {
    const { local, instance, auth, session, checksum } = this.#init
    const wantChecksum = checksum ?? !wire.secure
    return { wire, local, instance, auth, limits: session.limits, wantChecksum, signal }
  }

  #established(wire: Wire, role: 'dialer' | 'listener', result: HandshakeResult, deadlineMs: number): Established {
    const { host, instance, session: id, identity, limits: remoteLimits, checksum, renews, renewBefore } = result
    const { understands: remoteUnderstands } = result
    const remote = Object.freeze({ host, instance, session: id, identity, address: wire.remoteAddress })
    const session = { ...this.#init.session, wire, role, remote, remoteLimits, remoteUnderstands, checksum }
    return { session, deadlineMs, renews, renewBefore }
  }
}

/** A signal that aborts at a moment, or when another one aborts. */
class Deadline {
  readonly atMs: number
  readonly #controller = createSharedController()
  readonly #timer: DeadlineTimer
  readonly #unlisten: () => void

  constructor(atMs: number, text: string, parent: AbortSignal) {
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
