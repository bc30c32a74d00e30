/**
 * The lasting link to one host across reconnects: its state, its dial loop, the session that takes the calls.
 *
 * How a conn is made and shaken hands with is injected; who dials was decided by the manager. Knows no bytes.
 */

import { EventEmitter } from 'node:events'
import { Backoff } from './backoff.ts'
import type { CallOptions } from './call-options.ts'
import { type CallArguments, type Callable, type CallPort, Calls } from './calls.ts'
import type { ConnectionEvents, ConnectionState } from './connection-state.ts'
import type { SingleDefinition, StreamingDefinition } from './definition.ts'
import { DialLog } from './dial-log.ts'
import { ClosedError, DisconnectedError, errorText, RejectedError } from './errors.ts'
import type { Established } from './establish.ts'
import type { GridStream } from './grid-stream.ts'
import type { Logger } from './logger.ts'
import { defaultCloseTimeoutMs, maxDraining, type ReconnectOptions } from './options.ts'
import { ReadyWaiters } from './ready-waiters.ts'
import { Session } from './session.ts'
import type { SessionEnd } from './session-end.ts'
import { addTotals, type ConnectionStats, newTotals } from './stats.ts'

export interface ConnectionInit {
  readonly host: string
  /** Whether this side dials. */
  readonly dials: boolean
  readonly dial: (host: string, signal: AbortSignal) => Promise<Established>
  readonly reconnect: Readonly<ReconnectOptions>
  readonly logger: Logger
}

export class Connection extends EventEmitter<ConnectionEvents> implements Callable {
  /** Canonical name of the remote host. */
  readonly host: string
  readonly #init: ConnectionInit
  readonly #calls: Calls
  readonly #backoff: Backoff
  readonly #dialLog: DialLog
  readonly #closing = new AbortController()
  #state: ConnectionState = 'idle'
  #sinceMs = Date.now()
  #session: Session | undefined
  /** Sessions that take no new calls but still end their running ones. */
  readonly #draining = new Set<Session>()
  #redialTimer: NodeJS.Timeout | undefined
  #readyTimer: NodeJS.Timeout | undefined
  #expiryTimer: NodeJS.Timeout | undefined
  #readyAtMs = 0
  #instance: string | undefined
  #lastError: Error | undefined
  #sessions = 0
  readonly #totals = newTotals()
  readonly #waiters: ReadyWaiters

  /** @internal made by the manager */
  constructor(init: ConnectionInit) {
    super()
    this.host = init.host
    this.#init = init
    this.#backoff = new Backoff(init.reconnect)
    this.#dialLog = new DialLog(init.host, init.logger)
    this.#waiters = new ReadyWaiters(init.host)
    const port: CallPort = {
      usableSession: () => this.#usableSession(),
      notConnectedError: () => this.#notConnectedError(),
      waitForSession: (deadlineMs, signal) => this.#waitForSession(deadlineMs, signal)
    }
    this.#calls = new Calls(port, '')
  }

  /** See `ConnectionState`. */
  get state(): ConnectionState {
    return this.#state
  }

  /** The instance id of the remote server, new at each of its starts; undefined before the first session. */
  get instance(): string | undefined {
    return this.#instance
  }

  /** Why the last dial or session failed, if one did. */
  get lastError(): Error | undefined {
    return this.#lastError
  }

  request(id: string, payload?: Uint8Array, options?: CallOptions): Promise<Uint8Array>
  request<Req, Res>(definition: SingleDefinition<Req, Res>, ...args: CallArguments<Req>): Promise<Res>
  request(
    target: string | SingleDefinition<unknown, unknown>,
    value?: unknown,
    options?: CallOptions
  ): Promise<unknown> {
    return this.#calls.request(target as SingleDefinition<unknown, unknown>, value, options)
  }

  newStream(id: string, payload?: Uint8Array, options?: CallOptions): GridStream<Uint8Array, Uint8Array>
  newStream<Payload, Req, Res>(
    definition: StreamingDefinition<Payload, Req, Res>,
    ...args: CallArguments<Payload>
  ): GridStream<Req, Res>
  newStream(
    target: string | StreamingDefinition<unknown, unknown, unknown>,
    value?: unknown,
    options?: CallOptions
  ): unknown {
    return this.#calls.newStream(target as StreamingDefinition<unknown, unknown, unknown>, value, options)
  }

  subroute(name: string): Callable {
    return this.#calls.subroute(name)
  }

  /**
   * Resolves when calls can be made.
   *
   * @throws {ClosedError} when the connection is or gets closed
   * @throws `signal.reason` when the wait is given up
   */
  async waitForConnect(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await this.#waitForSession(0, options.signal)
  }

  /** What goes over the live conn and has gone over all before. Plain data, cheap to take. */
  stats(): ConnectionStats {
    const live = this.#session?.stats()
    const totals = { ...this.#totals }
    for (const counted of [live, ...[...this.#draining].map((session) => session.stats())]) addTotals(totals, counted)
    return {
      host: this.host,
      state: this.#state,
      since: this.#sinceMs,
      dials: this.#init.dials,
      instance: this.#instance,
      reconnects: Math.max(0, this.#sessions - 1),
      session: live,
      totals
    }
  }

  /** @internal the manager is ready to dial or to be dialed */
  start(): void {
    if (this.#state !== 'idle') return
    if (this.#init.dials) this.#dial()
    else this.#setState('waiting')
  }

  /** @internal a conn to the host has shaken hands: the newest one wins */
  adopt(established: Established): void {
    const session: Session = new Session({
      ...established,
      onReady: () => this.#onReady(session),
      onDraining: (end) => this.#onDraining(session, end),
      onEnd: (end) => this.#onEnd(session, end)
    })
    if (this.#state === 'closed') return session.end({ reason: 'shutdown', text: 'closed' })
    const previous = this.#session
    this.#session = session
    if (previous !== undefined) this.#replace(previous, session)
    if (this.#state !== 'connecting') this.#setState('connecting')
    for (const timer of [this.#redialTimer, this.#readyTimer, this.#expiryTimer]) clearTimeout(timer)
    this.#readyTimer = setTimeout(
      () => session.end({ reason: 'protocol', text: 'no handler table before the handshake deadline' }),
      Math.max(0, established.deadlineMs - performance.now())
    ).unref()
    session.start()
  }

  /** @internal no new calls; running ones may end within `graceMs` */
  async close(end: SessionEnd, graceMs: number): Promise<void> {
    if (this.#state !== 'closed') {
      this.#setState('closed', end.text)
      this.#closing.abort(new ClosedError(`the connection to ${this.host} was closed: ${end.text}`))
      for (const timer of [this.#redialTimer, this.#readyTimer, this.#expiryTimer]) clearTimeout(timer)
      this.#waiters.settle({ reason: this.#notConnectedError() })
    }
    const sessions = [this.#session, ...this.#draining].filter((session) => session !== undefined)
    await Promise.all(sessions.map((session) => session.drain(end, graceMs)))
  }

  #dial(): void {
    this.#setState('connecting')
    this.#init.dial(this.host, this.#closing.signal).then(
      (established) => this.adopt(established),
      (error) => this.#onDialFailed(error)
    )
  }

  #onDialFailed(error: Error): void {
    if (this.#state !== 'connecting') return
    this.#dialLog.failed(error, this.#backoff.attempts)
    this.#lastError = error
    this.#redialLater(errorText(error))
  }

  #redialLater(reason: string): void {
    this.#setState('waiting', reason)
    if (!this.#init.dials || this.#state !== 'waiting') return
    this.#redialTimer = setTimeout(() => this.#dial(), this.#backoff.nextMs())
  }

  #onReady(session: Session): void {
    if (session !== this.#session) return
    clearTimeout(this.#readyTimer)
    this.#readyAtMs = performance.now()
    this.#sessions++
    this.#lastError = undefined
    const { instance, identity } = session.remote
    const previous = this.#instance
    this.#instance = instance
    this.#init.logger.info(`connected to ${this.host} (instance ${instance.slice(0, 8)}, ${session.remote.address})`)
    this.#setState('connected')
    if (previous !== undefined && previous !== instance) this.#tell('restart', { instance, previous })
    this.#waiters.settle({ session })
    // Last, for it may be the end of the session; and a listener above may have ended it already.
    if (session === this.#session) this.#endWhenExpired(session, identity.expiresAt)
  }

  #onDraining(session: Session, end: SessionEnd): void {
    this.#draining.add(session)
    const [oldest] = this.#draining
    if (this.#draining.size > maxDraining) oldest?.end({ reason: 'replaced', text: 'too many sessions are ending' })
    this.#leave(session, end)
  }

  #onEnd(session: Session, end: SessionEnd): void {
    this.#draining.delete(session)
    addTotals(this.#totals, session.stats())
    if (end.reason !== 'shutdown') this.#init.logger.info(`disconnected from ${this.host}: ${end.text}`)
    this.#leave(session, end)
  }

  /** `session` takes no new calls; if it was the one that did, the next is made. */
  #leave(session: Session, { reason, text, cause }: SessionEnd): void {
    if (session !== this.#session) return
    this.#session = undefined
    for (const timer of [this.#readyTimer, this.#expiryTimer]) clearTimeout(timer)
    this.#backoff.onSessionEnd(this.#state === 'connected' ? performance.now() - this.#readyAtMs : 0)
    if (this.#state === 'closed') return
    this.#lastError = new DisconnectedError(reason, text, { cause })
    this.#redialLater(text)
  }

  #replace(previous: Session, session: Session): void {
    const restarted = previous.remote.instance !== session.remote.instance
    const text = restarted ? 'another instance of the host has connected' : 'the host has connected anew'
    this.#init.logger.warn(`the conn to ${this.host} is replaced by a newer one: ${text}`)
    previous.end({ reason: 'replaced', text })
  }

  #endWhenExpired(session: Session, expiresAt: number | undefined): void {
    if (expiresAt === undefined) return
    const expire = () => {
      const leftMs = expiresAt - Date.now()
      if (leftMs > 0) this.#expiryTimer = setTimeout(expire, Math.min(leftMs, 2 ** 31 - 1)).unref()
      else session.drain({ reason: 'expired', text: 'the identity of the peer has expired' }, defaultCloseTimeoutMs)
    }
    expire()
  }

  #usableSession(): Session | undefined {
    const session = this.#session
    return session?.usable === true ? session : undefined
  }

  #notConnectedError(): Error {
    const delivery = 'notSent'
    if (this.#state === 'closed') return new ClosedError(`the connection to ${this.host} is closed`, { delivery })
    const cause = this.#lastError
    if (cause instanceof RejectedError) return new RejectedError(cause.reason, cause.message, { cause })
    const why =
      cause?.message ?? (this.#init.dials ? 'the first dial is under way' : 'it has not dialed this server yet')
    return new DisconnectedError('notConnected', `not connected to ${this.host}: ${why}`, { delivery, cause })
  }

  #waitForSession(deadlineMs: number, signal: AbortSignal | undefined): Promise<Session> {
    const session = this.#usableSession()
    if (session !== undefined) return Promise.resolve(session)
    if (this.#state === 'closed') return Promise.reject(this.#notConnectedError())
    return this.#waiters.wait(deadlineMs, signal, () => this.#lastError)
  }

  #setState(state: ConnectionState, reason?: string): void {
    if (this.#state === state || this.#state === 'closed') return
    const previous = this.#state
    this.#state = state
    this.#sinceMs = Date.now()
    this.#tell('state', { state, previous, ...(reason === undefined ? {} : { reason }) })
  }

  /** A listener that throws must not keep the connection from what it is doing. */
  #tell<Name extends keyof ConnectionEvents>(name: Name, ...args: ConnectionEvents[Name]): void {
    try {
      EventEmitter.prototype.emit.call(this, name, ...args)
    } catch (error) {
      this.#init.logger.error(`a listener of "${name}" of the connection to ${this.host} threw: ${errorText(error)}`)
    }
  }
}
