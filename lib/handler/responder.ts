/**
 * The answering end of a call: decodes the payload, runs the handler, sends its responses.
 *
 * A handler that fails in any way (throws, rejects, yields what cannot be encoded) gives its caller a remote error and
 * affects nothing else. Knows streams, not sessions or hosts.
 */

import { types } from 'node:util'
import { CancelledError, CodecError, DeadlineError, RejectedError } from '../base/errors.ts'
import type { Failure } from '../base/failure.ts'
import type { Figures } from '../base/figures.ts'
import { isPromise, shieldWithin, whenSettled } from '../base/promise.ts'
import { captureScope } from '../base/scope.ts'
import { releaseStream } from '../base/stream-source.ts'
import { readsInPlace } from '../codec/codec.ts'
import { checkSize, decodePayload, encodeMessage, encodePayload } from '../codec/payload.ts'
import { encodeRemoteError, readCode } from '../codec/remote-error.ts'
import type { Receiver, StreamLimits, StreamOwner } from '../stream/port.ts'
import { Sink } from '../stream/sink.ts'
import { Source } from '../stream/source.ts'
import type { Stream } from '../stream/stream.ts'
import { ReceiveWindow, SendWindow } from '../stream/window.ts'
import { Flag, ResetCode } from '../wire/frame.ts'
import { CallContext, type ContextPort } from './context.ts'
import type { SingleDefinition, StreamingDefinition } from './definition.ts'
import type { Requests, Responses, SingleHandler, StreamingHandler } from './handler.ts'
import { isBadResponse, isMistake } from './mistakes.ts'
import { notReadyText, type Serving } from './serving.ts'
import type { LocalHandler } from './table.ts'

/** What the answering end needs from its session. */
export interface ResponderPort extends ContextPort {
  /** Holds calls back; undefined where none ever is. */
  readonly serving: Serving | undefined
  readonly limits: StreamLimits
  /** The handler failed by what it did not mean to throw. */
  onMistake(handler: LocalHandler, error: unknown): void
  /** The code of the handler has ended, with or without an error. Called once per call. */
  onHandlerSettled(): void
}

const generatorText = 'the value cannot be encoded: response is a generator: use streaming()'

export class Responder implements Receiver, StreamOwner {
  readonly #stream: Stream
  readonly #handler: LocalHandler
  readonly #port: ResponderPort
  readonly #metadata: Uint8Array | undefined
  #context: CallContext | undefined
  /** The async context of the handler: what it and all that it starts run in. */
  readonly #scope = captureScope()
  /** The handler has settled, or it will not start. */
  #settled = false

  constructor(stream: Stream, handler: LocalHandler, port: ResponderPort, metadata: Uint8Array | undefined) {
    this.#stream = stream
    this.#handler = handler
    this.#port = port
    this.#metadata = metadata
  }

  get figures(): Figures | undefined {
    return this.#handler.figures
  }

  get readsInPlace(): boolean {
    const { definition } = this.#handler
    const { serving } = this.#port
    // What is held back must be a copy.
    if (serving !== undefined && !serving.isOpen) return false
    return readsInPlace(definition.kind === 'single' ? definition.request : definition.payload)
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
      refuse: () => this.#stream.abort(new RejectedError('busy', notReadyText), ResetCode.busy, notReadyText)
    })
  }

  #start(payload: Uint8Array, requests: Source<unknown> | null): void {
    const { definition, entry, fn } = this.#handler
    this.#context = new CallContext(this.#port, entry, this.#stream, this.#metadata)
    if (definition.kind === 'single') {
      const run = fn as SingleHandler<unknown, unknown>
      this.#runSingle(definition, run, payload, this.#context)
    } else {
      const run = fn as StreamingHandler<unknown, unknown, unknown>
      this.#runStreaming(definition, run, payload, requests, this.#context)
    }
  }

  onEnd(): void {}

  onRemoteError(): void {}

  onAbort(): void {}

  onClosed(failure: Failure | undefined): void {
    if (this.#context === undefined) {
      this.#port.serving?.forget(this)
      return this.#settle()
    }
    if (this.#settled) return
    const reason = failure === undefined ? new CancelledError('the call has ended') : failure.reason
    this.#scope.runInAsyncScope(this.#context.abort, this.#context, reason)
  }

  onDeadline(timeoutMs: number): void {
    const text = `the deadline of the call has passed: it had ${Math.round(timeoutMs)} ms when it arrived`
    this.#stream.abort(new DeadlineError(text), ResetCode.deadline, '')
  }

  #runSingle(
    definition: SingleDefinition<unknown, unknown>,
    fn: SingleHandler<unknown, unknown>,
    payload: Uint8Array,
    context: CallContext
  ): void {
    try {
      const result = fn(decodePayload(definition.request, payload, 'the payload'), context)
      if (isPromise(result)) {
        whenSettled(
          result,
          (value) => this.#reply(definition, value),
          (error) => this.#fail(error)
        )
      } else {
        this.#reply(definition, result)
      }
    } catch (error) {
      this.#fail(error)
    }
  }

  #reply(definition: SingleDefinition<unknown, unknown>, value: unknown): void {
    if (this.#stream.state === 'closed') {
      releaseStream(value)
      shieldWithin(value)
      return this.#settle()
    }
    let payload: Uint8Array
    let bytes: number
    try {
      if (types.isGeneratorObject(value)) throw new CodecError(generatorText)
      payload = encodePayload(definition.response, value, 'response')
      bytes = checkSize(payload, this.#port.limits)
    } catch (error) {
      releaseStream(value)
      if (isBadResponse(error)) this.#port.onMistake(this.#handler, error)
      return this.#fail(error)
    }
    this.#settle()
    this.#stream.sendMessage(payload, Flag.end, bytes)
  }

  /** The requests for the handler, or null when it takes none; `ended` when the caller has sent all. */
  #openRequests({ inCapacity, request }: StreamingDefinition<unknown, unknown, unknown>, ended: boolean) {
    const stream = this.#stream
    const { receiveWindowBytes, maxMessageBytes } = this.#port.limits
    stream.receiveWindow = new ReceiveWindow(inCapacity, receiveWindowBytes, maxMessageBytes)
    if (inCapacity === 0) return null
    const requests = new Source(request)
    requests.bind(stream)
    requests.onStopped = () => stream.stopRequests()
    requests.onUndecodable = (error) => this.#sendError(error)
    stream.receiver = requests
    if (ended) requests.onEnd()
    return requests
  }

  #runStreaming(
    definition: StreamingDefinition<unknown, unknown, unknown>,
    fn: StreamingHandler<unknown, unknown, unknown>,
    payload: Uint8Array,
    requests: Source<unknown> | null,
    context: CallContext
  ): void {
    const stream = this.#stream
    const { outCapacity } = definition
    // A handler without responses is still pulled once, for its end.
    const window = new SendWindow(Math.max(outCapacity, 1), this.#port.limits.sendWindowBytes)
    const sink = new Sink<unknown>(stream, window, (value) => {
      if (outCapacity === 0) throw new TypeError('the handler yielded a response, but its outCapacity is 0')
      return encodeMessage(definition.response, value, 'response', this.#port.limits)
    })
    sink.onFailed = (error, ended) => {
      if (ended) return this.#fail(error)
      if (isBadResponse(error) || isMistake(error)) this.#port.onMistake(this.#handler, error)
      this.#sendError(error)
    }
    sink.onSettled = (failure) => {
      if (failure !== undefined && isMistake(failure.reason)) this.#port.onMistake(this.#handler, failure.reason)
    }
    sink.onReleased = () => this.#settle()
    stream.sendWindow = window
    stream.sink = sink
    try {
      const result = fn(
        decodePayload(definition.payload, payload, 'the payload'),
        requests as Requests<unknown>,
        context
      )
      if (isPromise<Responses<unknown>>(result)) {
        whenSettled(
          result,
          (responses) => this.#respond(sink, responses),
          (error) => this.#fail(error)
        )
      } else {
        this.#respond(sink, result)
      }
    } catch (error) {
      this.#fail(error)
    }
  }

  #respond(sink: Sink<unknown>, responses: Responses<unknown>): void {
    if (responses !== undefined && responses !== null) {
      return sink.attach(responses, 'a streaming handler must return an iterable of responses, or nothing')
    }
    this.#settle()
    this.#stream.sendEnd()
  }

  /** The code of the handler has ended with an error. */
  #fail(error: unknown): void {
    if (isMistake(error)) this.#port.onMistake(this.#handler, error)
    this.#settle()
    this.#sendError(error)
  }

  /** The call ends with an error. The code of the handler may still be running. */
  #sendError(error: unknown): void {
    const stream = this.#stream
    if (stream.state === 'closed') return
    stream.port.counter.countError(stream, readCode(error))
    stream.sendMessage(encodeRemoteError(error), Flag.end | Flag.error)
  }

  #settle(): void {
    if (this.#settled) return
    this.#settled = true
    this.#context?.end()
    this.#port.onHandlerSettled()
  }
}
