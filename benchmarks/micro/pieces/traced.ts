/**
 * What it costs a request to be traced or measured by OpenTelemetry: with a trace that is sampled, that is not, or that the
 * sampler drops at each call. Beside them are a plain one, one in a process with an async context that is used, as that of any
 * tracer is, and the same done by hand with nothing of ours but metadata.
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Context,
  context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  metrics,
  propagation,
  type Span,
  SpanKind,
  trace
} from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler
} from '@opentelemetry/sdk-trace-base'
import type { InstrumentOptions } from '../../../lib/extras/otel/index.ts'
import type { HandlerContext } from '../../../lib/index.ts'
import type { Library } from '../../harness/library.ts'
import { type Piece, piece, type Run } from '../../harness/pieces/piece.ts'
import { bytesRequests, requestsOf } from './calls.ts'

/** It takes what it is given, and sends it nowhere. */
class NoReader extends MetricReader {
  protected async onForceFlush(): Promise<void> {}
  protected async onShutdown(): Promise<void> {}
}

const noExporter = {
  export: (_spans: unknown, done: (result: { code: number }) => void) => done({ code: 0 }),
  shutdown: async () => {}
}

interface Sdk {
  /** Of traces that begin here; undefined for no tracer at all. */
  readonly root?: Sampler
  readonly meters?: boolean
}

/** Runs within an SDK, which is gone afterwards: the pieces that follow in the same process are to have none. */
async function within({ root, meters }: Sdk, run: () => Promise<void>): Promise<void> {
  const spanProcessors = [new BatchSpanProcessor(noExporter)]
  if (root !== undefined) {
    trace.setGlobalTracerProvider(
      new BasicTracerProvider({ sampler: new ParentBasedSampler({ root }), spanProcessors })
    )
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  }
  if (meters === true) metrics.setGlobalMeterProvider(new MeterProvider({ readers: [new NoReader()] }))
  await run()
  for (const api of [trace, context, propagation, metrics]) api.disable()
}

const off = new AlwaysOffSampler()
const on = new AlwaysOnSampler()

/** With the instrumentation. `isBelow`: all calls are made within one span of that sampler; else each begins a trace. */
async function instrumented(
  library: Library,
  callers: number,
  sdk: Sdk,
  isBelow: boolean,
  options?: InstrumentOptions
): Promise<Run> {
  const { instrument } = await library('extras/otel/index')
  const requests = await bytesRequests(library, callers)
  return (count) =>
    within(sdk, async () => {
      const stop = instrument(options)
      await (isBelow ? below(() => requests(count)) : requests(count))
      stop()
    })
}

function below<T>(run: () => T): T {
  const span = trace.getTracer('benchmark').startSpan('outer')
  return context.with(trace.setSpan(context.active(), span), run)
}

/** What a user would write without the instrumentation: a span at each end, and the context in the metadata. */
async function byHand(library: Library, callers: number, sdk: Sdk): Promise<Run> {
  const start = (kind: SpanKind, parent: Context): Span =>
    trace
      .getTracer('by hand')
      .startSpan('echo', { kind, attributes: { 'rpc.system.name': 'x', 'rpc.method': 'echo' } }, parent)
  const answer = async (bytes: Uint8Array) => bytes
  const handler = async (bytes: Uint8Array, { metadata }: HandlerContext) => {
    const sent = propagation.extract(context.active(), metadata, defaultTextMapGetter)
    const span = start(SpanKind.SERVER, sent)
    try {
      return await context.with(trace.setSpan(sent, span), answer, undefined, bytes)
    } finally {
      span.end()
    }
  }
  const requests = await requestsOf(library, callers, handler, async (ask) => {
    const active = context.active()
    const span = start(SpanKind.CLIENT, active)
    const metadata: Record<string, string> = {}
    propagation.inject(trace.setSpan(active, span), metadata, defaultTextMapSetter)
    try {
      return await ask({ metadata })
    } finally {
      span.end()
    }
  })
  return (count) => within(sdk, () => below(() => requests(count)))
}

async function withStorage(library: Library, callers: number): Promise<Run> {
  const requests = await bytesRequests(library, callers)
  const storage = new AsyncLocalStorage<number>()
  return (count) => storage.run(1, () => requests(count))
}

const kinds: Readonly<
  Record<string, readonly [how: string, make: (library: Library, callers: number) => Promise<Run>]>
> = {
  plain: ['with nothing around it', bytesRequests],
  storage: ['within `run` of an AsyncLocalStorage', withStorage],
  'by-hand': ['in a trace that is not sampled, traced by hand', (...of) => byHand(...of, { root: off })],
  unsampled: ['in a trace that is not sampled', (...of) => instrumented(...of, { root: off }, true)],
  followed: [
    'in a trace that is not sampled, with followUnsampled',
    (...of) => instrumented(...of, { root: off }, true, { followUnsampled: true })
  ],
  dropped: ['each a trace that the sampler drops', (...of) => instrumented(...of, { root: off }, false)],
  'sampled-by-hand': ['in a trace that is sampled, traced by hand', (...of) => byHand(...of, { root: on })],
  sampled: ['in a trace that is sampled', (...of) => instrumented(...of, { root: on }, true)],
  measured: ['with durations for a meter, and no tracer', (...of) => instrumented(...of, { meters: true }, false)]
}

export const traced: readonly Piece[] = [1, 64].flatMap((callers) =>
  Object.entries(kinds).map(([name, [how, make]]) =>
    piece(`traced-${callers}-${name}`, `request-${callers}, ${how}`, (library) => make(library, callers))
  )
)
