/**
 * Runs the handshakes of a server: on conns that arrive, and on those that it dials.
 *
 * The manager decides which hosts and guests may connect. The connection makes a session of an established conn. Guests in the
 * handshake have a place of their own, so that they take none from hosts, however many they are.
 */

import type { AnySignal } from '../base/abort.ts'
import type { Remote } from '../base/remote.ts'
import { detached } from '../base/scope.ts'
import type { Conn } from '../conn/conn.ts'
import { ClosedError, HandshakeError, RejectedError } from '../errors/errors.ts'
import { toError } from '../errors/failure.ts'
import type { Logger } from '../errors/logger.ts'
import { Wire } from '../wire/wire.ts'
import { Deadline, type DialInit, dialPeer, type Established, toEstablished, toHandshake } from './dial.ts'
import { type GuestTerms, type HostTerms, listenHandshake } from './handshake.ts'
import { NameClash } from './name-clash.ts'
import { type Claim, RefusalLog, stripPort } from './refusal-log.ts'

export type { Established } from './dial.ts'

export interface EstablisherInit extends Omit<DialInit, 'onBegin'> {
  readonly logger: Logger
  readonly hosts: HostTerms & Taker
  readonly guests: GuestTerms & Taker
}

/** Takes those whose handshake is done, and who were not refused. */
export interface Taker {
  readonly onAccepted: (established: Established, host: string) => void
}

/** Bytes that the framing of the transport and pings of a proxy may add to the messages of a handshake. */
const framingBytes = 1024

export class Establisher {
  /** Inbound conns so far. */
  arrived = 0
  /** Inbound handshakes in progress: of hosts and of those that have not said who they are, */
  readonly #pending: Pending
  /** and of guests. */
  readonly #pendingGuests: Pending
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
    this.#pending = new Pending(init.session.limits.maxPendingHandshakes)
    this.#pendingGuests = new Pending(init.guests.limits.maxPendingHandshakes)
  }

  /** Inbound handshakes in progress. */
  get pending(): number {
    return this.#pending.size + this.#pendingGuests.size
  }

  /** Handshakes are under way, with peers that were dialed or have dialed. */
  get isBusy(): boolean {
    return this.#pending.size + this.#outbound > 0
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
  dial(host: string, signal: AnySignal, renews: boolean): Promise<Established> {
    return this.#dial(host, signal, renews ? 'renews' : undefined)
  }

  /** Proves to `host`, which is the one that dials, that this server is there; rejects when `host` does not know it now. */
  async knock(host: string, signal: AnySignal): Promise<void> {
    try {
      const { session } = await this.#dial(host, signal, 'knocks')
      session.wire.close('it was to be refused')
    } catch (error) {
      if (!(RejectedError.is(error) && error.reason === 'wrongDirection')) throw error
    }
  }

  #dial(host: string, signal: AnySignal, as: 'renews' | 'knocks' | undefined): Promise<Established> {
    const onBegin = (wire: Wire) => {
      this.#outbound++
      return (error?: unknown) => {
        this.#outbound--
        this.#tellOwnName(error, `${host}, dialed at ${wire.remoteAddress}, is another process with this name`)
      }
    }
    return dialPeer({ onBegin, ...this.#init }, host, signal, as)
  }

  /**
   * Runs the handshake on an inbound conn, within a time that begins now. Never rejects: a value that is not a conn, or a conn
   * that throws, is refused like a peer.
   */
  accept(conn: Conn): Promise<void> {
    return detached(() => this.#accept(conn))
  }

  async #accept(conn: Conn): Promise<void> {
    const { session, hosts, guests } = this.#init
    const { handshakeTimeoutMs, maxHandshakeBytes } = session.limits
    const text = `no session within ${handshakeTimeoutMs} ms`
    const deadline = new Deadline(performance.now() + handshakeTimeoutMs, text, this.#closing.signal)
    let wire: Wire | undefined
    let claim: Claim | undefined
    let isOther = true
    const onClaim = (host: string, role: Remote['role'], isSelf: boolean): void => {
      claim = { host, role }
      isOther = !isSelf
      if (wire === undefined) return
      if (role === 'host') return this.#pending.name(wire)
      this.#pending.delete(wire)
      this.#pendingGuests.add(wire, deadline)
    }
    this.arrived++
    try {
      wire = new Wire(conn)
      this.#pending.add(wire, deadline)
      // Up to its proof the dialer sends two messages.
      conn.limitInbound?.(2 * maxHandshakeBytes + framingBytes)
      const handshake = { admit: hosts.admit, guests, onClaim, ...toHandshake(this.#init, wire, deadline.signal) }
      const result = await listenHandshake(handshake)
      if (result === undefined) return wire.close('it has knocked')
      conn.limitInbound?.(Infinity)
      this.#refusals.forget(result.host)
      const [taker, limits] = result.role === 'host' ? [hosts, session.limits] : [guests, guests.limits]
      const common = { ...session, limits }
      taker.onAccepted(toEstablished(common, wire, 'listener', result, deadline.atMs), result.host)
    } catch (thrown) {
      const address = wire?.remoteAddress ?? 'an unknown address'
      this.#refusals.add(toError(thrown), address, claim)
      this.#tellRefused(thrown, address, claim)
      if (isOther) this.#tellOwnName(thrown, `it dialed from ${address}`)
      wire?.close('the handshake failed')
    } finally {
      if (wire !== undefined) {
        this.#pending.delete(wire)
        this.#pendingGuests.delete(wire)
      }
      deadline.clear()
    }
  }

  /** Its message may hold what the peer has sent: the reason says enough. */
  #tellRefused(error: unknown, address: string, claim: Claim | undefined): void {
    if (!RejectedError.is(error)) return
    const event = { type: 'refused', direction: 'inbound', reason: error.reason, message: '' } as const
    this.#init.session.handlers.figures.eventsOf(claim?.host, claim?.role).add(event, claim?.host ?? address)
  }

  #tellOwnName(error: unknown, sign: string): void {
    if (RejectedError.is(error) && error.reason === 'ownName') this.clash.ofThis(sign)
  }
}

/** Inbound handshakes in progress, so many at most. */
class Pending {
  readonly #most: number
  /** The oldest first. */
  readonly #all = new Map<Wire, { readonly deadline: Deadline; isNamed: boolean }>()
  #named = 0

  constructor(most: number) {
    this.#most = most
  }

  get size(): number {
    return this.#all.size
  }

  add(wire: Wire, deadline: Deadline): void {
    if (this.#all.size >= this.#most) this.#abortOldest()
    this.#all.set(wire, { deadline, isNamed: false })
  }

  /** It has said who it is. */
  name(wire: Wire): void {
    const handshake = this.#all.get(wire)
    if (handshake === undefined || handshake.isNamed) return
    handshake.isNamed = true
    this.#named++
  }

  delete(wire: Wire): void {
    if (this.#all.get(wire)?.isNamed === true) this.#named--
    this.#all.delete(wire)
  }

  /**
   * Makes room: silent conns must not keep out others, nor one address all others. Of those that have said who they are and
   * those that have not, neither takes more than half from the other: guests that have yet to say so cut no hosts that have.
   */
  #abortOldest(): void {
    const isNamed = this.#named > this.#all.size / 2
    const byHost = new Map<string, Wire[]>()
    for (const [wire, handshake] of this.#all) {
      if (handshake.isNamed !== isNamed) continue
      const host = stripPort(wire.remoteAddress)
      const wires = byHost.get(host)
      if (wires === undefined) byHost.set(host, [wire])
      else wires.push(wire)
    }
    const [most] = [...byHost.values()].sort((a, b) => b.length - a.length)
    const oldest = most?.[0]
    if (oldest === undefined) return
    const error = new RejectedError('busy', 'too many handshakes at once: the oldest was aborted')
    this.#all.get(oldest)?.deadline.abort(error)
    this.delete(oldest)
    oldest.abort(error)
  }
}
