/**
 * From a fresh conn to one that has shaken hands, on either end, within one deadline.
 *
 * Who may connect is asked of the manager; what becomes of an established conn is the connection's business.
 */

import { listenToAbort, sharedController, unlessAborted } from '../base/abort.ts'
import { JudgeTimer } from '../base/after-reading.ts'
import { ClosedError, HandshakeError, RejectedError, toError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { Conn } from '../conn/conn.ts'
import type { SessionInit } from '../session/session.ts'
import { Wire } from '../wire/wire.ts'
import type { Auth } from './auth.ts'
import { dialHandshake, type HandshakeInit, type HandshakeResult, listenHandshake, type Refusal } from './handshake.ts'
import { hostOf, RefusalLog } from './refusal-log.ts'

/** A conn whose handshake is done. */
export interface Established {
  /** What a session on it needs. */
  readonly session: SessionInit
  /** When the session must be ready, of `performance.now()`. */
  readonly deadlineMs: number
  /** It takes the place of a session that is to end its calls beside it. */
  readonly renews: boolean
  /** When the identity of either side ends, as far as this side knows; ms since the epoch. */
  readonly renewBefore: number | undefined
}

export interface EstablisherInit {
  readonly local: string
  readonly instance: Uint8Array
  readonly auth: Auth
  /** What all sessions of this side have in common. */
  readonly session: Pick<SessionInit, 'limits' | 'keepAlive' | 'handlers'>
  readonly checksum: boolean | undefined
  readonly logger: Logger
  /** Makes a conn to a host; rejects when it cannot, or when the signal aborts. */
  readonly connect: (host: string, signal: AbortSignal) => Promise<Conn>
  /** Why a peer that has proved its name is not let in, if it is not. */
  readonly admit: (host: string) => Refusal | undefined
  /** A conn that arrived has shaken hands with a host that `admit` let in. */
  readonly onAccepted: (host: string, established: Established) => void
}

/** What frames of the transport and pings of a proxy may add to the messages of a handshake. */
const framingBytes = 1024

export class Establisher {
  /** Handshakes of conns that arrived and are under way, the oldest first. */
  readonly #pending = new Map<Wire, Deadline>()
  readonly #init: EstablisherInit
  readonly #refusals: RefusalLog
  readonly #closing = new AbortController()

  constructor(init: EstablisherInit) {
    this.#init = init
    this.#refusals = new RefusalLog(init.logger)
  }

  /** Handshakes of conns that arrived and are under way. */
  get pending(): number {
    return this.#pending.size
  }

  /** Handshakes, those of TLS included, that were refused or failed here. */
  get refusals(): number {
    return this.#refusals.count
  }

  /** A conn from this address did not even get to a handshake. */
  refusedByTls(code: string, address: string): void {
    this.#refusals.add(new HandshakeError(`TLS does not accept its certificate: ${code}`), address)
  }

  /** Gives up all handshakes of conns that arrived. */
  close(): void {
    this.#closing.abort(new ClosedError('the manager is closed'))
  }

  /** Makes a conn to `host` and shakes hands; it `renews` the session that there is. */
  async dial(host: string, signal: AbortSignal, renews: boolean): Promise<Established> {
    const { handshakeTimeoutMs } = this.#init.session.limits
    const deadline = new Deadline(performance.now() + handshakeTimeoutMs, handshakeTimeoutMs, signal)
    try {
      const connecting = this.#init.connect(host, deadline.signal)
      const cutLate = (conn: Conn) => conn.abort(new ClosedError('the dial was given up'))
      const wire = new Wire(await unlessAborted(connecting, deadline.signal, cutLate))
      try {
        const result = await dialHandshake({ ...this.#handshake(wire, deadline.signal), remote: host, renews })
        return this.#established(wire, 'dialer', result, deadline.atMs)
      } catch (error) {
        wire.close('the handshake failed')
        throw error
      }
    } finally {
      deadline.clear()
    }
  }

  /**
   * Shakes hands on a conn that arrived; its TCP conn was accepted at `acceptedAtMs`, of `performance.now()`. Never rejects:
   * what is not a conn, or throws, is refused like a peer.
   */
  async accept(conn: Conn, acceptedAtMs: number): Promise<void> {
    const { session, admit, onAccepted } = this.#init
    const { handshakeTimeoutMs, maxHandshakeBytes, maxPendingHandshakes } = session.limits
    const deadline = new Deadline(acceptedAtMs + handshakeTimeoutMs, handshakeTimeoutMs, this.#closing.signal)
    let wire: Wire | undefined
    try {
      wire = new Wire(conn)
      if (this.pending >= maxPendingHandshakes) this.#cutOldest()
      this.#pending.set(wire, deadline)
      // Until the dialer has proved itself it has two messages to send.
      conn.limitInbound?.(2 * maxHandshakeBytes + framingBytes)
      const result = await listenHandshake({ ...this.#handshake(wire, deadline.signal), admit })
      conn.limitInbound?.(Infinity)
      onAccepted(result.host, this.#established(wire, 'listener', result, deadline.atMs))
    } catch (thrown) {
      this.#refusals.add(toError(thrown), wire?.remoteAddress ?? 'an unknown address')
      wire?.close('the handshake failed')
    } finally {
      if (wire !== undefined) this.#pending.delete(wire)
      deadline.clear()
    }
  }

  /** Makes room: silent conns must not keep those out who have something to say, nor one address all others. */
  #cutOldest(): void {
    const byHost = new Map<string, Wire[]>()
    for (const wire of this.#pending.keys()) {
      const host = hostOf(wire.remoteAddress)
      const wires = byHost.get(host)
      if (wires === undefined) byHost.set(host, [wire])
      else wires.push(wire)
    }
    const [most] = [...byHost.values()].sort((a, b) => b.length - a.length)
    const oldest = most?.[0]
    if (oldest === undefined) return
    const error = new RejectedError('busy', 'too many handshakes are under way: the oldest made room')
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
    const { host, instance, identity, limits: remoteLimits, checksum, renews, renewBefore } = result
    const remote = Object.freeze({ host, instance, identity, address: wire.remoteAddress })
    const session = { ...this.#init.session, wire, role, remote, remoteLimits, checksum }
    return { session, deadlineMs, renews, renewBefore }
  }
}

/** A signal that aborts at a moment, or with another one. */
class Deadline {
  readonly atMs: number
  readonly #controller = sharedController()
  readonly #timer: JudgeTimer
  readonly #unlisten: () => void

  constructor(atMs: number, timeoutMs: number, parent: AbortSignal) {
    this.atMs = atMs
    const expire = () =>
      this.#controller.abort(
        new HandshakeError(`no session within ${timeoutMs} ms: does the other end serve the grid, by attach()?`)
      )
    this.#timer = new JudgeTimer(atMs, expire)
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
