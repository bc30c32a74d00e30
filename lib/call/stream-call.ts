/**
 * What a two-way stream holds at its caller: its stream of the session, once there is one, its two halves, and its end.
 *
 * One object with methods, not closures: a stream may be open for days, and there may be many. Users see `GridStream`.
 */

import { type AnySignal, abortReason, FollowingSignal, listenToAbort } from '../base/abort.ts'
import { errorText } from '../base/text.ts'
import type { Codec } from '../codec/codec.ts'
import { encodeMetadata } from '../codec/metadata.ts'
import { checkSize } from '../codec/payload.ts'
import { CancelledError, ClosedError, type Delivery } from '../errors/errors.ts'
import { type Failure, LateFailure } from '../errors/failure.ts'
import type { Figures } from '../figures/figures.ts'
import type { StreamingDefinition } from '../handler/definition.ts'
import type { RemoteHandler } from '../handler/table.ts'
import type { Producer } from '../producer/producer.ts'
import type { Session } from '../session/session.ts'
import type { SourceOwner, StreamOwner } from '../stream/port.ts'
import { Source } from '../stream/source.ts'
import { canSend } from '../stream/state.ts'
import type { Stream } from '../stream/stream.ts'
import { ReceiveWindow } from '../stream/window.ts'
import { Flag, ResetCode } from '../wire/frame.ts'
import type { ReadCallOptions } from './options.ts'
import { createDeadlineError } from './request.ts'
import { RequestPipe } from './request-pipe.ts'
import { StreamRequests } from './requests.ts'

/** How a stream ended. */
export interface StreamEnd {
  /** `ended`: both halves ended by themselves. `cancelled`: this side stopped it. `failed`: in all other cases. */
  readonly how: 'ended' | 'cancelled' | 'failed'
  /** The error, or the reason given to `cancel()`: any value, also `undefined`. None when the stream `ended`. */
  readonly error?: unknown
}

const hasEnded = {}
const readerStopped = 'the consumer stopped reading'

type StreamCodecs<Req, Res> = Pick<StreamingDefinition<unknown, Req, Res>, 'request' | 'response'>

export class StreamCall<Req, Res> implements StreamOwner, SourceOwner {
  readonly source: Source<Res>
  readonly requests: StreamRequests<Req>
  /** Opens it again in place of its end, when its handler was withdrawn before a request was given. */
  whenWithdrawn: (() => void) | undefined
  /** The handler that it is open at. */
  entry: RemoteHandler | undefined
  /** Since when it waits to be opened, of `performance.now()`; 0 where it does not. */
  waitsSinceMs = 0
  #onUnsent: ((reason: unknown, sinceMs: number) => void) | undefined
  #stream: Stream | undefined
  /** That it is open on. */
  #session: Session | undefined
  #timeoutMs = 0
  /** It has ended, by this failure if any. */
  #over: { readonly failure?: Failure } | undefined
  #closed: Promise<StreamEnd> | undefined
  #resolveClosed: ((end: StreamEnd) => void) | undefined
  #cancelled = false
  #unlisten: (() => void) | undefined
  #draining: FollowingSignal | undefined
  /** The requests that are sent in the place of those that are given, and what the latter go to. */
  #instead: { readonly sent: StreamRequests<Req>; readonly pipe: RequestPipe<Req> } | undefined

  /** @param onUnsent hears why, if it ends without having been open */
  constructor(
    definition: StreamCodecs<Req, Res>,
    takesRequests: boolean,
    onUnsent?: (reason: unknown, sinceMs: number) => void
  ) {
    this.#onUnsent = onUnsent
    this.source = new Source(definition.response, this, 'ran')
    this.requests = new StreamRequests(definition.request, takesRequests)
  }

  get figures(): Figures | undefined {
    return this.entry?.figures
  }

  /** As of `GridStream`. Made when it is first asked for. */
  get closed(): Promise<StreamEnd> {
    this.#closed ??= new Promise((resolve) => {
      if (this.#over === undefined) this.#resolveClosed = resolve
      else resolve(this.#createEnd())
    })
    return this.#closed
  }

  /** The stream of the session; undefined where it was not opened. */
  get stream(): Stream | undefined {
    return this.#stream
  }

  /** Whether the handler may have run. */
  get delivery(): Delivery {
    return this.#stream?.delivery ?? 'notSent'
  }

  get draining(): AbortSignal {
    this.#draining ??= new FollowingSignal()
    if (this.#session !== undefined) this.#draining.follow(this.#session.draining)
    if (this.#over !== undefined) this.#draining.end()
    return this.#draining.signal
  }

  /**
   * Gives the requests of this stream, of which the handler gets none: others are sent in their place.
   *
   * @throws {ClosedError} when it is too late for that
   */
  divertRequests(codec: Codec<Req>): RequestPipe<Req> {
    if (this.#stream !== undefined) {
      throw new ClosedError('the requests are being sent as they are: others are given by next({ requests })')
    }
    const pipe = new RequestPipe<Req>((failure) => {
      this.#stream?.abort(failure, ResetCode.cancelled, 'the source of the requests failed')
    })
    const sent = new StreamRequests(codec, true)
    sent.source = pipe
    this.#instead = { sent, pipe }
    this.requests.divert(pipe)
    this.requests.start()
    if (this.#over !== undefined) pipe.close(this.#over.failure ?? { reason: undefined })
    return pipe
  }

  /** Sends these, in the place of those that were diverted. */
  sendInstead(requests: Producer<Req>): void {
    this.#instead?.sent.sendAll(requests)
  }

  get #sent(): StreamRequests<Req> {
    return this.#instead?.sent ?? this.requests
  }

  /** Opens the stream on a session, with its payload. */
  open(
    session: Session,
    handler: RemoteHandler,
    payload: Uint8Array,
    timeoutMs: number,
    options: ReadCallOptions
  ): void {
    if (this.#over !== undefined) return
    const { signal } = options
    if (signal?.aborted === true) return this.cancel(abortReason(signal))
    if (!session.usable) return this.fail(session.createUnusableError())
    const bytes = checkSize(payload, session.limits, 'notSent')
    const metadata = encodeMetadata(options.metadata, session.limits.maxMetadataBytes)
    this.#timeoutMs = options.timeout ?? timeoutMs
    options.onSession?.(session)
    const stream = session.newStream({ handler: handler.index, metadata, timeoutMs })
    this.#stream = stream
    this.#session = session
    // It is counted as a stream from now on.
    if (this.whenWithdrawn === undefined) this.#onUnsent = undefined
    this.#draining?.follow(session.draining)
    stream.receiver = this.source
    this.source.bind(stream)
    const { receiveWindowBytes, maxMessageBytes } = session.limits
    stream.receiveWindow = new ReceiveWindow(handler.outCapacity, receiveWindowBytes, maxMessageBytes)
    const takesRequests = this.#sent.open(stream, session.limits, handler.inCapacity)
    this.entry = handler
    stream.owner = this
    if (signal !== undefined) this.#obey(signal, stream)
    stream.sendMessage(payload, takesRequests ? 0 : Flag.end, bytes)
    // First the payload, then the requests that wait.
    this.#sent.start()
  }

  /** The stream cannot be opened. @param hasStack it was not, where the call was made */
  fail(reason: unknown, hasStack = false): void {
    this.#failBy({ reason, hasStack })
  }

  cancel(reason: unknown): void {
    this.#cancelBy({ reason, hasStack: true }, () => errorText(reason, 256))
  }

  #failBy(failure: Failure): void {
    this.source.onAbort(failure)
    this.#finish(failure)
  }

  #cancelBy(failure: Failure, text: () => string): void {
    if (this.#over !== undefined) return
    this.#cancelled = true
    if (this.#stream === undefined) this.#failBy(failure)
    else this.#stream.abort(failure, ResetCode.cancelled, text())
  }

  // SourceOwner

  onReaderStopped(failure: Failure | undefined): void {
    if (failure !== undefined) return this.cancel(failure.reason)
    const { delivery } = this
    const stopped = new LateFailure('ERR_CANCELLED', () => new CancelledError(readerStopped, { delivery }))
    this.#cancelBy(stopped, () => readerStopped)
  }

  onUndecodable(error: unknown): void {
    this.#stream?.abort({ reason: error }, ResetCode.cancelled, 'a response cannot be decoded')
  }

  // StreamOwner

  onClosed(failure: Failure | undefined): void {
    this.#unlisten?.()
    // Not where it was taken back.
    if (this.#stream !== undefined) this.#finish(failure)
  }

  takesBack(error: unknown): boolean {
    const { whenWithdrawn } = this
    if (whenWithdrawn === undefined || this.#session?.remoteHandlers.isWithdrawal(error) !== true) return false
    if (!this.#sent.takeBack()) return false
    // It is counted once.
    this.entry = undefined
    this.#stream = this.#session = undefined
    this.#draining?.leave()
    whenWithdrawn()
    return true
  }

  createDeadlineError(said = ''): Error {
    return createDeadlineError(this.#stream as Stream, this.#timeoutMs, said)
  }

  onDeadline(): void {
    this.#stream?.abort({ reason: this.createDeadlineError() }, ResetCode.deadline, '')
  }

  remark(): string {
    const { state = 'closed', receiveWindow, sendWindow } = this.#stream ?? {}
    const unread = receiveWindow?.unreadMessages ?? 0
    if (unread > 0 && canSend(state) && sendWindow?.canSend === false) {
      return `; the handler takes no more requests while its responses are not read: ${unread} of them wait here`
    }
    return this.requests.areLeftOpen ? '; its requests are still open: requests.end() was not called' : ''
  }

  /** Ends with the signal; at once where it has aborted meanwhile, or throws, as one that is not of Node may do. */
  #obey(signal: AnySignal, stream: Stream): void {
    try {
      this.#unlisten = listenToAbort(signal, (reason) => this.cancel(reason))
    } catch (error) {
      stream.fail({ reason: error, hasStack: true })
    }
  }

  #createEnd(): StreamEnd {
    const failure = this.#over?.failure
    return failure === undefined
      ? { how: 'ended' }
      : { how: this.#cancelled ? 'cancelled' : 'failed', error: failure.reason }
  }

  #finish(failure: Failure | undefined): void {
    if (this.#over !== undefined) return
    this.#over = failure === undefined ? hasEnded : { failure }
    if (this.#stream === undefined && failure !== undefined) this.#onUnsent?.(failure.reason, this.waitsSinceMs)
    this.#draining?.end()
    this.#instead?.pipe.close(failure)
    this.#instead?.sent.end(failure)
    this.requests.end(failure)
    this.#resolveClosed?.(this.#createEnd())
  }
}
