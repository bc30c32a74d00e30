/**
 * The answering end of a call: decodes the payload, runs the handler, sends what it gives.
 *
 * Whatever a handler does (throw, reject, yield what cannot be encoded) becomes a remote error of this call and
 * nothing else. Knows streams, not sessions or hosts.
 */

import { CancelledError, DeadlineError, MessageTooLargeError } from '../base/errors.ts'
import type { Remote } from '../base/remote.ts'
import { checkedPayload, decodeError } from '../codec/payload.ts'
import { encodeRemoteError } from '../codec/remote-error.ts'
import type { Receiver, StreamLimits, StreamOwner } from '../stream/port.ts'
import { isPromise } from '../stream/producer.ts'
import { Sink } from '../stream/sink.ts'
import { Source } from '../stream/source.ts'
import type { Stream } from '../stream/stream.ts'
import { ReceiveWindow, SendWindow } from '../stream/window.ts'
import { Flag, ResetCode } from '../wire/frame.ts'
import { CallContext } from './context.ts'
import type { SingleDefinition, StreamingDefinition } from './definition.ts'
import type { Requests, Responses, SingleHandler, StreamingHandler } from './handler.ts'
import type { LocalHandler } from './table.ts'

/** What the answering end needs of its session. */
export interface ResponderPort {
  readonly remote: Remote
  readonly limits: StreamLimits
  /** The handler's code has ended, for better or worse; called once per call. */
  onHandlerSettled(): void
}

export class Responder implements Receiver, StreamOwner {
  readonly #stream: Stream
  readonly #handler: LocalHandler
  readonly #port: ResponderPort
  readonly #metadata: Uint8Array | undefined
  #context: CallContext | undefined
  /** No handler runs: it has not started, or it has settled. */
  #settled = false

  constructor(stream: Stream, handler: LocalHandler, port: ResponderPort, metadata: Uint8Array | undefined) {
    this.#stream = stream
    this.#handler = handler
    this.#port = port
    this.#metadata = metadata
  }

  get readsInPlace(): boolean {
    const { definition } = this.#handler
    return (definition.kind === 'single' ? definition.request : definition.payload).readsInPlace === true
  }

  onMessage(payload: Uint8Array, isLast: boolean): void {
    const { definition, entry, fn } = this.#handler
    this.#context = new CallContext(this.#port.remote, entry, this.#stream.deadlineMs, this.#metadata)
    if (definition.kind === 'single') {
      this.#runSingle(definition, fn as SingleHandler<unknown, unknown>, payload, this.#context)
    } else {
      const requests = this.#openRequests(definition, isLast)
      const run = fn as StreamingHandler<unknown, unknown, unknown>
      this.#runStreaming(definition, run, payload, requests, this.#context)
    }
  }

  onEnd(): void {}

  onRemoteError(): void {}

  onAbort(): void {}

  onClosed(reason: unknown): void {
    if (this.#context === undefined) this.#settle()
    else if (!this.#settled) this.#context.abort(reason ?? new CancelledError('the call is over'))
  }

  onDeadline(): void {
    this.#stream.abort(new DeadlineError('the deadline of the call has passed'), ResetCode.deadline, '')
  }

  #runSingle(
    definition: SingleDefinition<unknown, unknown>,
    fn: SingleHandler<unknown, unknown>,
    payload: Uint8Array,
    context: CallContext
  ): void {
    try {
      const result = fn(decodePayload(definition.request, payload), context)
      if (isPromise(result)) {
        result.then(
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
    if (this.#stream.state === 'closed') return this.#settle()
    let payload: Uint8Array
    try {
      payload = this.#checked(definition.response.encode(value))
    } catch (error) {
      return this.#fail(error)
    }
    this.#settle()
    this.#stream.sendMessage(payload, Flag.end)
  }

  /** The requests that a handler takes; `ended` where its caller has none. */
  #openRequests({ inCapacity, request }: StreamingDefinition<unknown, unknown, unknown>, ended: boolean) {
    const stream = this.#stream
    const { receiveWindowBytes, maxMessageBytes } = this.#port.limits
    stream.receiveWindow = new ReceiveWindow(inCapacity, receiveWindowBytes, maxMessageBytes)
    if (inCapacity === 0) return null
    const requests = new Source(request)
    requests.bind(stream)
    requests.onStopped = (error) => (error === undefined ? stream.stopRequests() : this.#sendError(error))
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
      return this.#checked(definition.response.encode(value))
    })
    sink.onFailed = (error, ended) => (ended ? this.#fail(error) : this.#sendError(error))
    sink.onSettled = () => this.#settle()
    stream.sendWindow = window
    stream.sink = sink
    try {
      const result = fn(decodePayload(definition.payload, payload), requests as Requests<unknown>, context)
      if (isPromise<Responses<unknown>>(result)) {
        result.then(
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
    if (responses === undefined || responses === null) {
      this.#settle()
      this.#stream.sendEnd()
    } else if (typeof responses !== 'object' || ArrayBuffer.isView(responses) || !isIterable(responses)) {
      this.#fail(new TypeError('the handler returned neither an iterable of responses nor nothing'))
    } else {
      sink.attach(responses)
    }
  }

  /** The handler's code has ended with an error. */
  #fail(error: unknown): void {
    this.#settle()
    this.#sendError(error)
  }

  /** The call ends with an error; the handler may not know it yet. */
  #sendError(error: unknown): void {
    const stream = this.#stream
    if (stream.state === 'closed') return
    stream.sendMessage(encodeRemoteError(error), Flag.end | Flag.error)
  }

  #checked(payload: Uint8Array): Uint8Array {
    const { maxSendBytes } = this.#port.limits
    if (checkedPayload(payload).length <= maxSendBytes) return payload
    throw new MessageTooLargeError(`a response of ${payload.length} bytes; the caller accepts ${maxSendBytes}`)
  }

  #settle(): void {
    if (this.#settled) return
    this.#settled = true
    this.#port.onHandlerSettled()
  }
}

function decodePayload(codec: { decode(bytes: Uint8Array): unknown }, payload: Uint8Array): unknown {
  try {
    return codec.decode(payload)
  } catch (thrown) {
    throw decodeError('the payload', thrown)
  }
}

function isIterable(value: object): boolean {
  return Symbol.asyncIterator in value || Symbol.iterator in value
}
