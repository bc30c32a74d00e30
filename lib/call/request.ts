/**
 * The calling end of a single request: sends one open frame, receives one message.
 *
 * This is the path of each small call. It costs one stream, one promise, and nothing per frame.
 */

import { type AnySignal, abortReason, listenToAbort } from '../base/abort.ts'
import { rejectToCaller } from '../base/promise.ts'
import { errorText } from '../base/text.ts'
import { type Codec, type Decoder, readsInPlace } from '../codec/codec.ts'
import { encodeMetadata } from '../codec/metadata.ts'
import { checkSize, decodePayload } from '../codec/payload.ts'
import { readCode } from '../codec/remote-error.ts'
import { tellDelivery } from '../errors/cancellation.ts'
import { DeadlineError, GridError, ProtocolError } from '../errors/errors.ts'
import type { Failure } from '../errors/failure.ts'
import { defaultRequestTimeoutMs } from '../errors/options.ts'
import type { Figures } from '../figures/figures.ts'
import type { RemoteHandler, RemoteHandlers } from '../handler/table.ts'
import type { Session } from '../session/session.ts'
import type { Receiver, StreamOwner } from '../stream/port.ts'
import type { Stream } from '../stream/stream.ts'
import { Flag, ResetCode } from '../wire/frame.ts'
import type { ReadCallOptions } from './options.ts'

/**
 * Sends `payload` and resolves with the response. Throws what fails before it is sent.
 *
 * @param timeoutMs what is left of the time of the call, 0 for no limit
 */
export function sendRequest<Res>(
  session: Session,
  handler: RemoteHandler,
  payload: Uint8Array,
  response: Codec<Res>,
  timeoutMs: number,
  options: ReadCallOptions
): Promise<Res> {
  const { signal } = options
  if (signal !== undefined) throwIfAborted(signal)
  if (!session.usable) throw session.createUnusableError()
  const bytes = checkSize(payload, session.limits, 'notSent')
  const metadata =
    options.metadata === undefined ? undefined : encodeMetadata(options.metadata, session.limits.maxMetadataBytes)
  const wholeTimeoutMs = options.timeout ?? defaultRequestTimeoutMs
  options.onSession?.(session)
  const stream = session.newStream({ handler: handler.index, metadata, timeoutMs })
  const request = new PendingRequest(stream, handler, response, wholeTimeoutMs)
  stream.isSingle = true
  stream.receiver = request
  stream.owner = options.waitForReady === true ? new RepeatableRequest(request, session.remoteHandlers) : request
  if (signal !== undefined) request.cancelBy(signal)
  stream.sendMessage(payload, Flag.end, bytes)
  return request.promise
}

function throwIfAborted(signal: AnySignal): void {
  if (signal.aborted === true) throw abortReason(signal)
}

/** The error of a call that has not ended within `timeoutMs`, which include its wait for the connection. */
export function createDeadlineError(stream: Stream, timeoutMs: number, said = ''): DeadlineError {
  const { port, delivery, owner, receiveWindow } = stream
  const { host } = port.remote
  // Of a request nothing counts but the end.
  const isAnswered = receiveWindow !== undefined && receiveWindow.describe().totalMessages > 0
  const what = isAnswered ? `the stream from ${host} did not end` : `no answer from ${host}`
  return new DeadlineError(`${what} within ${timeoutMs} ms${said}${owner?.remark?.() ?? ''}`, { delivery })
}

/** What the promise that was made last is settled with: one closure for all requests, and not one for each. */
const ignore = (_: unknown): void => {}
let kept = ignore
const keep = (resolve: (value: unknown) => void): void => {
  kept = resolve
}

/** A single request in progress: one message, one promise. */
class PendingRequest<T> implements Receiver, StreamOwner {
  readonly promise: Promise<T>
  readonly #decoder: Decoder<T>
  readonly #timeoutMs: number
  readonly #stream: Stream
  readonly #handler: RemoteHandler
  #unlisten: (() => void) | undefined
  /** Undefined once it is settled. It also rejects, by a promise that does: a second function would cost each request 56 B. */
  #resolve: ((value: T | Promise<never>) => void) | undefined

  constructor(stream: Stream, handler: RemoteHandler, decoder: Decoder<T>, timeoutMs: number) {
    this.#stream = stream
    this.#decoder = decoder
    this.#timeoutMs = timeoutMs
    this.#handler = handler
    this.promise = new Promise<unknown>(keep) as Promise<T>
    this.#resolve = kept as (value: T | Promise<never>) => void
    // It holds the promise, and that its answer.
    kept = ignore
  }

  get entry(): RemoteHandler {
    return this.#handler
  }

  get figures(): Figures | undefined {
    return this.#handler.figures
  }

  get readsInPlace(): boolean {
    return readsInPlace(this.#decoder)
  }

  /** At once where it has aborted meanwhile, or throws, as one that is not of Node may do. */
  cancelBy(signal: AnySignal): void {
    try {
      this.#unlisten = listenToAbort(signal, (reason) => {
        tellDelivery(reason, this.#stream.delivery)
        if (this.#resolve !== undefined) this.#settle(Promise.reject(reason))
        this.#stream.abort({ reason }, ResetCode.cancelled, errorText(reason, 256))
      })
    } catch (error) {
      this.#stream.fail({ reason: error })
    }
  }

  onMessage(payload: Uint8Array): void {
    if (this.#resolve === undefined) return
    try {
      this.#settle(decodePayload(this.#decoder, payload, 'the response', 'ran'))
    } catch (error) {
      this.#failAlone(error)
    }
  }

  onEnd(): void {
    this.#failAlone(new ProtocolError('the request was answered without a message', { delivery: 'ran' }))
  }

  onRemoteError(error: Error): void {
    this.#fail(error)
  }

  onAbort({ reason }: Failure): void {
    this.#fail(reason)
  }

  /** The call fails, and its stream ends as that of any other. */
  #failAlone(error: unknown): void {
    if (this.#resolve !== undefined) this.#stream.port.counter.countError(this.#stream, readCode(error))
    this.#fail(error)
  }

  #fail(reason: unknown): void {
    if (this.#resolve === undefined) return
    this.#settle(GridError.is(reason) ? rejectToCaller(reason) : Promise.reject(reason))
  }

  #settle(value: T | Promise<never>): void {
    const resolve = this.#resolve
    this.#resolve = undefined
    resolve?.(value)
  }

  onClosed(): void {
    this.#unlisten?.()
  }

  createDeadlineError(said = ''): Error {
    return createDeadlineError(this.#stream, this.#timeoutMs, said)
  }

  onDeadline(): void {
    this.#stream.abort({ reason: this.createDeadlineError() }, ResetCode.deadline, '')
  }
}

/** A request that is made again where its handler was withdrawn while it was on its way: then this try of it is not counted. */
class RepeatableRequest<T> implements StreamOwner {
  readonly #request: PendingRequest<T>
  readonly #handlers: RemoteHandlers
  #isTakenBack = false

  constructor(request: PendingRequest<T>, handlers: RemoteHandlers) {
    this.#request = request
    this.#handlers = handlers
  }

  get entry(): RemoteHandler {
    return this.#request.entry
  }

  get figures(): Figures | undefined {
    return this.#isTakenBack ? undefined : this.#request.figures
  }

  takesBack(error: unknown): boolean {
    if (!this.#handlers.isWithdrawal(error)) return false
    this.#isTakenBack = true
    this.#request.onAbort({ reason: error })
    return true
  }

  onClosed(): void {
    this.#request.onClosed()
  }

  onDeadline(): void {
    this.#request.onDeadline()
  }

  createDeadlineError(said: string): Error {
    return this.#request.createDeadlineError(said)
  }
}
