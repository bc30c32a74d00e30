/**
 * A two-way stream as its initiator holds it: responses to iterate, requests to push, a duplex for it-pipe.
 *
 * It exists before its session does (the connection may have to be waited for); every failure surfaces at the first
 * `next()`. The stream's frames are the business of `stream.ts`.
 */

import { type Pushable, pushable } from 'it-pushable'
import { listenToAbort } from '../base/abort.ts'
import { CancelledError, ClosedError } from '../base/errors.ts'
import { Fifo } from '../base/fifo.ts'
import { errorText } from '../base/text.ts'
import { encodeMetadata } from '../codec/metadata.ts'
import { checkSize, encodePayload } from '../codec/payload.ts'
import type { StreamingDefinition } from '../handler/definition.ts'
import type { RemoteHandler } from '../handler/table.ts'
import type { Session } from '../session/session.ts'
import { type Producer, unwind } from '../stream/producer.ts'
import { Sink } from '../stream/sink.ts'
import { Source } from '../stream/source.ts'
import type { Stream } from '../stream/stream.ts'
import { ReceiveWindow, SendWindow } from '../stream/window.ts'
import { Flag, ResetCode } from '../wire/frame.ts'
import type { CallOptions } from './options.ts'
import { expire } from './request.ts'

/** How a stream ended. */
export interface StreamEnd {
  /** `ended`: both halves ended by themselves. `cancelled`: this side stopped it. `failed`: anything else. */
  readonly how: 'ended' | 'cancelled' | 'failed'
  /** The error, or the reason of the cancel. */
  readonly error?: unknown
}

/** The requests of a stream: an it-pushable, or null where the handler takes none. */
export type RequestSink<Req> = [Req] extends [never] ? null : Pushable<Req>

type StreamCodecs<Req, Res> = Pick<StreamingDefinition<unknown, Req, Res>, 'request' | 'response'>

interface Waiter {
  /** The value is taken once so many were. */
  readonly count: number
  resolve(): void
  reject(reason: unknown): void
}

export class GridStream<Req, Res> implements AsyncIterable<Res> {
  /** The responses; pulling grants credit, `break` cancels the remote handler. */
  readonly responses: AsyncIterableIterator<Res, undefined>
  /**
   * Where requests are pushed: `push(value)`, then `end()`. What the window has not taken waits here without bound;
   * `send` waits instead. Null where the handler takes no requests. A push after the end throws `ClosedError`.
   */
  readonly requests: RequestSink<Req>
  /** Resolves with how the stream ended; never rejects. */
  readonly closed: Promise<StreamEnd>
  readonly #definition: StreamCodecs<Req, Res>
  readonly #source: Source<Res>
  readonly #pushable: Pushable<Req> | null
  #endPushable: (() => void) | undefined
  readonly #sends = new Fifo<Waiter>()
  #pushed = 0
  #requestsEnded = false
  #producer: Producer<Req> | undefined
  #sink: Sink<Req> | undefined
  #sinkWaiter: Waiter | undefined
  #stream: Stream | undefined
  #end: StreamEnd | undefined
  #resolveClosed!: (end: StreamEnd) => void
  #cancelled = false

  /** @internal made by `newStream` */
  constructor(definition: StreamCodecs<Req, Res>, takesRequests: boolean) {
    this.#definition = definition
    this.#source = new Source(definition.response)
    this.#source.onStopped = (error) => {
      if (error === undefined) this.cancel(new CancelledError('the consumer stopped reading'))
      else this.#stream?.abort(error, ResetCode.cancelled, 'a response cannot be decoded')
    }
    this.responses = this.#source
    this.#pushable = takesRequests ? this.#makePushable() : null
    this.requests = this.#pushable as RequestSink<Req>
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  /** The same as `responses`, for it-pipe. */
  get source(): AsyncIterableIterator<Res, undefined> {
    return this.responses
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Res, undefined> {
    return this.responses
  }

  /**
   * Sends all of `source` as the requests and ends them; pulls it only against credit. For it-pipe.
   *
   * Resolves when the last request was taken by the window or the handler takes no more; rejects when the stream fails.
   */
  readonly sink = (source: Producer<Req>): Promise<void> => {
    if (this.#pushable === null) return Promise.reject(new ClosedError('the handler takes no requests'))
    if (this.#producer !== undefined) return Promise.reject(new ClosedError('the requests have a source already'))
    if (this.#requestsEnded) return this.#refuseSource(source)
    const done = handled(
      new Promise<void>((resolve, reject) => {
        this.#sinkWaiter = { count: 0, resolve, reject }
      })
    )
    this.#attach(source)
    return done
  }

  /**
   * Sends one request and resolves when the window has taken it; its bytes are the caller's again then.
   *
   * @throws {ClosedError} when the requests have ended, or the handler takes no more
   */
  send(value: Req): Promise<void> {
    return handled(
      new Promise((resolve, reject) => {
        if (this.#pushable === null) throw new ClosedError('the handler takes no requests')
        this.#pushable.push(value)
        if (this.#sink !== undefined && this.#sink.taken >= this.#pushed) resolve()
        else this.#sends.push({ count: this.#pushed, resolve, reject })
      })
    )
  }

  /** Stops the stream now: the remote handler is cancelled, `responses` throws `reason`. Does nothing after the end. */
  cancel(reason?: unknown): void {
    if (this.#end !== undefined) return
    this.#cancelled = true
    const delivery = this.#stream?.delivery ?? 'notSent'
    const why = reason ?? new CancelledError('the stream was cancelled', { delivery })
    if (this.#stream === undefined) this.fail(why)
    else this.#stream.abort(why, ResetCode.cancelled, errorText(why, 256))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel()
    await this.closed
  }

  /** @internal the session is there: opens the stream with its payload */
  open(session: Session, handler: RemoteHandler, payload: Uint8Array, timeoutMs: number, options: CallOptions): void {
    if (this.#end !== undefined) return
    const { signal } = options
    if (signal?.aborted === true) return this.cancel(signal.reason)
    if (!session.usable) return this.fail(session.unusableError())
    checkSize(payload, session.maxSendBytes, 'notSent')
    const metadata = encodeMetadata(options.metadata, session.maxMetadataBytes)
    const stream = session.newStream({ handler: handler.index, metadata, timeoutMs })
    this.#stream = stream
    stream.receiver = this.#source
    this.#source.bind(stream)
    const { receiveWindowBytes, maxMessageBytes } = session
    stream.receiveWindow = new ReceiveWindow(handler.outCapacity, receiveWindowBytes, maxMessageBytes)
    const takesRequests = handler.inCapacity > 0 && this.#pushable !== null
    const sink = takesRequests ? this.#openRequests(session, handler, stream) : undefined
    if (!takesRequests) this.#endRequests(new ClosedError('the handler takes no requests'))
    const unlisten = signal === undefined ? undefined : listenToAbort(signal, () => this.cancel(signal.reason))
    stream.owner = {
      onClosed: (reason) => {
        unlisten?.()
        this.#finish(reason)
      },
      onDeadline: () => expire(stream, session.remote.host)
    }
    if (timeoutMs > 0) session.setDeadline(stream, timeoutMs)
    stream.sendMessage(payload, takesRequests ? 0 : Flag.end)
    // The payload goes first, whatever waits behind it.
    if (sink !== undefined && this.#producer !== undefined) sink.attach(this.#producer)
  }

  /** @internal the stream cannot be opened */
  fail(reason: unknown): void {
    this.#source.onAbort(reason)
    this.#finish(reason)
  }

  #openRequests(session: Session, handler: RemoteHandler, stream: Stream): Sink<Req> {
    const window = new SendWindow(handler.inCapacity, session.sendWindowBytes)
    const sink = new Sink<Req>(stream, window, (value) => {
      const payload = encodePayload(this.#definition.request, value, 'maybeRan')
      checkSize(payload, session.maxSendBytes, 'maybeRan')
      return payload
    })
    sink.onTaken = () => this.#onTaken(sink.taken)
    sink.onFailed = (error) => stream.abort(error, ResetCode.cancelled, 'the source of the requests failed')
    sink.onSettled = () => {
      // When the whole stream has ended, `#finish` tells why.
      if (stream.state !== 'closed') this.#endRequests(new ClosedError('the handler takes no more requests'))
    }
    stream.sendWindow = window
    stream.sink = sink
    this.#sink = sink
    return sink
  }

  /** The stream failed, or takes no more requests, before it had a source. */
  #refuseSource(source: Producer<Req>): Promise<void> {
    unwind(source)
    const end = this.#end
    return end === undefined || end.how === 'ended' ? Promise.resolve() : handled(Promise.reject(end.error))
  }

  #attach(producer: Producer<Req>): void {
    this.#producer = producer
    this.#sink?.attach(producer)
  }

  #onTaken(taken: number): void {
    for (let first = this.#sends.peek(); first !== undefined && first.count <= taken; first = this.#sends.peek()) {
      this.#sends.shift()
      first.resolve()
    }
  }

  /** No request is taken any more; those that were not are told. */
  #endRequests(reason: unknown): void {
    this.#requestsEnded = true
    for (let waiter = this.#sends.shift(); waiter !== undefined; waiter = this.#sends.shift()) waiter.reject(reason)
    this.#sinkWaiter?.resolve()
  }

  #finish(reason: unknown): void {
    if (this.#end !== undefined) return
    const how = reason === undefined ? 'ended' : this.#cancelled ? 'cancelled' : 'failed'
    this.#end = reason === undefined ? { how } : { how, error: reason }
    if (reason !== undefined) this.#sinkWaiter?.reject(reason)
    // The sink unwinds its producer; without one, nobody has pulled it.
    if (this.#sink === undefined && this.#producer !== undefined) unwind(this.#producer)
    this.#endRequests(reason ?? new ClosedError('the handler takes no more requests'))
    this.#endPushable?.()
    this.#resolveClosed(this.#end)
  }

  /** An it-pushable that does not ignore a push after the end, and becomes the producer with its first use. */
  #makePushable(): Pushable<Req> {
    const requests = pushable<Req>({ objectMode: true })
    const { push, end } = requests
    this.#endPushable = end
    const use = () => {
      if (this.#producer === undefined) this.#attach(requests)
      else if (this.#producer !== requests) throw new ClosedError('the requests have a source already')
    }
    requests.push = (value) => {
      if (this.#requestsEnded) throw new ClosedError('the requests of the stream have ended')
      use()
      this.#pushed++
      push(value)
      return requests
    }
    requests.end = (error) => {
      if (this.#requestsEnded) return requests
      this.#requestsEnded = true
      if (this.#end === undefined) use()
      end(error)
      return requests
    }
    return requests
  }
}

/** A promise that nobody awaits must not end the process: `closed` and the responses tell the same. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}
