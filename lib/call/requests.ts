/**
 * The requests of a stream at its caller: pushed, sent one by one, or pulled from one source, whichever comes first.
 *
 * They may be given before the stream opens. `send` and `sink` wait until flow control has accepted them, or until the end of
 * the requests. The responses are in `grid-stream.ts`.
 */

import { type Pushable, pushable } from 'it-pushable'
import { shield } from '../base/promise.ts'
import { captureScope, type Scope } from '../base/scope.ts'
import type { Codec } from '../codec/codec.ts'
import { encodeMessage } from '../codec/payload.ts'
import { ClosedError } from '../errors/errors.ts'
import type { Failure } from '../errors/failure.ts'
import type { Many } from '../producer/many.ts'
import { type Producer, shieldProducer, unwind } from '../producer/producer.ts'
import type { SinkOwner, StreamLimits } from '../stream/port.ts'
import { Sink } from '../stream/sink.ts'
import type { Stream } from '../stream/stream.ts'
import { SendWindow } from '../stream/window.ts'
import { ResetCode } from '../wire/frame.ts'
import { createEndedError, ignoreRejection, noMoreTaken, sourceGiven, takesNone } from './ended-requests.ts'
import type { RequestPipe } from './request-pipe.ts'
import { rejectAll, resolveTaken, SendQueue, type SendWaiter } from './send-queue.ts'

export class StreamRequests<Req> implements SinkOwner<Req> {
  readonly #codec: Codec<Req>
  readonly #areTaken: boolean
  #pushable: Pushable<Req> | undefined
  #emptyPushable: (() => void) | undefined
  /** Of `send`, until the pushable is used. */
  #queue: SendQueue<Req | Many<Req>> | undefined
  /** Of `send`. */
  #firstSend: SendWaiter | undefined
  #lastSend: SendWaiter | undefined
  #pushed = 0
  #producer: Producer<Req> | undefined
  /** The producer, until there is a sink to pull it. */
  #waiting: { readonly producer: Producer<Req>; readonly scope: Scope } | undefined
  #sink: Sink<Req> | undefined
  #sinkWaiter: Pick<SendWaiter, 'resolve' | 'reject'> | undefined
  /** No more requests are taken. */
  #ended = false
  /** The handler takes no more, of which the caller has not been the cause. */
  #isRefused = false
  #failure: Failure | undefined
  /** What was thrown into the pushable, or given to its `end`: the stream fails with it, at once where it is open. */
  #thrown: Failure | undefined
  /** That it is open on, or what its requests go to in place of one. */
  #stream: Stream | RequestPipe<Req> | undefined
  /** Hears when one is taken. */
  source: RequestPipe<Req> | undefined
  #limits: StreamLimits | undefined

  constructor(codec: Codec<Req>, areTaken: boolean) {
    this.#codec = codec
    this.#areTaken = areTaken
  }

  /** To push requests; null when the handler takes none. Made when it is first asked for: it is most of what a stream holds. */
  get pushable(): Pushable<Req> | null {
    if (this.#pushable !== undefined || !this.#areTaken) return this.#pushable ?? null
    this.#pushable = this.#createPushable()
    if (this.#ended) this.#emptyPushable?.()
    return this.#pushable
  }

  /** They are pushed or sent one by one, and have not been ended: that may have been forgotten. */
  get areLeftOpen(): boolean {
    const source: unknown = this.#producer
    const isByHand = source === undefined || source === this.#pushable || source === this.#queue
    return isByHand && this.#sink !== undefined && !this.#ended
  }

  /** Another one is refused. */
  get haveSource(): boolean {
    return this.#producer !== undefined
  }

  /** Pulls all of `source` as the requests; see `GridStream.sink`. */
  sendAll(source: Producer<Req>): Promise<void> {
    if (!this.#areTaken || this.#producer !== undefined) {
      if (source !== this.#producer) unwind(source)
      return ignoreRejection(Promise.reject(this.#areTaken ? sourceGiven() : new ClosedError(takesNone)))
    }
    if (this.#ended) return this.#refuse(source)
    const done = ignoreRejection(
      new Promise<void>((resolve, reject) => {
        this.#sinkWaiter = { resolve, reject }
      })
    )
    this.#attach(source)
    return done
  }

  /** Pushes one request and waits until it is taken; see `GridStream.send`. */
  send(value: Req | Many<Req>): Promise<void> {
    return ignoreRejection(
      new Promise((resolve, reject) => {
        shield(value)
        if (!this.#areTaken) throw new ClosedError(takesNone)
        const failure = this.#failure ?? this.#thrown
        if (failure !== undefined) return reject(failure.reason)
        this.#push(value)
        if (this.#sink !== undefined && this.#sink.taken >= this.#pushed) resolve()
        else this.#wait({ count: this.#pushed, resolve, reject, next: undefined })
      })
    )
  }

  #wait(waiter: SendWaiter): void {
    if (this.#lastSend === undefined) this.#firstSend = waiter
    else this.#lastSend.next = waiter
    this.#lastSend = waiter
  }

  #push(value: Req | Many<Req>): void {
    if (this.#pushable !== undefined) {
      this.#pushable.push(value as Req)
      return
    }
    if (this.#ended) throw this.#createEndedError()
    if (this.#queue === undefined) {
      if (this.#producer !== undefined) throw sourceGiven()
      this.#queue = new SendQueue()
      this.#attach(this.#queue)
    }
    this.#pushed++
    this.#queue.push(value)
  }

  /** What it was opened for was refused. Returns whether it can be opened again: not when requests may have gone there. */
  takeBack(): boolean {
    if (this.#producer !== undefined) return false
    this.#sink = undefined
    this.#stream = undefined
    return true
  }

  /** `stream` is about to open, at a handler with this capacity for requests. Returns whether it takes any. */
  open(stream: Stream, limits: StreamLimits, capacity: number): boolean {
    // It has none that wait, and needs no error for them: each stream without requests would make one.
    if (!this.#areTaken) return false
    if (capacity === 0 || this.#failure !== undefined) {
      this.#refuseAll()
      return false
    }
    const window = new SendWindow(capacity, limits.sendWindowBytes)
    const sink = new Sink<Req>(stream, window, this)
    stream.sendWindow = window
    stream.sink = sink
    this.#stream = stream
    this.#limits = limits
    this.#sink = sink
    return true
  }

  /** They go to `pipe`, and not to a stream. */
  divert(pipe: RequestPipe<Req>): void {
    this.#stream = pipe
    pipe.sink = this.#sink = new Sink<Req>(pipe, pipe.window, this)
  }

  encode(value: Req): Uint8Array {
    if (this.#limits === undefined) return (this.#stream as RequestPipe<Req>).encode(value)
    return encodeMessage(this.#codec, value, 'request', this.#limits, 'maybeRan')
  }

  onFailed(error: unknown): void {
    this.#fail(error === thrownIn ? this.#thrown?.reason : error)
  }

  onUnwanted(): void {
    if (!this.#isOpen) return
    this.#isRefused = !this.#ended
    this.#stop(undefined)
  }

  onSettled(failure: Failure | undefined): void {
    if (this.#isOpen) this.#stop(undefined)
    if (failure === undefined) this.#sinkWaiter?.resolve()
    else this.#sinkWaiter?.reject(failure.reason)
  }

  onTaken(taken: number): void {
    this.source?.confirm()
    this.#firstSend = resolveTaken(this.#firstSend, taken)
    if (this.#firstSend === undefined) this.#lastSend = undefined
  }

  /** When the whole stream has ended, `end` gives the reason. */
  get #isOpen(): boolean {
    return this.#stream !== undefined && this.#stream.state !== 'closed'
  }

  #fail(reason: unknown): void {
    this.#stream?.abort({ reason, hasStack: true }, ResetCode.cancelled, 'the source of the requests failed')
  }

  /** The payload of the stream is sent: the requests may follow. */
  start(): void {
    const waiting = this.#waiting
    // First: a producer that throws at once ends the stream, which unwinds what still waits.
    this.#waiting = undefined
    if (waiting !== undefined) this.#sink?.attach(waiting.producer, undefined, waiting.scope)
  }

  /** The stream has ended; `failure` is undefined when both its halves ended by themselves. */
  end(failure: Failure | undefined): void {
    this.#isRefused ||= failure === undefined && !this.#ended
    this.#ended = true
    this.#failure ??= failure
    if (failure !== undefined) this.#sinkWaiter?.reject(failure.reason)
    this.#unwindWaiting()
    this.#stop(failure)
    // A source that is still being closed may fail by that: `onSettled` tells.
    if (this.#sink?.isUnwinding !== true) this.#sinkWaiter?.resolve()
    this.#emptyPushable?.()
  }

  /** The handler takes no requests, although the definition of this side has some. */
  #refuseAll(): void {
    this.#failure = { reason: new ClosedError(takesNone) }
    this.#stop(this.#failure)
    this.#sinkWaiter?.reject(this.#failure.reason)
    this.#unwindWaiting()
  }

  #unwindWaiting(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.scope.runInAsyncScope(unwind, undefined, waiting.producer)
  }

  /** The stream failed, or the requests ended, before they had a source. */
  #refuse(source: Producer<Req>): Promise<void> {
    unwind(source)
    return this.#failure === undefined ? Promise.resolve() : ignoreRejection(Promise.reject(this.#failure.reason))
  }

  #attach(producer: Producer<Req>): void {
    this.#producer = producer
    if (this.#sink !== undefined) return this.#sink.attach(producer)
    shieldProducer(producer)
    this.#waiting = { producer, scope: captureScope() }
  }

  #createEndedError(): ClosedError {
    return createEndedError(this.#failure ?? this.#thrown, this.#isRefused)
  }

  /** Rejects the sends that wait. An error is made only for those: each call ends here, and a stack is dear. */
  #stop(failure: Failure | undefined): void {
    this.#ended = true
    const first = this.#firstSend
    if (first === undefined) return
    this.#firstSend = this.#lastSend = undefined
    rejectAll(first, failure === undefined ? noMoreTaken() : failure.reason)
  }

  /** An it-pushable that throws at a push after its end, and becomes the producer on first use. */
  #createPushable(): Pushable<Req> {
    const requests = pushable<Req>({ objectMode: true })
    const { push, end, next } = requests
    const drop = requests.return
    this.#emptyPushable = () => {
      drop()
      // Code that awaits `onEmpty` continues when the end is pulled.
      next()
    }
    let isUsed = false
    const use = () => {
      if (isUsed) return
      if (this.#producer === undefined) this.#attach(requests)
      else if (this.#producer === this.#queue) this.#queue?.follow(requests as Pushable<Req | Many<Req>>)
      else throw sourceGiven()
      isUsed = true
    }
    requests.push = (value) => {
      shield(value)
      if (this.#ended) throw this.#createEndedError()
      use()
      this.#pushed++
      push(value)
      return requests
    }
    requests.end = (error) => {
      if (this.#ended) return requests
      use()
      this.#ended = true
      if (error !== undefined && error !== null) this.#thrown ??= { reason: error }
      // As the pushable itself does: what waits is dropped by an error.
      if (this.#thrown !== undefined) this.#queue?.clear()
      end(error)
      if (this.#thrown !== undefined) this.#fail(this.#thrown.reason)
      return requests
    }
    requests.return = async () => {
      if (!this.#ended) use()
      this.#ended = true
      return await drop()
    }
    requests.throw = async (reason) => {
      this.#thrown ??= { reason }
      requests.end(thrownIn)
      return { done: true, value: undefined }
    }
    return requests
  }
}

/** Replaces what was thrown into the pushable: that may be `undefined`, which an it-pushable takes as its end. */
const thrownIn = new Error('thrown into the requests')
