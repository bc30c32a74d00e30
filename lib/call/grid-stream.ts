/**
 * A two-way stream for its caller: responses to iterate, requests to push, a duplex for it-pipe.
 *
 * It may exist before its session, while it waits for the connection. Each failure is thrown by the first `next()`. Its
 * frames are written and read in `stream.ts`.
 */

import type { Pushable } from 'it-pushable'
import { abortReason, FollowingSignal, listenToAbort } from '../base/abort.ts'
import { CancelledError, type Delivery } from '../base/errors.ts'
import type { Failure } from '../base/failure.ts'
import { errorText } from '../base/text.ts'
import { encodeMetadata } from '../codec/metadata.ts'
import { checkSize } from '../codec/payload.ts'
import type { AnyStreaming, RequestOf, ResponseOf, StreamingDefinition } from '../handler/definition.ts'
import type { RemoteHandler } from '../handler/table.ts'
import type { Session } from '../session/session.ts'
import type { Many } from '../stream/many.ts'
import type { Producer } from '../stream/producer.ts'
import { type Messages, Source } from '../stream/source.ts'
import type { Stream } from '../stream/stream.ts'
import { ReceiveWindow } from '../stream/window.ts'
import { Flag, ResetCode } from '../wire/frame.ts'
import type { ReadCallOptions } from './options.ts'
import { createDeadlineError } from './request.ts'
import { StreamRequests } from './requests.ts'

/** How a stream ended. */
export interface StreamEnd {
  /** `ended`: both halves ended by themselves. `cancelled`: this side stopped it. `failed`: in all other cases. */
  readonly how: 'ended' | 'cancelled' | 'failed'
  /** The error, or the reason given to `cancel()`: any value, also `undefined`. None when the stream `ended`. */
  readonly error?: unknown
}

/** The requests of a stream: an it-pushable, or null when the handler takes none. */
export type RequestSink<Req> = [Req] extends [never] ? null : Pushable<Req>

/** The stream of a call at a definition. A string is the id of a raw handler: bytes both ways. */
export type StreamOf<D extends string | AnyStreaming> = GridStream<RequestOf<D>, ResponseOf<D>>

type StreamCodecs<Req, Res> = Pick<StreamingDefinition<unknown, Req, Res>, 'request' | 'response'>

export class GridStream<Req, Res> implements AsyncIterable<Res> {
  /** The responses. Pulling grants credit; `break` cancels the remote handler, and `throw(reason)` does so with that reason. */
  readonly responses: Messages<Res>
  /** Resolves with how the stream ended; never rejects. */
  readonly closed: Promise<StreamEnd>
  /** @internal opens it again in place of its end, when its handler was withdrawn before a request was given */
  whenWithdrawn: (() => void) | undefined
  readonly #source: Source<Res>
  readonly #requests: StreamRequests<Req>
  readonly #onUnsent: ((reason: unknown, sinceMs: number) => void) | undefined
  /** @internal since when it waits to be opened, of `performance.now()`; 0 where it does not */
  waitsSinceMs = 0
  #stream: Stream | undefined
  #end: StreamEnd | undefined
  #resolveClosed!: (end: StreamEnd) => void
  #cancelled = false
  #unlisten: (() => void) | undefined
  /** Of the session that it is open on. */
  #sessionDraining: AbortSignal | undefined
  #draining: FollowingSignal | undefined

  /** @internal made by `newStream`; `onUnsent` hears why, if it ends without having been open */
  constructor(
    definition: StreamCodecs<Req, Res>,
    takesRequests: boolean,
    onUnsent?: (reason: unknown, sinceMs: number) => void
  ) {
    this.#onUnsent = onUnsent
    this.#source = new Source(definition.response, 'ran')
    this.#source.onStopped = (failure) => {
      const stopped = new CancelledError('the consumer stopped reading', { delivery: this.delivery })
      this.#cancel(failure === undefined ? stopped : failure.reason)
    }
    this.#source.onUndecodable = (error) => {
      this.#stream?.abort(error, ResetCode.cancelled, 'a response cannot be decoded')
    }
    this.responses = this.#source
    this.#requests = new StreamRequests(definition.request, takesRequests)
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
  }

  /**
   * Aborts when either end begins to close the conn of this stream, by a shutdown, a renewal or the removal of a host: it may
   * still end by itself, and what follows goes elsewhere. Its `reason` is a `DrainingError`. What a listener of it throws is
   * dropped.
   */
  get draining(): AbortSignal {
    this.#draining ??= new FollowingSignal()
    if (this.#sessionDraining !== undefined) this.#draining.follow(this.#sessionDraining)
    if (this.#end !== undefined) this.#draining.end()
    return this.#draining.signal
  }

  /**
   * To push requests: `push(value)`, then `end()`. Requests that flow control has not accepted wait here, without a bound;
   * `send` waits instead. Null when the handler takes no requests. A push after the end throws `ClosedError`, whose `cause`
   * is what ended the stream, if anything did.
   */
  get requests(): RequestSink<Req> {
    return this.#requests.pushable as RequestSink<Req>
  }

  /** Same as `responses`, for it-pipe. */
  get source(): Messages<Res> {
    return this.responses
  }

  [Symbol.asyncIterator](): Messages<Res> {
    return this.responses
  }

  /** The responses in arrays: `responses.batches()`. */
  batches(): AsyncIterableIterator<Res[], undefined> {
    return this.responses.batches()
  }

  /**
   * Sends all values of `source` as requests, then ends them. Reads `source` as `for await` does, and only with credit. For
   * it-pipe.
   *
   * Takes `source` over: when the stream ends first, or cannot open, a Node stream is destroyed, a web stream cancelled, any
   * other iterator returned.
   *
   * Resolves when flow control has accepted the last request, or when the handler takes no more. Rejects when the stream
   * fails, or with what `source` throws when it is closed because the handler takes no more.
   */
  readonly sink = (source: Producer<Req>): Promise<void> => this.#requests.sendAll(source)

  /**
   * Sends one request, or all of a `many`. Resolves once flow control accepted it; the handler need not have read it yet. Its
   * bytes may be reused then. Of a `many` of something else than an array the end is read only with credit for one more.
   *
   * @throws {ClosedError} when the requests have ended, or the handler takes no more
   * @throws the error of `closed` when the stream has failed or was cancelled
   */
  send(value: [Req] extends [never] ? never : Req | Many<Req>): Promise<void> {
    return this.#requests.send(value)
  }

  /** Ends the stream now: cancels the remote handler, `responses` throws `reason`. Does nothing after the end. */
  cancel(reason?: unknown): void {
    this.#cancel(toCancelReason(reason, this.delivery))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel()
    await this.closed
  }

  /** @internal whether the handler may have run */
  get delivery(): Delivery {
    return this.#stream?.delivery ?? 'notSent'
  }

  /** @internal opens the stream on a session, with its payload */
  open(
    session: Session,
    handler: RemoteHandler,
    payload: Uint8Array,
    timeoutMs: number,
    options: ReadCallOptions
  ): void {
    if (this.#end !== undefined) return
    const { signal } = options
    if (signal?.aborted === true) return this.#cancel(abortReason(signal))
    if (!session.usable) return this.fail(session.createUnusableError())
    const bytes = checkSize(payload, session.limits, 'notSent')
    const metadata = encodeMetadata(options.metadata, session.limits.maxMetadataBytes)
    const wholeTimeoutMs = options.timeout ?? timeoutMs
    options.onSession?.(session)
    const stream = session.newStream({ handler: handler.index, metadata, timeoutMs })
    this.#stream = stream
    this.#sessionDraining = session.draining
    this.#draining?.follow(session.draining)
    stream.receiver = this.#source
    this.#source.bind(stream)
    const { receiveWindowBytes, maxMessageBytes } = session.limits
    stream.receiveWindow = new ReceiveWindow(handler.outCapacity, receiveWindowBytes, maxMessageBytes)
    const takesRequests = this.#requests.open(stream, session.limits, handler.inCapacity)
    stream.owner = {
      figures: handler.figures,
      onClosed: (failure) => {
        this.#unlisten?.()
        if (this.#stream === stream) this.#finish(failure)
      },
      takesBack: (error) => session.remoteHandlers.isWithdrawal(error) && this.#takeBack(),
      createDeadlineError: (said) => createDeadlineError(stream, wholeTimeoutMs, said),
      onDeadline: () => stream.abort(createDeadlineError(stream, wholeTimeoutMs), ResetCode.deadline, ''),
      remark: () => (this.#requests.areLeftOpen ? '; its requests are still open: requests.end() was not called' : '')
    }
    if (signal !== undefined) this.#obey(signal, stream)
    stream.sendMessage(payload, takesRequests ? 0 : Flag.end, bytes)
    // First the payload, then the requests that wait.
    this.#requests.start()
  }

  /** @internal the stream cannot be opened */
  fail(reason: unknown): void {
    this.#source.onAbort(reason)
    this.#finish({ reason })
  }

  /** The stream of the session was refused, and nothing of this one is lost by that. */
  #takeBack(): boolean {
    if (this.whenWithdrawn === undefined || !this.#requests.takeBack()) return false
    // It is counted once.
    if (this.#stream?.owner !== undefined) this.#stream.owner.figures = undefined
    this.#stream = undefined
    this.#sessionDraining = undefined
    this.#draining?.leave()
    this.whenWithdrawn()
    return true
  }

  /** Ends with the signal; at once where it has aborted meanwhile, or throws, as one that is not of Node may do. */
  #obey(signal: AbortSignal, stream: Stream): void {
    try {
      this.#unlisten = listenToAbort(signal, (reason) => this.#cancel(reason))
    } catch (error) {
      stream.fail(error)
    }
  }

  #cancel(reason: unknown): void {
    if (this.#end !== undefined) return
    this.#cancelled = true
    if (this.#stream === undefined) this.fail(reason)
    else this.#stream.abort(reason, ResetCode.cancelled, errorText(reason, 256))
  }

  #finish(failure: Failure | undefined): void {
    if (this.#end !== undefined) return
    const how = this.#cancelled ? 'cancelled' : 'failed'
    this.#end = failure === undefined ? { how: 'ended' } : { how, error: failure.reason }
    if (this.#stream === undefined && failure !== undefined) this.#onUnsent?.(failure.reason, this.waitsSinceMs)
    this.#draining?.end()
    this.#requests.end(failure)
    this.#resolveClosed(this.#end)
  }
}

/** What `cancel()` was given, or an error that says so. */
export function toCancelReason(reason: unknown, delivery: Delivery): unknown {
  return reason === undefined ? new CancelledError('the stream was cancelled', { delivery }) : reason
}
