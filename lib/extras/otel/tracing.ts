/**
 * The spans of the calls of this process, and the durations of those that have ended.
 *
 * What it calls (samplers, exporters, functions of the user) may throw: a subscriber of a channel that throws ends the
 * process, so that is told to the `diag` of OpenTelemetry instead, and the call goes on.
 */

import {
  type Context,
  context,
  diag,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  TraceFlags,
  type Tracer,
  type TracerProvider,
  trace
} from '@opentelemetry/api'
import type { CallMessage, CallOutcome } from '../../index.ts'
import { Described, Descriptions } from './described.ts'
import { Durations } from './durations.ts'
import { Layer, root } from './layer.ts'
import { methodOf, otherName, system, unknownHandler, version } from './names.ts'
import type { InstrumentOptions } from './options.ts'
import { Setter } from './setter.ts'

/** Metadata is what a peer has sent: any plain value. */
const getter: TextMapGetter<CallMessage['metadata']> = {
  keys: (metadata) => Object.keys(metadata),
  get(metadata, key) {
    const value = metadata[key]
    return typeof value === 'string' ? value : undefined
  }
}

/** What is kept of a call that runs: its span, where that records anything; else what is said of it, where it is measured. */
type Kept = Span | Described
type Traced = CallMessage & Record<symbol, Kept | undefined>

export class Tracing {
  readonly #options: InstrumentOptions
  readonly #durations: Durations
  readonly #descriptions = { caller: new Descriptions('caller'), handler: new Descriptions('handler') }
  readonly #setter = new Setter()
  readonly #provider: TracerProvider
  readonly #onIdle: () => void
  /** Undefined where there is none so far. */
  #tracer: Tracer | undefined
  /**
   * Of the calls that run; none for one that is ignored. They are kept with their message: V8 keeps what the outgrown tables of
   * a `Map` point to, so that each call would grow old.
   */
  readonly #key = Symbol('what is kept of a call')
  /** The same, where another subscriber has frozen the message. */
  readonly #ofFrozen = new Map<CallMessage, Kept>()
  #running = 0
  #isStopped = false

  /** @param onIdle it is stopped, and no call runs any more */
  constructor(options: InstrumentOptions, onIdle: () => void) {
    this.#options = options
    this.#durations = new Durations(options.meterProvider)
    this.#provider = options.tracerProvider ?? trace.getTracerProvider()
    this.#onIdle = onIdle
  }

  /** No call starts any more. */
  stop(): void {
    this.#isStopped = true
    if (this.#running === 0) this.#onIdle()
  }

  readonly onCall = guarded((message) => {
    if (this.#options.ignore?.(message) === true) return
    const own = this.#start(message, SpanKind.CLIENT, message.host, context.active())
    const { propagator = propagation } = this.#options
    propagator.inject(own, message.metadata, this.#setter.of(message.metadata))
  })

  readonly onHandle = guarded((message) => {
    if (this.#options.ignore?.(message) === true) return
    const { propagator = propagation } = this.#options
    const sent = propagator.extract(root, message.metadata, getter)
    const own = this.#start(message, SpanKind.SERVER, message.local, sent)
    // It is in no context then, as without us.
    if (own === root) return
    const { run } = message
    message.run = (fn) => context.with(own, run === undefined ? fn : () => run(fn))
  })

  readonly onEnd = guarded((message) => {
    const kept = this.#take(message)
    if (kept === undefined) return
    const span = kept instanceof Described ? undefined : kept
    try {
      const { side, outcome } = message
      // Of a message that another subscriber has frozen nothing more is known.
      if (outcome === undefined) return
      const hasFailed = isError(message, outcome)
      const described = kept instanceof Described ? kept : this.#describe(message)
      this.#durations.record(side, described, outcome, hasFailed)
      if (span !== undefined) describeEnd(span, message, outcome, hasFailed)
    } finally {
      span?.end()
      if (this.#isStopped && this.#running === 0) this.#onIdle()
    }
  })

  /** Starts the span of a call, if it has one, and returns the context of the call. */
  #start(message: CallMessage, kind: SpanKind, server: string, parent: Context): Context {
    const described = this.#descriptions[message.side].of(server, message)
    const isMeasured = this.#durations.areTaken
    const span = this.#follows(parent) ? undefined : this.#startSpan(message, kind, described, parent)
    if (span?.isRecording() === true) this.#keep(message, span)
    else if (isMeasured) this.#keep(message, described)
    return span === undefined ? parent : below(parent, span)
  }

  #startSpan(message: CallMessage, kind: SpanKind, described: Described, parent: Context): Span | undefined {
    this.#tracer ??= tracerOf(this.#provider)
    if (this.#tracer === undefined) return undefined
    const attributes = { ...described.atStart, ...this.#options.attributes?.(message) }
    return this.#tracer.startSpan(described.method, { kind, attributes }, parent)
  }

  /** Whether the sampler of the trace has decided. A span that records although it is not sampled has one that does so. */
  #follows(parent: Context): boolean {
    if (this.#options.followUnsampled !== true) return false
    const span = trace.getSpan(parent)
    if (span === undefined || span.isRecording()) return false
    const spanContext = span.spanContext()
    return trace.isSpanContextValid(spanContext) && (spanContext.traceFlags & TraceFlags.SAMPLED) === 0
  }

  #describe(message: CallMessage): Described {
    const { side, host, local } = message
    return this.#descriptions[side].of(side === 'caller' ? host : local, message)
  }

  #keep(message: CallMessage, kept: Kept): void {
    this.#running++
    if (Object.isExtensible(message)) (message as Traced)[this.#key] = kept
    else this.#ofFrozen.set(message, kept)
  }

  #take(message: CallMessage): Kept | undefined {
    const kept = (message as Traced)[this.#key] ?? this.#ofFrozen.get(message)
    if (kept === undefined) return undefined
    this.#ofFrozen.delete(message)
    this.#running--
    return kept
  }
}

/** The tracer of the SDK; undefined where the global provider still waits for one. */
function tracerOf(provider: TracerProvider): Tracer | undefined {
  const { getDelegateTracer } = provider as { getDelegateTracer?(name: string, version: string): Tracer | undefined }
  if (getDelegateTracer === undefined) return provider.getTracer(system, version)
  return getDelegateTracer.call(provider, system, version)
}

/** The context of a span. Below a trace that is not sampled nobody will see the span, so that is the context of the trace. */
function below(parent: Context, span: Span): Context {
  const sampling = trace.getSpanContext(parent)?.traceFlags
  const isSeen = span.isRecording() || sampling !== span.spanContext().traceFlags
  return isSeen ? trace.setSpan(Layer.over(parent), span) : parent
}

/** A caller that does not want the answer any more is no error of the handler. */
function isError({ side }: CallMessage, { code }: CallOutcome): boolean {
  return code !== 'OK' && !(side === 'handler' && code === 'ERR_CANCELLED')
}

function describeEnd(span: Span, message: CallMessage, outcome: CallOutcome, hasFailed: boolean): void {
  const { code, delivery, attempts } = outcome
  span.setAttribute('rpc.status_code', code)
  if (attempts > 1) span.setAttribute('it_grid.attempts', attempts)
  if (message.kind === 'streaming') {
    span.setAttributes({ 'it_grid.messages_in': outcome.messagesIn, 'it_grid.messages_out': outcome.messagesOut })
  }
  if (code === unknownHandler) {
    span.setAttributes({ 'rpc.method': otherName, 'rpc.method_original': methodOf(message) }).updateName(system)
  }
  if (!hasFailed) return
  span.setAttribute('error.type', code)
  if (delivery !== undefined) span.setAttribute('it_grid.delivery', delivery)
  const text = (message.error as { readonly message?: unknown } | undefined)?.message
  span.setStatus({ code: SpanStatusCode.ERROR, message: typeof text === 'string' ? text : undefined })
}

function guarded(fn: (message: CallMessage) => void): (message: unknown) => void {
  return (message) => {
    try {
      fn(message as CallMessage)
    } catch (error) {
      diag.error('it-grid/otel: a call was not traced', error)
    }
  }
}
