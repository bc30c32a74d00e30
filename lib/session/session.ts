/**
 * One live conn after its handshake: starts calls, keeps it alive, goes away, ends. It never outlives its conn.
 *
 * What is open on it is in `open-calls.ts`; frames go through `dispatch.ts` and `control.ts`. Hosts, reconnecting and
 * typed values are for the layers above. A stream error resets one stream; a `ProtocolError` ends the session.
 */

import type { Remote, RemoteLimits } from '../base/remote.ts'
import { detached } from '../base/scope.ts'
import { DisconnectedError } from '../errors/errors.ts'
import { toError } from '../errors/failure.ts'
import { type Limits, maxTimeoutMs } from '../errors/options.ts'
import type { OpenTally } from '../figures/figures.ts'
import { AdvertisedHandlers } from '../handler/advertised.ts'
import { type LocalHandlers, RemoteHandlers } from '../handler/table.ts'
import { FloodGuard } from '../open/flood.ts'
import { OpenCalls } from '../open/open-calls.ts'
import type { OpenStreams } from '../open/open-streams.ts'
import type { FailedCalls } from '../report/events.ts'
import { createSessionCounts, type SessionStats } from '../report/stats.ts'
import type { OpenRequest, StreamLimits } from '../stream/port.ts'
import type { Stream } from '../stream/stream.ts'
import { toMessage, type Wire } from '../wire/wire.ts'
import type { Beat } from './beat.ts'
import { SessionControl } from './control.ts'
import { Dispatch } from './dispatch.ts'
import {
  causeOfEnd,
  createLossError,
  createUnusableError,
  type SessionEnd,
  toCloseCode,
  toClosedEnd,
  toCloseReason,
  toDrainingError,
  toSessionEnd,
  toSilenceEnd
} from './end.ts'
import { KeepAlive } from './keepalive.ts'
import { SlowWatch } from './slow-watch.ts'
import { readingOf, readSessionStats } from './stats.ts'

/** A conn takes a second to close: the slowest of networks carries so much meanwhile. */
const maxUnreadBytes = 4096

export interface SessionInit {
  readonly wire: Wire
  readonly role: 'dialer' | 'listener'
  readonly remote: Remote
  readonly remoteLimits: RemoteLimits
  readonly limits: Readonly<Limits>
  readonly beat: Beat
  readonly handlers: LocalHandlers
  readonly checksum: boolean
  /** Words for what the remote end knows beside the frames that all peers know. */
  readonly remoteUnderstands: readonly string[]
}

/** The events of a session. */
export interface SessionEvents {
  /** The remote's handler table has arrived: calls can start. Called once. */
  readonly onReady: () => void
  /** The remote's handler table has changed since. */
  readonly onHandlers: () => void
  /** The remote is not told of all handlers, because of what it announced: why. Called whenever it is told of others. */
  readonly onLeftOut: (why: string) => void
  /** No new calls can start here any more: the remote or this side goes away, until a deadline if that is known. Called once. */
  readonly onDraining: (end: SessionEnd, deadline: number | undefined) => void
  /** The session has ended, and its calls are about to fail. Called once. */
  readonly onEnd: (end: SessionEnd, failing: FailedCalls) => void
}

export class Session {
  readonly remote: Remote
  readonly remoteHandlers: RemoteHandlers
  /** How far what arrives is read, for what is about to judge by time. */
  readonly reading: ReturnType<typeof readingOf>
  readonly #init: SessionInit
  readonly #events: SessionEvents
  readonly #control: SessionControl
  readonly #keepAlive: KeepAlive
  readonly #slowWatch: SlowWatch
  readonly #calls: OpenCalls
  readonly #dispatch: Dispatch
  readonly #counts = createSessionCounts()
  #state: 'starting' | 'ready' | 'draining' | 'ended' = 'starting'
  /** What the remote said in its go-away frame. */
  #remoteGoAway: SessionEnd | undefined

  /** @param remoteHandlers where the remote end is in this process, and fills it by itself */
  constructor(init: SessionInit, events: SessionEvents, remoteHandlers?: RemoteHandlers) {
    const { wire, role, remote, limits, remoteLimits, checksum, handlers: local } = init
    const { outbox } = wire
    this.#init = init
    this.#events = events
    this.remote = remote
    const isTold = init.remoteUnderstands.includes('handlerChanges')
    this.remoteHandlers = remoteHandlers ?? new RemoteHandlers(limits.maxHandlers, isTold, remote.host, local)
    const handlers = new AdvertisedHandlers(local, remoteLimits, init.remoteUnderstands, remote.role)
    outbox.writer.checksum = checksum
    const flood = new FloodGuard(limits.maxIdleFramesPerSecond)
    this.reading = readingOf(this.#counts, wire)
    this.#keepAlive = new KeepAlive({
      beat: init.beat,
      events: local.figures.of(remote.host).events,
      received: () => (this.#counts.batchesIn === 0 ? 0 : this.reading.arrived() + this.reading.handled()),
      sendPing: (token) => {
        this.#control.sendPing(token)
        return this.#sentBytes
      },
      onTick: () => this.#onTick(),
      mayLeaveOut: () => role === 'listener' && !outbox.isBlocked,
      onDead: (silentMs) => this.abort(toSilenceEnd(silentMs))
    })
    this.#control = new SessionControl({
      onTable: () => this.#onTable(),
      onLeftOut: events.onLeftOut,
      onGoAway: (code, lastStreamId, graceMs, text) => this.#onGoAway(code, lastStreamId, graceMs, text),
      // Not first, here and below: for a literal that begins with a spread V8 makes a hidden class each time, of 280 B.
      ...{ outbox, handlers, remoteHandlers: this.remoteHandlers, limits, flood, pings: this.#keepAlive }
    })
    outbox.onMark = () => this.#keepAlive.mark()
    const timeoutMs = limits.slowPeerTimeoutMs
    this.#slowWatch = new SlowWatch({
      onSlow: () => this.abort({ reason: 'slow', text: `the peer took nothing for ${timeoutMs} ms` }),
      ...{ outbox, pings: this.#keepAlive, intervalMs: init.beat.intervalMs, timeoutMs }
    })
    const parts = { limits, outbox, flood, counts: this.#counts }
    this.#calls = new OpenCalls({ role, remote, remoteLimits, handlers: local, reading: this.reading, ...parts })
    this.#dispatch = new Dispatch({
      state: () => this.#state,
      ...{ wire, limits, flood, counts: this.#counts, control: this.#control, checksum, handlers, calls: this.#calls }
    })
  }

  /** When the peer has last sent anything, of `performance.now()`. */
  get heardAtMs(): number {
    return this.#keepAlive.heardAtMs
  }

  /** New calls can start. */
  get usable(): boolean {
    return this.#state === 'ready'
  }

  /** Advertises the handlers and reads until the conn ends. A remote end in this process has `handlersThere`. */
  start(handlersThere?: RemoteHandlers): void {
    // Not in the context of the code that made the conn, or the call that needed it.
    detached(() => {
      this.#control.start(handlersThere)
      this.#keepAlive.start()
      this.#read()
    })
  }

  /** Calls `onAnswered` once the remote has dealt with all control frames that were sent before, the handler table first. */
  probe(onAnswered: () => void): void {
    this.#keepAlive.probe(onAnswered)
  }

  /** What each of its streams may hold and send. */
  get limits(): StreamLimits {
    return this.#calls.limits
  }

  /** Aborts with a `DrainingError` when either end begins to end the session, which calls that run may still do. */
  get draining(): AbortSignal {
    return this.#calls.draining
  }

  /** A new stream of this side; it opens with the first message that it sends, and its deadline counts from now on. */
  newStream(open: OpenRequest): Stream {
    return this.#calls.create(open)
  }

  /** The error of a call that cannot start here. */
  createUnusableError(): DisconnectedError {
    return createUnusableError(this.remote.host, this.#state === 'ended', this.#remoteGoAway, this.#calls.events)
  }

  /**
   * Ends the session gracefully: new calls are refused at once, running ones may end within `graceMs`, then they are
   * aborted (after `ownMs`). Resolves when it has ended. A call has ended when the remote end has read its answer.
   */
  async close(end: SessionEnd, graceMs: number, ownMs = graceMs): Promise<void> {
    if (this.#state === 'ended') return
    const grace = graceMs < maxTimeoutMs ? Math.ceil(graceMs) : undefined
    this.#sendGoAway(end, grace)
    this.#startDraining(end, grace)
    const endsAtMs = performance.now() + ownMs
    if (!this.#calls.isIdle) await this.#calls.waitUntilIdle(ownMs)
    if (this.#hasUnread) await this.#waitUntilRead(endsAtMs)
    this.abort(end)
  }

  /** Ends the session now: tells the remote why, fails every call, closes the conn. */
  abort(end: SessionEnd): void {
    if (this.#state === 'ended') return
    this.#control.stop()
    this.#sendGoAway(end, 0)
    this.#finish(end)
    this.#init.wire.close(end.text)
  }

  /** @param tally takes what is open */
  stats(tally?: OpenTally): SessionStats {
    if (tally !== undefined) this.#calls.addOpen(tally)
    const [counts, calls, keepAlive] = [this.#counts, this.#calls, this.#keepAlive]
    return readSessionStats({ counts, calls, keepAlive, outbox: this.#init.wire.outbox })
  }

  /** What is open, in both directions. */
  get open(): OpenStreams {
    return this.#calls.open
  }

  /** Bytes of batches, those included that are being written. */
  get #sentBytes(): number {
    const { outbox } = this.#init.wire
    return outbox.bytes + outbox.writer.length
  }

  /** What was sent for calls may take the remote end longer to read than a conn takes to close. */
  get #hasUnread(): boolean {
    const unreadBytes = this.#sentBytes - this.#keepAlive.readBytes
    return this.#state !== 'ended' && this.#calls.streams.opened > 0 && unreadBytes > maxUnreadBytes
  }

  /** A peer that answers no ping is not waited for longer than one may take that reads slowly. */
  async #waitUntilRead(endsAtMs: number): Promise<void> {
    const { beat, limits } = this.#init
    this.#calls.hold((release) => this.probe(release))
    for (let leftMs = endsAtMs - performance.now(); leftMs > 0; leftMs = endsAtMs - performance.now()) {
      const { answered } = this.#keepAlive
      // The first ping goes ahead of all calls: a peer that has not answered even that answers none.
      const patienceMs = answered === 0 ? 2 * beat.intervalMs : limits.slowPeerTimeoutMs
      await this.#calls.waitUntilIdle(Math.min(leftMs, patienceMs))
      if (this.#calls.isIdle || this.#keepAlive.answered === answered) return
    }
  }

  async #read(): Promise<void> {
    let inDispatch = false
    try {
      for (;;) {
        const batch = toMessage(await this.#init.wire.inbound.next())
        if (this.#state === 'ended') return
        if (batch === undefined) break
        inDispatch = true
        const rest = this.#dispatch.onBatch(batch)
        if (rest !== undefined) await rest
        inDispatch = false
      }
      const isRefused = this.#init.role === 'listener' && this.#state === 'starting'
      this.#onConnOver(this.#remoteGoAway ?? toClosedEnd(isRefused))
    } catch (thrown) {
      const error = toError(thrown)
      const end = toSessionEnd(error, inDispatch, this.#remoteGoAway, this.#init.beat.intervalMs)
      if (inDispatch) this.abort(end)
      else this.#onConnOver(end, new DisconnectedError(end.reason, end.text, causeOfEnd(end)))
    }
  }

  #onTable(): void {
    if (this.#state !== 'starting') return this.#events.onHandlers()
    this.#state = 'ready'
    this.#events.onReady()
  }

  #onGoAway(code: number, lastStreamId: number, graceMs: number | undefined, text: string): void {
    const reason = toCloseReason(code)
    // A second go-away may name another reason, but what the peer has seen once it has seen. Nor may a peer that says so again
    // and again make this side look at all streams each time.
    const seenId = this.#remoteGoAway === undefined ? lastStreamId : undefined
    this.#remoteGoAway = { reason, text: `the peer said: ${text === '' ? reason : text}`, byRemote: true }
    this.#startDraining(this.#remoteGoAway, graceMs, seenId)
  }

  /** Once per keep-alive interval. */
  #onTick(): void {
    this.#init.wire.outbox.writer.shrink()
    this.#slowWatch.onTick()
    this.#calls.open.look()
  }

  /** The peer has closed the conn, or it is lost by `error`: nothing can be sent on it any more. */
  #onConnOver(end: SessionEnd, error?: Error): void {
    if (this.#state === 'ended') return
    this.#control.stop()
    this.#finish(end)
    if (error === undefined) this.#init.wire.close(end.text)
    else this.#init.wire.abort(error)
  }

  #sendGoAway({ reason, text }: SessionEnd, graceMs: number | undefined): void {
    const toldMs = this.#init.remoteUnderstands.includes('goAwayGrace') ? graceMs : undefined
    this.#control.sendGoAway(toCloseCode(reason), this.#calls.streams.lastInboundId, toldMs, text)
  }

  /** From now on no call starts here. Of this side's calls, those above `lastStreamId` fail, and the others may end. */
  #startDraining(end: SessionEnd, graceMs: number | undefined, lastStreamId?: number): void {
    const before = this.#state
    this.#state = 'draining'
    const reason = toDrainingError(end, graceMs)
    if (before !== 'draining') this.#events.onDraining(end, reason.deadline)
    const { streams, draining } = this.#calls
    const unseen = lastStreamId === undefined ? streams.listOpening() : streams.listUnseen(lastStreamId)
    for (const stream of unseen) stream.fail({ reason: this.createUnusableError() })
    // Last: code that is told may make its next call at once.
    if (!draining.aborted) this.#calls.drain(reason)
  }

  #finish(end: SessionEnd): void {
    this.#state = 'ended'
    this.#keepAlive.stop()
    const { events, open } = this.#calls
    this.#events.onEnd(end, open.countCalls())
    this.#calls.failAll((stream) => createLossError(end, stream, this.remote.host, events))
  }
}
