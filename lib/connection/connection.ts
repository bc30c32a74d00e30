/**
 * The lasting link to one host across reconnects: its state, its dial loop, the session that takes the calls.
 *
 * How a conn is made and shaken hands with is injected; who dials was decided by the manager. Knows no bytes.
 */

import { EventEmitter } from 'node:events'
import { type AnySignal, InnerSignal } from '../base/abort.ts'
import { errorText } from '../base/text.ts'
import type { CallArguments, Callable } from '../call/callable.ts'
import type { StreamOf } from '../call/grid-stream.ts'
import { type CallOptions, readWaitOptions } from '../call/options.ts'
import type { CallPort } from '../caller/call-port.ts'
import { Calls } from '../caller/calls.ts'
import { ClosedError, DisconnectedError } from '../errors/errors.ts'
import { toError } from '../errors/failure.ts'
import { OpenTally } from '../figures/figures.ts'
import { GridFigures, type PeerFigures } from '../figures/grid-figures.ts'
import type { AnySingle, AnyStreaming, PayloadOf, ResponseOf } from '../handler/definition.ts'
import { type HandlerInfo, toHandlerInfo } from '../handler/info.ts'
import type { RemoteHandlers } from '../handler/table.ts'
import type { Established } from '../peer/dial.ts'
import { roleOf } from '../peer/hosts.ts'
import { Sessions } from '../renewal/sessions.ts'
import type { GridEvent } from '../report/events.ts'
import type { ConnectionStats } from '../report/stats.ts'
import type { StreamInfo, StreamsOptions } from '../report/stream-info.ts'
import { causeOfEnd, type SessionEnd } from '../session/end.ts'
import type { Session } from '../session/session.ts'
import { Backoff } from '../time/backoff.ts'
import { Absence } from './absence.ts'
import { DialLog } from './dial-log.ts'
import { emitSafely } from './emit.ts'
import type { ConnectionInit } from './init.ts'
import { ReadyWaiters } from './ready-waiters.ts'
import { Retry } from './retry.ts'
import { type ConnectionEvents, type ConnectionState, checkEvent, type Peer } from './state.ts'
import { selectStreams } from './streams.ts'

export class Connection extends EventEmitter<ConnectionEvents> implements Peer {
  /** Canonical name of the remote host. */
  readonly host: string
  readonly #init: ConnectionInit
  readonly #figures: PeerFigures
  readonly #calls: Calls
  readonly #backoff: Backoff
  readonly #dialLog: DialLog
  readonly #closing = new InnerSignal()
  #state: ConnectionState = 'idle'
  #sinceMs = Date.now()
  readonly #sessions: Sessions
  readonly #retry: Retry
  #readyAtMs = 0
  #instance: string | undefined
  readonly #absence: Absence
  #readyCount = 0
  readonly #waiters = new ReadyWaiters()
  /** Of calls whose handler the host does not have. */
  readonly #handlerWaiters = new ReadyWaiters()
  /** What the host offers, or has offered last. */
  #handlers: RemoteHandlers | undefined

  /** @internal made by the manager */
  constructor(init: ConnectionInit) {
    super()
    // Any number of calls may wait for a state at once.
    this.setMaxListeners(0)
    EventEmitter.prototype.on.call(this, 'newListener', checkEvent)
    this.host = init.host
    this.#init = init
    const figures = init.calls?.figures ?? new GridFigures()
    this.#figures = figures.of(init.host)
    this.#backoff = new Backoff(init.reconnect)
    this.#retry = new Retry(
      () => (init.dials ? this.#dial() : this.#absence.knock(() => this.#state)),
      init.shared?.isBusy ?? (() => false)
    )
    this.#dialLog = new DialLog(init.host, init.logger, this.#figures.events)
    this.#absence = new Absence(init, this.#closing, this.#figures.events)
    const renew = async (signal: AbortSignal) => this.adopt(await init.dial(this.host, signal, true))
    this.#sessions = new Sessions({
      renew: init.dials ? renew : undefined,
      ...{ host: init.host, logger: init.logger, clash: init.shared?.clash, events: this.#figures.events },
      onReady: (session) => this.#onReady(session),
      onHandlers: (session) => this.#onHandlers(session),
      onLost: (end, arriving) => this.#onLost(end, arriving)
    })
    const port: CallPort = {
      callsWait: init.calls?.wait === true,
      ...{ host: init.host, hooks: init.calls?.hooks, closing: this.#closing },
      figures: { all: figures.called, peer: this.#figures.called },
      usableSession: () => this.usable,
      createNotConnectedError: () => this.createNotConnectedError(),
      waitForSession: (deadlineMs, signal, timeoutMs) => this.#waitForSession(deadlineMs, signal, timeoutMs),
      waitForHandlers: (deadlineMs, signal, timeoutMs, createError) =>
        this.#handlerWaiters.wait(deadlineMs, signal, () =>
          this.usable === undefined ? this.#absence.createLateError(timeoutMs) : createError()
        )
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

  /**
   * Why there is no session, if that is known: the last dial, handshake or session that failed. A side that is only
   * dialed hears of no handshake that it refused, but knows why it could not tell the host that it is there.
   */
  get lastError(): Error | undefined {
    return this.#absence.lastError
  }

  /** What the peer offers, or has offered last; empty before the first session. */
  get handlers(): readonly HandlerInfo[] {
    return this.#handlers?.list().map(toHandlerInfo) ?? []
  }

  /** The last 256 events, oldest first; of resets, refusals and round trips the last 64. Made when it is asked for. */
  get recent(): readonly GridEvent[] {
    return this.#figures.events.recent
  }

  request<D extends string | AnySingle>(definition: D, ...args: CallArguments<PayloadOf<D>>): Promise<ResponseOf<D>>
  request(definition: AnySingle, payload?: unknown, options?: CallOptions): Promise<unknown> {
    return this.#calls.request(definition, payload, options)
  }

  newStream<D extends string | AnyStreaming>(definition: D, ...args: CallArguments<PayloadOf<D>>): StreamOf<D>
  newStream(definition: AnyStreaming, payload?: unknown, options?: CallOptions): unknown {
    return this.#calls.newStream(definition, payload, options)
  }

  subroute(name: string): Callable {
    return this.#calls.subroute(name)
  }

  /**
   * Resolves when calls can be made.
   *
   * @throws {ClosedError} when the connection is or gets closed
   * @throws {InvalidOptionError} when `signal` is no AbortSignal
   * @throws `signal.reason` when the wait is given up
   */
  async waitForConnect(options?: { readonly signal?: AbortSignal }): Promise<void> {
    await this.#waitForSession(0, readWaitOptions(options).signal)
  }

  /** What is open now, and what each half waits for, the longest first. Walks over all. @throws {InvalidOptionError} */
  streams(options?: StreamsOptions): StreamInfo[] {
    return selectStreams(this.#sessions.describeStreams(), options)
  }

  /** Counters of the live session, and of all sessions so far. Plain data, cheap to take. */
  stats(): ConnectionStats {
    return this.read(new OpenTally())
  }

  /** @internal its stats; `tally` takes what is open */
  read(tally: OpenTally): ConnectionStats {
    const totals = this.#sessions.totals(tally)
    return {
      ...{ host: this.host, role: roleOf(this.host), state: this.#state },
      since: this.#sinceMs,
      isDialer: this.#init.dials,
      instance: this.#instance,
      reconnects: Math.max(0, this.#readyCount - 1),
      ...this.#absence.stats,
      session: this.#sessions.stats(),
      waits: this.#sessions.waits,
      totals,
      ...this.#sessions.lastSeen,
      dialing: this.#dialLog.stats(this.#init.dials ? this.#retry.dueAt : undefined),
      called: tally.read(this.#figures.called),
      served: tally.read(this.#figures.served)
    }
  }

  /** @internal why a call fails while there is no session */
  createNotConnectedError(): Error {
    return this.#absence.createError(this.#state === 'closed')
  }

  /** @internal the manager is ready to dial or to be dialed */
  start(): void {
    if (this.#state !== 'idle') return
    if (this.#init.dials) return this.#dial()
    this.#setState('waiting')
    this.hurry()
  }

  /** @internal the host, or the network, may be there again: whoever waits tries within half a second */
  hurry(): void {
    if (this.#state === 'waiting') this.#retry.soon()
  }

  /** @internal the host, which this side dials, has proved that it is there */
  onKnock(instance: string): void {
    this.#sessions.onKnock(instance)
    this.#backoff.reset()
    if (this.#state === 'waiting') this.#retry.in(0)
  }

  /** @internal a conn to the host has shaken hands */
  adopt(established: Established): void {
    this.#retry.stop()
    const renews = this.#sessions.adopt(established)
    if (this.#state === 'closed') this.#sessions.close({ reason: 'shutdown', text: 'closed' }, 0)
    else if (!renews) this.#setState('connecting')
  }

  /** @internal no new calls; those that run go on */
  refuse({ text }: SessionEnd): void {
    if (this.#state === 'closed') return
    this.#setState('closed', text)
    this.#closing.abort(new ClosedError(`the connection to ${this.host} was closed: ${text}`))
    this.#retry.stop()
    for (const waiters of [this.#waiters, this.#handlerWaiters]) {
      waiters.settle({ reason: this.#absence.createError(true) })
    }
  }

  /** @internal no new calls; running ones may end within `graceMs`, and are aborted after `ownMs` */
  async close(end: SessionEnd, graceMs: number, ownMs = graceMs): Promise<void> {
    this.refuse(end)
    await this.#sessions.close(end, graceMs, ownMs)
  }

  #dial(): void {
    this.#setState('connecting')
    this.#dialLog.begin()
    this.#init
      .dial(this.host, this.#closing, false)
      .then((established) => {
        this.#dialLog.end()
        this.adopt(established)
      })
      .catch((thrown) => this.#onDialFailed(toError(thrown)))
  }

  #onDialFailed(error: Error): void {
    this.#dialLog.end(error)
    if (this.#state !== 'connecting') return
    this.#dialLog.logFailure(error)
    this.#absence.lastError = error
    this.#redialLater(errorText(error), this.#backoff.mostMsAfter(error))
  }

  #redialLater(reason: string, mostMs?: number): void {
    this.#setState('waiting', reason)
    if (this.#init.dials && this.#state === 'waiting') this.#retry.in(this.#backoff.nextMs(mostMs))
  }

  #onReady(session: Session): void {
    this.#readyAtMs = performance.now()
    this.#readyCount++
    this.#absence.end()
    const { instance, address } = session.remote
    const previous = this.#instance
    this.#instance = instance
    const text = `connected to ${this.host} (instance ${instance.slice(0, 8)}, ${address})`
    this.#init.logger.info(text, { host: this.host, instance })
    this.#setState('connected')
    if (previous !== undefined && previous !== instance)
      emitSafely(this, this.#init.logger, 'restart', { instance, previous })
    this.#waiters.settle({ session })
    this.#onHandlers(session)
    this.#init.shared?.onConnected()
  }

  #onHandlers(session: Session): void {
    this.#handlers = session.remoteHandlers
    this.#handlerWaiters.settle({ session })
    this.#init.shared?.onHandlers()
    if (this.listenerCount('handlers') > 0) emitSafely(this, this.#init.logger, 'handlers', this.handlers)
  }

  /** No session takes calls any more. Dials, unless another session is arriving. */
  #onLost(end: SessionEnd, arriving: boolean): void {
    const { reason, text } = end
    // Replaced by another process of this name: they are to do that ever more slowly.
    const hasServed = this.#state === 'connected' && reason !== 'replaced'
    if (this.#backoff.onSessionEnd(hasServed ? performance.now() - this.#readyAtMs : 0)) this.#dialLog.reset()
    if (this.#state === 'closed') return
    const recent = this.#figures.events.recentUntilNow()
    this.#absence.onLost(new DisconnectedError(reason, text, { ...causeOfEnd(end), recent }))
    if (arriving) this.#setState('connecting', text)
    else this.#redialLater(text)
  }

  /** @internal the session that can take a call, if there is one */
  get usable(): Session | undefined {
    return this.#state === 'closed' ? undefined : this.#sessions.usable
  }

  #waitForSession(deadlineMs: number, signal: AnySignal | undefined, timeoutMs = 0): Promise<Session> {
    const session = this.usable
    if (session !== undefined) return Promise.resolve(session)
    if (this.#state === 'closed') return Promise.reject(this.createNotConnectedError())
    return this.#waiters.wait(deadlineMs, signal, () => this.#absence.createLateError(timeoutMs))
  }

  #setState(state: ConnectionState, reason?: string): void {
    if (this.#state === state || this.#state === 'closed') return
    const previous = this.#state
    this.#state = state
    this.#sinceMs = Date.now()
    this.#absence.onState(state)
    const change = { state, previous, ...(reason === undefined ? {} : { reason }) }
    this.#figures.events.add({ type: 'state', ...change })
    emitSafely(this, this.#init.logger, 'state', change)
  }
}
