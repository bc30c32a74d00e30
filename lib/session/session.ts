/**
 * One live conn after its handshake: starts calls, keeps it alive, goes away, tears down. Dies with the conn.
 *
 * Knows streams and the parts that deal with frames (`dispatch.ts`, `control.ts`). Hosts, reconnecting and
 * typed values are for the layers above. A stream error resets one stream; a `ProtocolError` ends the session.
 */

import { afterReading, JudgeTimer } from '../base/after-reading.ts'
import { DisconnectedError } from '../base/errors.ts'
import type { KeepAliveOptions, Limits } from '../base/options.ts'
import type { Remote, RemoteLimits } from '../base/remote.ts'
import { newSessionCounts, type SessionStats } from '../base/stats.ts'
import type { ResponderPort } from '../handler/responder.ts'
import { type LocalHandlers, RemoteHandlers } from '../handler/table.ts'
import { DeadlineQueue } from '../stream/deadlines.ts'
import type { OpenRequest, StreamPort } from '../stream/port.ts'
import { Stream } from '../stream/stream.ts'
import type { OpenConn } from '../wire/open-conn.ts'
import { SessionControl } from './control.ts'
import { Dispatch } from './dispatch.ts'
import {
  closeCodeOf,
  closeReasonOf,
  endByError,
  endBySilence,
  lossErrorOf,
  type SessionEnd,
  unusableErrorOf
} from './end.ts'
import { KeepAlive } from './keepalive.ts'
import { StreamTable } from './stream-table.ts'

export interface SessionInit {
  readonly wire: OpenConn
  readonly role: 'dialer' | 'listener'
  readonly remote: Remote
  readonly remoteLimits: RemoteLimits
  readonly limits: Readonly<Limits>
  readonly keepAlive: Readonly<KeepAliveOptions>
  readonly handlers: LocalHandlers
  readonly checksum: boolean
  /** The remote's handler table has arrived: calls can start. Called once. */
  readonly onReady: () => void
  /** No new calls can start here any more: the remote, or this side, goes away. Called at most once. */
  readonly onDraining: (end: SessionEnd) => void
  /** The session has ended, and its calls are about to fail. Called once. */
  readonly onEnd: (end: SessionEnd) => void
}

export class Session implements StreamPort<Stream>, ResponderPort {
  readonly remote: Remote
  readonly remoteHandlers: RemoteHandlers
  readonly maxMessageBytes: number
  readonly maxFragments: number
  readonly receiveWindowBytes: number
  readonly sendWindowBytes: number
  readonly maxSendBytes: number
  readonly maxMetadataBytes: number
  readonly #init: SessionInit
  readonly #control: SessionControl
  readonly #keepAlive: KeepAlive
  readonly #dispatch: Dispatch
  readonly #streams: StreamTable
  readonly #deadlines = new DeadlineQueue((judge) => afterReading(judge, this.arrived))
  readonly #counts = newSessionCounts()
  readonly #running = { count: 0 }
  #state: 'starting' | 'ready' | 'draining' | 'ended' = 'starting'
  /** What the remote said in its go-away frame. */
  #farewell: SessionEnd | undefined
  #onIdle: (() => void) | undefined

  constructor(init: SessionInit) {
    const { limits, remoteLimits, wire } = init
    this.#init = init
    this.remote = init.remote
    this.remoteHandlers = new RemoteHandlers(limits.maxHandlers)
    this.maxMessageBytes = limits.maxMessageBytes
    this.maxFragments = limits.maxFragments
    this.receiveWindowBytes = limits.streamWindowBytes
    this.sendWindowBytes = remoteLimits.streamWindowBytes
    this.maxSendBytes = remoteLimits.maxMessageBytes
    this.maxMetadataBytes = remoteLimits.maxMetadataBytes
    this.#streams = new StreamTable(init.role)
    wire.outbox.writer.checksum = init.checksum
    this.#control = new SessionControl(wire.outbox, init.handlers, limits)
    this.#keepAlive = new KeepAlive({
      intervalMs: init.keepAlive.intervalMs,
      received: () => this.#counts.batchesIn,
      sendPing: (token) => this.#control.ping(token),
      onTick: () => this.#onTick(),
      onDead: (silentMs) => this.end(endBySilence(silentMs))
    })
    this.#dispatch = new Dispatch({
      ...init,
      remoteHandlers: this.remoteHandlers,
      streams: this.#streams,
      deadlines: this.#deadlines,
      control: this.#control,
      keepAlive: this.#keepAlive,
      counts: this.#counts,
      port: this,
      running: this.#running,
      waitingControl: () => wire.outbox.waitingControl,
      state: () => this.#state,
      turnEnd: () => wire.outbox.turnEnd(),
      onTable: () => this.#onTable(),
      onGoAway: (code, lastStreamId, text) => this.#onGoAway(code, lastStreamId, text)
    })
  }

  /** Grows as bytes arrive and are dealt with, for whoever is about to judge by time. */
  readonly arrived = (): number => this.#counts.bytesIn

  /** New calls can start. */
  get usable(): boolean {
    return this.#state === 'ready'
  }

  /** Advertises the handlers and reads until the conn ends. */
  start(): void {
    this.#control.start()
    this.#keepAlive.start()
    this.#read()
  }

  /** Calls `onAnswered` once the remote has dealt with all control frames that were sent before, the handler table first. */
  probe(onAnswered: () => void): void {
    this.#keepAlive.probe(onAnswered)
  }

  /** A new stream of this side; it opens with the first message that it sends. */
  newStream(open: OpenRequest): Stream {
    return new Stream(this, 0, open)
  }

  /** `stream` may take so long, in ms. */
  setDeadline(stream: Stream, timeoutMs: number): void {
    this.#deadlines.add(stream, timeoutMs)
  }

  /** The error of a call that cannot start here. */
  unusableError(): DisconnectedError {
    return unusableErrorOf(this.remote.host, this.#state === 'ended', this.#farewell)
  }

  /**
   * Ends the session gracefully: new calls are refused at once, running ones may end within `graceMs`, then they are
   * aborted. Resolves when it has ended.
   */
  async drain(end: SessionEnd, graceMs: number): Promise<void> {
    if (this.#state === 'ended') return
    this.#sendGoAway(end)
    this.#startDraining(end)
    if (!this.#isIdle()) await this.#idleOrOver(graceMs)
    this.end(end)
  }

  /** Ends the session now: tells the remote why, fails every call, closes the conn. */
  end(end: SessionEnd): void {
    if (this.#state === 'ended') return
    this.#control.stop()
    this.#sendGoAway(end)
    this.#finish(end)
    this.#init.wire.close(end.text)
  }

  stats(): SessionStats {
    const { outbox } = this.#init.wire
    return {
      ...this.#counts,
      rttMs: this.#keepAlive.rttMs,
      inboundStreams: this.#streams.inbound,
      outboundStreams: this.#streams.size - this.#streams.inbound,
      runningHandlers: this.#running.count,
      batchesOut: outbox.batches,
      bytesOut: outbox.bytes,
      framesOut: outbox.writer.frames,
      messagesOut: outbox.writer.messages,
      sendQueueBytes: outbox.waiting.bytes,
      sendQueueStreams: outbox.waiting.senders,
      refusals: this.#control.refusals
    }
  }

  // StreamPort and ResponderPort
  register(stream: Stream): boolean {
    return this.#streams.register(stream)
  }

  release(stream: Stream): void {
    this.#deadlines.remove(stream)
    this.#streams.delete(stream)
    if (this.#onIdle !== undefined) this.#checkIdle()
  }

  offer(stream: Stream): void {
    this.#init.wire.outbox.offer(stream)
    // The usual call has written its open frame by now, and was never opening as far as anyone can see.
    if (stream.state === 'opening') this.#streams.addOpening(stream)
  }

  offerControl(stream: Stream): void {
    this.#init.wire.outbox.offerControl(stream)
  }

  streamBroken(): void {
    this.#control.countIdleFrame()
  }

  ignoreFrame(): void {
    this.#counts.ignoredFrames++
  }

  handlerSettled(): void {
    this.#running.count--
    if (this.#onIdle !== undefined) this.#checkIdle()
  }

  // What arrives, beside what the dispatch deals with

  async #read(): Promise<void> {
    let inDispatch = false
    try {
      for (;;) {
        const { done, value } = await this.#init.wire.inbound.next()
        if (this.#state === 'ended') return
        if (done === true) break
        inDispatch = true
        const rest = this.#dispatch.onBatch(value)
        if (rest !== undefined) await rest
        inDispatch = false
      }
      this.#onConnOver(this.#farewell ?? { reason: 'lost', text: 'the peer closed the conn' })
    } catch (error) {
      const end = endByError(error, inDispatch, this.#farewell)
      if (inDispatch) this.end(end)
      else this.#onConnOver(end, new DisconnectedError('lost', end.text, { cause: error }))
    }
  }

  #onTable(): void {
    if (this.#state !== 'starting') return
    this.#state = 'ready'
    this.#init.onReady()
  }

  #onGoAway(code: number, lastStreamId: number, text: string): void {
    const reason = closeReasonOf(code)
    // It may say so again, for another reason; but what it has seen once it cannot unsee.
    const seenId = this.#farewell === undefined ? lastStreamId : undefined
    this.#farewell = { reason, text: `the peer said: ${text === '' ? reason : text}`, byRemote: true }
    this.#startDraining(this.#farewell, seenId)
  }

  /** Once per keep-alive interval: is the peer taking what we send? */
  #onTick(): void {
    const { outbox } = this.#init.wire
    const { slowPeerTimeoutMs } = this.#init.limits
    if (outbox.stalledTicks() * this.#init.keepAlive.intervalMs < slowPeerTimeoutMs) return outbox.writer.shrink()
    this.end({ reason: 'slow', text: `the peer took nothing for ${slowPeerTimeoutMs} ms` })
  }

  // How it ends

  /** The peer has closed the conn, or (with `error`) it is lost: there is nothing to say on it any more. */
  #onConnOver(end: SessionEnd, error?: Error): void {
    if (this.#state === 'ended') return
    this.#control.stop()
    this.#finish(end)
    if (error === undefined) this.#init.wire.close(end.text)
    else this.#init.wire.abort(error)
  }

  #sendGoAway({ reason, text }: SessionEnd): void {
    this.#control.goAway(closeCodeOf(reason), this.#streams.lastInboundId, text)
  }

  /** From now on no call starts here; of this side's calls only those up to `lastStreamId` may still end. */
  #startDraining(end: SessionEnd, lastStreamId = Number.MAX_SAFE_INTEGER): void {
    const before = this.#state
    this.#state = 'draining'
    if (before !== 'draining') this.#init.onDraining(end)
    for (const stream of this.#streams.unseenAbove(lastStreamId)) stream.fail(this.unusableError())
  }

  #finish(end: SessionEnd): void {
    this.#state = 'ended'
    this.#keepAlive.stop()
    this.#init.onEnd(end)
    for (const stream of this.#streams.all()) stream.fail(lossErrorOf(end, stream, this.remote.host))
    this.#deadlines.clear()
    this.#onIdle?.()
  }

  /** Resolves when nothing runs here any more, the session has ended, or so many ms have passed. */
  #idleOrOver(graceMs: number): Promise<void> {
    // What was told of the go-away may have ended it.
    if (this.#state === 'ended') return Promise.resolve()
    return new Promise((resolve) => {
      const timer = new JudgeTimer(performance.now() + graceMs, resolve, this.arrived)
      const onIdleBefore = this.#onIdle
      this.#onIdle = () => {
        timer.clear()
        resolve()
        onIdleBefore?.()
      }
    })
  }

  #isIdle(): boolean {
    return this.#streams.size === 0 && this.#running.count === 0
  }

  #checkIdle(): void {
    if (this.#isIdle()) this.#onIdle?.()
  }
}
