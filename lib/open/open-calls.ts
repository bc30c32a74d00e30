/**
 * What is open on one session: the streams that either side opened, their deadlines, and the handlers that run.
 *
 * A stream, and the answering end of a call, know no more than this of their session. Ids are managed by `stream-table.ts`.
 */

import type { Remote, RemoteLimits } from '../base/remote.ts'
import type { DrainingError } from '../errors/errors.ts'
import type { Failure } from '../errors/failure.ts'
import type { Limits } from '../errors/options.ts'
import type { HostEvents } from '../figures/event-log.ts'
import type { OpenTally } from '../figures/figures.ts'
import type { RunningHandlers } from '../handler/running.ts'
import type { Serving } from '../handler/serving.ts'
import type { LocalHandler, LocalHandlers } from '../handler/table.ts'
import type { SessionCounts } from '../report/stats.ts'
import type { ResponderPort } from '../responder/port.ts'
import { DeadlineQueue } from '../stream/deadlines.ts'
import type { OpenRequest, StreamLimits, StreamPort } from '../stream/port.ts'
import { Stream } from '../stream/stream.ts'
import { DeadlineTimer, decideInTime, type Reading } from '../time/after-reading.ts'
import { toTicks } from '../time/ticks.ts'
import type { Outbox } from '../wire/outbox.ts'
import { CallCounter } from './call-counter.ts'
import type { FloodGuard } from './flood.ts'
import { OpenStreams } from './open-streams.ts'
import { StreamTable } from './stream-table.ts'

/**
 * With more open calls than this no window is widened. What 64 streams send ahead leaves the caches of the CPU sooner: with wide
 * windows they had 0.8 of their rate.
 */
const maxWideCalls = 8

export interface OpenCallsInit {
  readonly role: 'dialer' | 'listener'
  readonly remote: Remote
  readonly limits: Readonly<Limits>
  readonly remoteLimits: RemoteLimits
  readonly handlers: Pick<LocalHandlers, 'running' | 'serving' | 'figures' | 'mistakes'>
  readonly outbox: Outbox
  readonly flood: FloodGuard
  readonly counts: SessionCounts
  readonly reading: Reading
}

export class OpenCalls implements StreamPort<Stream>, ResponderPort {
  /** When the session began, in ms since the epoch. */
  readonly since = Date.now()
  readonly remote: Remote
  readonly limits: StreamLimits
  readonly streams: StreamTable
  readonly open: OpenStreams
  readonly #draining = new AbortController()
  /** Handlers of the peer whose code has not ended, those of its other sessions included. */
  readonly running: RunningHandlers
  readonly serving: Serving | undefined
  /** Calls of the peer that are over, and whose last frames wait to be sent. */
  untold = 0
  readonly counter: CallCounter
  readonly events: HostEvents
  readonly #mistakes: LocalHandlers['mistakes']
  readonly #deadlines: DeadlineQueue
  readonly #outbox: Outbox
  readonly #flood: FloodGuard
  /** The last batch that was not sent yet when a stream opened in it, and the id of the first one that did. */
  #openBatch = -1
  #firstOfBatch = 0
  readonly #reading: Reading
  #isOver = false
  #onIdle: (() => void) | undefined
  /** What else must end before it is idle. */
  #holds = 0

  constructor({ role, remote, limits, remoteLimits, handlers, outbox, flood, counts, reading }: OpenCallsInit) {
    this.remote = remote
    this.limits = {
      maxMessageBytes: limits.maxMessageBytes,
      maxFragments: limits.maxFragments,
      receiveWindowBytes: limits.streamWindowBytes,
      isCrowded: () => this.streams.size > maxWideCalls,
      sendWindowBytes: remoteLimits.streamWindowBytes,
      maxSendBytes: remoteLimits.maxMessageBytes,
      maxSendFragments: remoteLimits.maxFragments,
      maxMetadataBytes: remoteLimits.maxMetadataBytes
    }
    this.running = handlers.running.of(remote)
    this.serving = handlers.serving?.of(remote.host)
    this.#mistakes = handlers.mistakes
    this.streams = new StreamTable(role)
    this.open = new OpenStreams(remote.session, this.streams)
    const figures = handlers.figures.of(remote.host)
    this.events = figures.events
    this.counter = new CallCounter(figures, outbox, counts)
    this.#outbox = outbox
    this.#flood = flood
    this.#reading = reading
    this.#deadlines = new DeadlineQueue((dueMs, decide) => decideInTime(dueMs, decide, reading))
  }

  /** No caller waits for anything, or all has failed. A handler may still run whose call is over: it was told when that ended. */
  get isIdle(): boolean {
    return this.#isOver || this.streams.size + this.#holds === 0
  }

  /** Aborts when the session begins to drain. */
  get draining(): AbortSignal {
    return this.#draining.signal
  }

  /** Tells all calls that ask for it that the session drains. */
  drain(reason: DrainingError): void {
    this.#draining.abort(reason)
  }

  /** A stream of this side; it opens with the first message that it sends. */
  create(request: OpenRequest): Stream {
    const stream = new Stream(this, 0, request)
    const nowMs = performance.now()
    stream.startTicks = toTicks(nowMs)
    if (request.timeoutMs > 0) this.#deadlines.add(stream, request.timeoutMs, nowMs)
    return stream
  }

  /**
   * A stream that the remote end has opened under this id. Its handler runs from now on.
   *
   * @param timeoutMs what is left of the call's time now, 0 for no limit
   */
  accept(id: number, timeoutMs: number): Stream {
    this.running.count++
    const stream = new Stream(this, id, undefined)
    this.streams.addInbound(stream)
    stream.startTicks = this.counter.beginServing()
    if (timeoutMs > 0) this.#deadlines.add(stream, timeoutMs, this.counter.nowMs)
    return stream
  }

  /** Adds what is open to a tally. */
  addOpen(tally: OpenTally): void {
    this.counter.addOpen(this.streams.list(), tally)
  }

  /** Fails each stream that is open with an error of its own, and forgets all deadlines. */
  failAll(errorOf: (stream: Stream) => Error): void {
    for (const stream of this.streams.list()) stream.fail({ reason: errorOf(stream) })
    this.#deadlines.clear()
    this.#isOver = true
    this.#onIdle?.()
  }

  /** It is not idle before the function that `until` gets is called. */
  hold(until: (release: () => void) => void): void {
    this.#holds++
    until(() => {
      this.#holds--
      this.#checkIdle()
    })
  }

  /** Resolves when it is idle, or so many ms have passed. */
  waitUntilIdle(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = new DeadlineTimer(performance.now() + timeoutMs, resolve, this.#reading)
      const onIdleBefore = this.#onIdle
      this.#onIdle = () => {
        timer.clear()
        resolve()
        onIdleBefore?.()
      }
    })
  }

  // StreamPort and ResponderPort

  register(stream: Stream): boolean {
    const waited = this.streams.register(stream)
    if (this.#openBatch !== this.#outbox.batches) {
      this.#openBatch = this.#outbox.batches
      this.#firstOfBatch = stream.id
    }
    return waited
  }

  release(stream: Stream, failure: Failure | undefined, isFailed: boolean): void {
    this.#deadlines.remove(stream)
    this.counter.onClosed(stream, failure, isFailed)
    this.streams.delete(stream)
    if (stream.controlQueued && !stream.initiator) this.untold++
    if (this.#onIdle !== undefined) this.#checkIdle()
  }

  offer(stream: Stream): void {
    this.#outbox.offer(stream)
    // The usual call has written its open frame by now, and never counts as opening.
    if (stream.state === 'opening') this.streams.addOpening(stream)
  }

  offerControl(stream: Stream): void {
    // The open of a stream and its reset in one batch would count as a flood.
    const isOpening = stream.initiator && stream.id >= this.#firstOfBatch && this.#openBatch === this.#outbox.batches
    if (isOpening) this.#outbox.offerControlLater(stream)
    else this.#outbox.offerControl(stream)
  }

  onLateControl(stream: Stream): void {
    if (!stream.initiator) this.untold--
  }

  onStreamBroken(): void {
    this.#flood.countIdleFrame()
  }

  onMistake(handler: LocalHandler, error: unknown): void {
    this.counter.countMistake(handler)
    this.#mistakes?.tell(handler, this.remote, error)
  }

  onHandlerSettled(): void {
    this.running.count--
  }

  #checkIdle(): void {
    if (this.isIdle) this.#onIdle?.()
  }
}
