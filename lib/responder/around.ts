/**
 * What stands around one call at its handler: the interceptors, and the tracing channel outside of them.
 *
 * The responder runs the call through this in the place of the handler function, where there is any of the two.
 */

import { isPromise, settled, whenSettled } from '../base/promise.ts'
import type { Scope } from '../base/scope.ts'
import { decodePayload } from '../codec/payload.ts'
import { anObject, type Kind as Check, optionsReader } from '../errors/check.ts'
import { InvalidOptionError } from '../errors/errors.ts'
import type { Failure } from '../errors/failure.ts'
import type { AnyDefinition } from '../handler/definition.ts'
import type { Requests, SingleHandler, StreamingHandler } from '../handler/handler.ts'
import type { LocalHandler } from '../handler/table.ts'
import type { HandlerCall, Kind } from '../hooks/call-info.ts'
import { Chain, type ChainRules } from '../hooks/chain.ts'
import { channels, isObserved, Trace } from '../hooks/channels.ts'
import type { Gate } from '../hooks/gate.ts'
import type { Hooks } from '../hooks/hooks.ts'
import type { HandlerInterceptor, NoChanges, StreamingPart } from '../hooks/interceptor.ts'
import { Relay } from '../hooks/relay.ts'
import type { Stream } from '../stream/stream.ts'
import type { CallContext } from './context.ts'

/** What a streaming handler gave, or the interceptors in its place. */
export interface Given {
  /** An iterable, nothing, or a promise of either. */
  readonly responses: unknown
  /** Where they are pulled; undefined for where they are handed over. */
  readonly scope: Scope | undefined
}

interface LateOwner {
  onLate(error: unknown): void
}

export class AroundHandler implements ChainRules<Call> {
  readonly repeats = false
  /** With codecs that count, where the call is published and a stream. */
  readonly definition: AnyDefinition
  readonly #handler: LocalHandler
  readonly #payload: Uint8Array
  readonly #context: CallContext
  readonly #owner: LateOwner
  readonly #chain: Chain<Call, NoChanges> | undefined
  readonly #trace: Trace | undefined
  #isReached = false
  /** The handler has given a promise, which has not settled. */
  #isAwaited = false
  #onIdle: (() => void) | undefined
  /** What it was answered with, where that is an error. */
  #failure: Failure | undefined
  #relay: Relay | undefined

  /** @param owner hears of what is thrown when the messages of a stream are not wanted any more */
  constructor(
    hooks: Hooks<HandlerInterceptor>,
    handler: LocalHandler,
    payload: Uint8Array,
    context: CallContext,
    owner: LateOwner
  ) {
    const { interceptors, local } = hooks
    this.#handler = handler
    this.#trace = isObserved(channels.handle) ? createTrace(context, local, payload) : undefined
    this.definition = this.#trace === undefined ? handler.definition : counted(handler.definition, this.#trace)
    this.#payload = payload
    this.#context = context
    this.#owner = owner
    this.#chain = interceptors === undefined ? undefined : new Chain(interceptors, this)
  }

  /** Runs `fn`, which runs the handler, as the published call. */
  run(fn: () => void): void {
    if (this.#trace === undefined) fn()
    else this.#trace.run(fn)
  }

  /** What the interceptors threw is a refusal: the handler has not run, and will not. */
  get isRefusal(): boolean {
    return this.#chain !== undefined && !this.#isReached
  }

  /** Code of the handler still runs, although it was answered for. Then `onIdle` is called when it has ended. */
  isRunning(onIdle: () => void): boolean {
    this.#onIdle = onIdle
    return this.#isAwaited || this.#relay?.isRunning(onIdle) === true
  }

  /** The response, or a promise of it. */
  runSingle(): unknown {
    if (this.#chain === undefined) {
      return (this.#handler.fn as SingleHandler<unknown, unknown>)(this.#decode(), this.#context)
    }
    return this.#chain.single(this.#createCall(null), (call) => settled(this.#awaited(this.#runHandler(call))))
  }

  runStreaming(requests: Requests<unknown> | null): Given {
    if (this.#chain === undefined) {
      const run = this.#handler.fn as StreamingHandler<unknown, unknown, unknown>
      return { responses: run(this.#decode(), requests as Requests<unknown>, this.#context), scope: undefined }
    }
    const outermost = this.#chain.streaming(this.#createCall(requests), (call, above) => this.#open(call, above))
    const isUnchanged = outermost === this.#relay && !outermost.isTouched
    if (!isUnchanged) return { responses: outermost, scope: undefined }
    return { responses: outermost.handOver(), scope: outermost.scope }
  }

  /** The call has its answer, of so many bytes: the handler cannot be reached any more. */
  answered(bytes: number): void {
    this.#trace?.countSent(bytes)
    this.#chain?.end(undefined)
  }

  /** The same, where the answer is an error. */
  refused(reason: unknown): void {
    this.#failure = { reason }
    this.#chain?.end(undefined)
  }

  /** The call is over, whose stream this was. */
  finish(failure: Failure | undefined, stream: Stream): void {
    this.#chain?.end(failure)
    if (this.definition.kind === 'streaming') this.#trace?.noteArrived(stream)
    this.#trace?.finish(this.#failure ?? failure, false)
  }

  /** For `Chain`, as the next one. */
  onLate(error: unknown): void {
    this.#owner.onLate(error)
  }

  change(call: Call, changes: object): Call {
    const { requests } = readChanges(changes as Changes)
    return requests === undefined ? call : call.with(requests)
  }

  #open(call: Call, above: Gate | undefined): Relay {
    let result: unknown
    try {
      result = this.#awaited(this.#runHandler(call))
    } catch (error) {
      result = Promise.reject(error)
    }
    this.#relay = new Relay(result, above)
    return this.#relay
  }

  #createCall(requests: Requests<unknown> | null): Call {
    return new Call(this.#context, () => this.#decode(), requests)
  }

  #runHandler(call: Call): unknown {
    this.#isReached = true
    const { fn, definition } = this.#handler
    if (definition.kind === 'single') return (fn as SingleHandler<unknown, unknown>)(call.payload, call.context)
    const run = fn as StreamingHandler<unknown, unknown, unknown>
    return run(call.payload, toRequests(call) as Requests<unknown>, call.context)
  }

  #awaited(result: unknown): unknown {
    if (!isPromise(result)) return result
    this.#isAwaited = true
    const idle = () => {
      this.#isAwaited = false
      this.#onIdle?.()
    }
    const promise = settled(result)
    whenSettled(promise, idle, idle)
    return promise
  }

  #decode(): unknown {
    const { definition } = this
    const codec = definition.kind === 'single' ? definition.request : definition.payload
    return decodePayload(codec, this.#payload, 'the payload')
  }
}

type Changes = NoChanges & { readonly requests?: AsyncIterable<unknown> }

const ofCallers: Check = {
  must: "is for interceptors of callers: a handler's changes nothing of the call",
  is: () => false
}

const readChanges = optionsReader<Changes>('next()', {
  ...{ metadata: ofCallers, timeout: ofCallers, signal: ofCallers },
  requests: anObject
})

/** The call as interceptors see it: the context, its payload, its requests. */
class Call implements HandlerCall, StreamingPart {
  readonly side = 'handler'
  readonly requests: AsyncIterable<unknown> | null
  readonly context: CallContext
  /** Those that came with the call. */
  readonly original: Requests<unknown> | null
  readonly #decode: () => unknown
  #payload: { readonly value: unknown } | undefined

  constructor(
    context: CallContext,
    decode: () => unknown,
    original: Requests<unknown> | null,
    requests: AsyncIterable<unknown> | null = original
  ) {
    this.context = context
    this.original = original
    this.requests = requests
    this.#decode = decode
  }

  get payload(): unknown {
    this.#payload ??= { value: this.#decode() }
    return this.#payload.value
  }

  get kind(): Kind {
    return this.context.kind
  }

  get handler(): string {
    return this.context.handler
  }

  get subroute(): string {
    return this.context.subroute
  }

  get host(): string {
    return this.context.host
  }

  get instance(): string {
    return this.context.instance
  }

  get remote(): CallContext['remote'] {
    return this.context.remote
  }

  get deadline(): number | undefined {
    return this.context.deadline
  }

  get metadata(): CallContext['metadata'] {
    return this.context.metadata
  }

  get signal(): AbortSignal {
    return this.context.signal
  }

  get draining(): AbortSignal {
    return this.context.draining
  }

  /** The same call with other requests. */
  with(requests: AsyncIterable<unknown>): Call {
    if (this.requests === null) throw new InvalidOptionError('next() was given requests, but the handler takes none')
    return new Call(this.context, () => this.payload, this.original, requests)
  }
}

/** Those that came with the call as they are; others as the handler expects them. */
function toRequests({ requests, original }: Call): AsyncIterable<unknown> | null {
  return requests === original ? requests : new Relay(requests, undefined)
}

function createTrace(context: CallContext, local: string, payload: Uint8Array): Trace {
  const trace = new Trace(channels.handle, context, local, readMetadata(context))
  trace.attempts = 1
  trace.bytesIn = payload.length
  if (context.kind === 'single') trace.messagesIn = 1
  return trace
}

/** A copy, for whoever subscribes. */
function readMetadata(context: CallContext): Trace['message']['metadata'] {
  try {
    return { ...context.metadata }
  } catch {
    // The caller sent what is none. The handler that asks for it fails by that.
    return {}
  }
}

/** Of a request the one message each way is known. */
function counted(definition: AnyDefinition, trace: Trace): AnyDefinition {
  if (definition.kind === 'single') return definition
  const { request, response } = definition
  return { ...definition, request: trace.countIn(request), response: trace.countOut(response) }
}
