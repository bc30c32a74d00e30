/**
 * The spans of the calls of this process, and the durations of those that have ended.
 *
 * What it calls (samplers, exporters, functions of the user) may throw: a subscriber of a channel that throws ends the
 * process, so that is told to the `diag` of OpenTelemetry instead, and the call goes on.
 */

import {
  type Attributes,
  type Context,
  context,
  defaultTextMapSetter,
  diag,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  type Tracer,
  trace
} from '@opentelemetry/api'
import type { CallMessage, CallOutcome } from '../../index.ts'
import { Durations } from './durations.ts'
import { methodOf, otherName, setPlace, system } from './names.ts'
import type { InstrumentOptions } from './options.ts'

/** Metadata is what a peer has sent: any plain value. */
const getter: TextMapGetter<CallMessage['metadata']> = {
  keys: (metadata) => Object.keys(metadata),
  get(metadata, key) {
    const value = metadata[key]
    return typeof value === 'string' ? value : undefined
  }
}

type Traced = CallMessage & Record<symbol, Span | undefined>

export class Tracing {
  readonly #options: InstrumentOptions
  readonly #durations: Durations
  readonly #tracer: Tracer
  readonly #onIdle: () => void
  /**
   * Of the calls that run; none for one that is ignored. They are kept with their message: V8 keeps what the outgrown tables of
   * a `Map` point to, so that each call would grow old.
   */
  readonly #key = Symbol('span of a call')
  /** The same, where another subscriber has frozen the message. */
  readonly #ofFrozen = new Map<CallMessage, Span>()
  #running = 0
  #isStopped = false

  /** @param onIdle it is stopped, and no call runs any more */
  constructor(options: InstrumentOptions, onIdle: () => void) {
    this.#options = options
    this.#durations = new Durations(options.meterProvider)
    const { tracerProvider = trace } = options
    this.#tracer = tracerProvider.getTracer(system)
    this.#onIdle = onIdle
  }

  /** No call starts any more. */
  stop(): void {
    this.#isStopped = true
    if (this.#running === 0) this.#onIdle()
  }

  readonly onCall = guarded((message) => {
    if (this.#options.ignore?.(message) === true) return
    const active = context.active()
    const span = this.#start(message, SpanKind.CLIENT, message.host, active)
    const { propagator = propagation } = this.#options
    propagator.inject(below(active, span), message.metadata, defaultTextMapSetter)
  })

  readonly onHandle = guarded((message) => {
    if (this.#options.ignore?.(message) === true) return
    const { propagator = propagation } = this.#options
    const sent = propagator.extract(ROOT_CONTEXT, message.metadata, getter)
    const own = below(sent, this.#start(message, SpanKind.SERVER, message.local, sent))
    const { run } = message
    message.run = (fn) => context.with(own, run === undefined ? fn : () => run(fn))
  })

  readonly onEnd = guarded((message) => {
    const span = this.#take(message)
    if (span === undefined) return
    try {
      const { outcome } = message
      // Of a message that another subscriber has frozen nothing more is known.
      if (outcome === undefined) return
      const hasFailed = isError(message, outcome)
      this.#durations.record(message, outcome, hasFailed)
      if (span.isRecording()) describeEnd(span, message, outcome, hasFailed)
    } finally {
      span.end()
      if (this.#isStopped && this.#running === 0) this.#onIdle()
    }
  })

  #start(message: CallMessage, kind: SpanKind, server: string, parent: Context): Span {
    const method = methodOf(message)
    const attributes: Attributes = { 'rpc.system.name': system, 'rpc.method': method }
    setPlace(attributes, server)
    const more = this.#options.attributes?.(message)
    if (more !== undefined) Object.assign(attributes, more)
    const span = this.#tracer.startSpan(method, { kind, attributes }, parent)
    this.#keep(message, span)
    return span
  }

  #keep(message: CallMessage, span: Span): void {
    this.#running++
    if (Object.isExtensible(message)) (message as Traced)[this.#key] = span
    else this.#ofFrozen.set(message, span)
  }

  #take(message: CallMessage): Span | undefined {
    const span = (message as Traced)[this.#key] ?? this.#ofFrozen.get(message)
    if (span === undefined) return undefined
    this.#ofFrozen.delete(message)
    this.#running--
    return span
  }
}

/** The context of a span. Below a trace that is not sampled nobody will see the span, so that is the context of the trace. */
function below(parent: Context, span: Span): Context {
  const sampling = trace.getSpanContext(parent)?.traceFlags
  const isSeen = span.isRecording() || sampling !== span.spanContext().traceFlags
  return isSeen ? trace.setSpan(parent, span) : parent
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
  if (code === 'ERR_UNKNOWN_HANDLER') {
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
