/**
 * The answering end of a call: decodes the payload, runs the handler, sends its responses.
 *
 * A handler that fails in any way (throws, rejects, yields what cannot be encoded) gives its caller a remote error and
 * affects nothing else. Knows streams, not sessions or hosts.
 */

import { isPromise, whenSettled } from '../base/promise.ts'
import { captureScope, type Scope } from '../base/scope.ts'
import { type Decoder, readsInPlace } from '../codec/codec.ts'
import { checkSize, decodePayload, encodeMessage } from '../codec/payload.ts'
import { encodeRemoteError, readCode } from '../codec/remote-error.ts'
import { DeadlineError, RejectedError } from '../errors/errors.ts'
import type { Failure } from '../errors/failure.ts'
import type { Figures } from '../figures/figures.ts'
import type { AnyStreaming, SingleDefinition, StreamingDefinition } from '../handler/definition.ts'
import type { Requests, Responses, SingleHandler, StreamingHandler } from '../handler/handler.ts'
import { isBadResponse, isMistake } from '../handler/mistakes.ts'
import { notReadyText, type Serving } from '../handler/serving.ts'
import type { LocalHandler } from '../handler/table.ts'
import { channels } from '../hooks/channels.ts'
import { type Hooks, standsAround } from '../hooks/hooks.ts'
import type { HandlerInterceptor } from '../hooks/interceptor.ts'
import { releaseStream } from '../producer/stream-source.ts'
import type { Receiver, SinkOwner, SourceOwner, StreamOwner } from '../stream/port.ts'
import { callEnded } from '../stream/reset.ts'
import { Sink } from '../stream/sink.ts'
import { Source } from '../stream/source.ts'
import type { Stream } from '../stream/stream.ts'
import { ReceiveWindow, SendWindow } from '../stream/window.ts'
import { Flag, type HandlerEntry, ResetCode } from '../wire/frame.ts'
import { AroundHandler } from './around.ts'
import { CallContext } from './context.ts'
import type { ResponderPort } from './port.ts'
import { dropResponse, encodeResponse } from './response.ts'

export class Responder implements Receiver, StreamOwner, SourceOwner, SinkOwner<unknown> {
  readonly #stream: Stream
  readonly #handler: LocalHandler
  readonly #port: ResponderPort
  readonly #context: CallContext
  /** The async context of the handler: what it and all that it starts run in. */
  readonly #scope = captureScope()
  /** Interceptors, or what is published. */
  #around: AroundHandler | undefined
  /** The handler may be held back; it has settled, or will not start. */
  #state: 'held' | 'running' | 'settled' = 'held'

  constructor(stream: Stream, handler: LocalHandler, port: ResponderPort, metadata: Uint8Array | undefined) {
    this.#stream = stream
    this.#handler = handler
    this.#port = port
    this.#context = new CallContext(port, handler.entry, stream, metadata)
  }

  get entry(): HandlerEntry {
    return this.#handler.entry
  }

  get figures(): Figures | undefined {
    return this.#handler.figures
  }

  get readsInPlace(): boolean {
    const { definition, hooks } = this.#handler
    if (!readsInPlace(definition.kind === 'single' ? definition.request : definition.payload)) return false
    const { serving } = this.#port
    // What is held back, or is decoded when an interceptor asks for it, must be a copy.
    return (serving === undefined || serving.isOpen) && hooks?.interceptors === undefined
  }

  onMessage(payload: Uint8Array, isLast: boolean): void {
    this.#scope.runInAsyncScope(this.#run, this, payload, isLast)
  }

  #run(payload: Uint8Array, isLast: boolean): void {
    const { definition } = this.#handler
    // At once: requests may follow in the same batch.
    const requests = definition.kind === 'single' ? null : this.#openRequests(definition, isLast)
    const { serving } = this.#port
    if (serving === undefined || serving.isOpen) return this.#start(payload, requests)
    this.#hold(serving, payload, requests)
  }

  /** Apart, for its closures would cost each call that is not held. */
  #hold(serving: Serving, payload: Uint8Array, requests: Source<unknown> | null): void {
    serving.hold(this, {
      start: () => this.#scope.runInAsyncScope(this.#start, this, payload, requests),
      refuse: () =>
        this.#stream.abort({ reason: new RejectedError('busy', notReadyText) }, ResetCode.busy, notReadyText)
    })
  }

  #start(payload: Uint8Array, requests: Source<unknown> | null): void {
    const { definition, fn, hooks } = this.#handler
    this.#state = 'running'
    if (standsAround(hooks, channels.handle)) return this.#startAround(hooks, payload, requests)
    if (definition.kind === 'single') {
      const run = fn as SingleHandler<unknown, unknown>
      this.#runSingle(definition, run, payload)
    } else {
      const run = fn as StreamingHandler<unknown, unknown, unknown>
      this.#runStreaming(definition, run, payload, requests)
    }
  }

  /** Apart, as it costs closures. */
  #startAround(hooks: Hooks<HandlerInterceptor>, payload: Uint8Array, requests: Source<unknown> | null): void {
    const around = new AroundHandler(hooks, this.#handler, payload, this.#context, this)
    const { definition } = around
    this.#around = around
    around.run(() => {
      try {
        if (definition.kind === 'single') return this.#onResult(definition, around.runSingle())
        const sink = this.#openResponses(definition)
        const { responses, scope } = around.runStreaming(requests as Requests<unknown>)
        this.#onResponses(sink, responses as Responses<unknown>, scope)
      } catch (error) {
        this.#fail(error)
      }
    })
  }

  onEnd(): void {}
  onRemoteError(): void {}
  onAbort(): void {}

  onClosed(failure: Failure | undefined): void {
    if (this.#state === 'held') {
      this.#port.serving?.forget(this)
      return this.#settle()
    }
    const { abort } = this.#context
    if (this.#state === 'running') this.#scope.runInAsyncScope(abort, this.#context, failure ?? callEnded)
    this.#around?.finish(failure, this.#stream)
  }

  onDeadline(timeoutMs: number): void {
    const text = `the deadline of the call has passed: it had ${Math.round(timeoutMs)} ms when it arrived`
    this.#stream.abort({ reason: new DeadlineError(text) }, ResetCode.deadline, '')
  }

  #runSingle(
    definition: SingleDefinition<unknown, unknown>,
    fn: SingleHandler<unknown, unknown>,
    payload: Uint8Array
  ): void {
    try {
      this.#onResult(definition, fn(decodePayload(definition.request, payload, 'the payload'), this.#context))
    } catch (error) {
      this.#fail(error)
    }
  }

  #onResult(definition: SingleDefinition<unknown, unknown>, result: unknown): void {
    if (!isPromise(result)) return this.#reply(definition, result)
    whenSettled(
      result,
      (value) => this.#reply(definition, value),
      (error) => this.#fail(error)
    )
  }

  #reply(definition: SingleDefinition<unknown, unknown>, value: unknown): void {
    if (this.#stream.state === 'closed') {
      dropResponse(value)
      return this.#settle()
    }
    let payload: Uint8Array
    let bytes: number
    try {
      payload = encodeResponse(definition.response, value)
      bytes = checkSize(payload, this.#port.limits)
    } catch (error) {
      return this.#onBadValue(value, error)
    }
    this.#settle()
    // First: sending may end the call, which is published with this.
    this.#around?.answered(bytes)
    this.#stream.sendMessage(payload, Flag.end, bytes)
  }

  #onBadValue(value: unknown, error: unknown): void {
    releaseStream(value)
    if (isBadResponse(error)) this.#port.onMistake(this.#handler, error)
    this.#fail(error)
  }

  /** The requests for the handler, or null when it takes none; `ended` when the caller has sent all. */
  #openRequests({ inCapacity, request }: StreamingDefinition<unknown, unknown, unknown>, ended: boolean) {
    const stream = this.#stream
    const { receiveWindowBytes, maxMessageBytes } = this.#port.limits
    stream.receiveWindow = new ReceiveWindow(inCapacity, receiveWindowBytes, maxMessageBytes)
    if (inCapacity === 0) return null
    const requests = new Source(standsAround(this.#handler.hooks, channels.handle) ? this.#counting() : request, this)
    requests.bind(stream)
    stream.receiver = requests
    if (ended) requests.onEnd()
    return requests
  }

  /** Apart, for its closure would cost each stream: what counts is made after the requests, and before they are read. */
  #counting(): Decoder<unknown> {
    return { decode: (payload) => ((this.#around ?? this.#handler).definition as AnyStreaming).request.decode(payload) }
  }

  #runStreaming(
    definition: StreamingDefinition<unknown, unknown, unknown>,
    fn: StreamingHandler<unknown, unknown, unknown>,
    payload: Uint8Array,
    requests: Source<unknown> | null
  ): void {
    const sink = this.#openResponses(definition)
    try {
      const value = decodePayload(definition.payload, payload, 'the payload')
      this.#onResponses(sink, fn(value, requests as Requests<unknown>, this.#context))
    } catch (error) {
      this.#fail(error)
    }
  }

  #openResponses({ outCapacity }: StreamingDefinition<unknown, unknown, unknown>): Sink<unknown> {
    const stream = this.#stream
    // A handler without responses is still pulled once, for its end.
    const window = new SendWindow(Math.max(outCapacity, 1), this.#port.limits.sendWindowBytes)
    const sink = new Sink<unknown>(stream, window, this)
    stream.sendWindow = window
    stream.sink = sink
    return sink
  }

  // SourceOwner, for the requests

  onReaderStopped(): void {
    this.#stream.stopRequests()
  }

  onUndecodable(error: unknown): void {
    this.#sendError(error)
  }

  // SinkOwner, for the responses

  encode(value: unknown): Uint8Array {
    const { outCapacity, response } = (this.#around ?? this.#handler).definition as AnyStreaming
    if (outCapacity === 0) throw new TypeError('the handler yielded a response, but its outCapacity is 0')
    return encodeMessage(response, value, 'response', this.#port.limits)
  }

  onFailed(error: unknown, ended: boolean): void {
    if (ended) return this.#fail(error)
    if (isBadResponse(error) || isMistake(error)) this.#port.onMistake(this.#handler, error)
    this.#sendError(error)
  }

  onSettled(failure: Failure | undefined): void {
    if (failure !== undefined) this.onLate(failure.reason)
  }

  onLate(error: unknown): void {
    if (isMistake(error)) this.#port.onMistake(this.#handler, error)
  }

  onReleased(): void {
    this.#settle()
  }

  #onResponses(
    sink: Sink<unknown>,
    result: ReturnType<StreamingHandler<unknown, unknown, unknown>>,
    scope?: Scope
  ): void {
    if (!isPromise<Responses<unknown>>(result)) return this.#respond(sink, result, scope)
    whenSettled(
      result,
      (responses) => this.#respond(sink, responses, scope),
      (error) => this.#fail(error)
    )
  }

  #respond(sink: Sink<unknown>, responses: Responses<unknown>, scope: Scope | undefined): void {
    if (responses !== undefined && responses !== null) {
      return sink.attach(responses, 'a streaming handler must return an iterable of responses, or nothing', scope)
    }
    this.#settle()
    this.#stream.sendEnd()
  }

  /** The code of the handler has ended with an error. */
  #fail(error: unknown): void {
    this.onLate(error)
    this.#settle()
    this.#sendError(error)
  }

  /** The call ends with an error. The code of the handler may still be running. */
  #sendError(error: unknown): void {
    if (this.#stream.state === 'closed') return
    const { counter } = this.#stream.port
    counter.countError(this.#stream, readCode(error))
    const isRefusal = this.#around?.isRefusal === true
    if (isRefusal) counter.onRejected(this.#stream, error)
    const payload = encodeRemoteError(error, isRefusal)
    this.#around?.refused(error)
    this.#stream.sendMessage(payload, Flag.end | Flag.error)
  }

  #settle(): void {
    if (this.#state === 'settled') return
    if (this.#around !== undefined && this.#runsOn(this.#around)) return
    this.#state = 'settled'
    this.#context.end()
    this.#port.onHandlerSettled()
  }

  /** Whether the handler still runs behind interceptors that have answered. Apart, for its closure would cost each call. */
  #runsOn(around: AroundHandler): boolean {
    return around.isRunning(() => this.#settle())
  }
}
