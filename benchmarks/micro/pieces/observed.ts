/**
 * What it costs to be observed: the same requests with interceptors, subscribers or metadata, with an async context that is
 * used, or in a trace that is not sampled.
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { AlwaysOffSampler, BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import type { Interceptor } from '../../../lib/index.ts'
import type { Library } from '../../harness/library.ts'
import { type Piece, piece, type Run } from '../../harness/pieces/piece.ts'
import { bytesRequests } from './calls.ts'

async function withStorage(library: Library, callers: number): Promise<Run> {
  const requests = await bytesRequests(library, callers)
  const storage = new AsyncLocalStorage<number>()
  return (count) => storage.run(1, () => requests(count))
}

/** As a server has it that traces one request of thousands: each call begins in a trace, and sends its context. */
async function unsampled(library: Library, callers: number): Promise<Run> {
  const { instrument } = await library('extras/otel/index')
  const requests = await bytesRequests(library, callers)
  return async (count) => {
    trace.setGlobalTracerProvider(new BasicTracerProvider({ sampler: new AlwaysOffSampler() }))
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    propagation.setGlobalPropagator(new W3CTraceContextPropagator())
    const stop = instrument()
    const span = trace.getTracer('benchmark').startSpan('outer')
    await context.with(trace.setSpan(context.active(), span), () => requests(count))
    stop()
    for (const api of [trace, context, propagation]) api.disable()
  }
}

const pass: Interceptor = { single: (_call, next) => next() }
const nobody = () => {}

/** As a server has it where somebody counts or logs all calls. */
async function published(library: Library, callers: number): Promise<Run> {
  const { channels } = await library('index')
  const requests = await bytesRequests(library, callers)
  const subscribers = { start: nobody, end: nobody, asyncStart: nobody, asyncEnd: nobody, error: nobody }
  return async (count) => {
    for (const channel of [channels.call, channels.handle]) channel.subscribe(subscribers)
    await requests(count)
    for (const channel of [channels.call, channels.handle]) channel.unsubscribe(subscribers)
  }
}

const one = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00' }
const four = { ...one, tracestate: 'vendor=value', tenant: 'acme', user: 'u-12345' }

export const observed: readonly Piece[] = [1, 64].flatMap((callers) => [
  piece(`request-${callers}-caller`, `request-${callers} with an interceptor of the caller that passes`, (library) =>
    bytesRequests(library, callers, { interceptors: { caller: [pass] } })
  ),
  piece(`request-${callers}-handler`, `request-${callers} with an interceptor of the handler that passes`, (library) =>
    bytesRequests(library, callers, { interceptors: { handler: [pass] } })
  ),
  piece(`request-${callers}-published`, `request-${callers} with subscribers of all channels of calls`, (library) =>
    published(library, callers)
  ),
  piece(`request-${callers}-metadata`, `request-${callers} with \`traceparent\` in its metadata`, (library) =>
    bytesRequests(library, callers, {}, { metadata: one })
  ),
  piece(`request-${callers}-metadata-4`, `request-${callers} with four short texts in its metadata`, (library) =>
    bytesRequests(library, callers, {}, { metadata: four })
  ),
  piece(`request-${callers}-storage`, `request-${callers} within \`run\` of an AsyncLocalStorage`, (library) =>
    withStorage(library, callers)
  ),
  piece(`request-${callers}-unsampled`, `request-${callers} in a trace that is not sampled`, (library) =>
    unsampled(library, callers)
  )
])
