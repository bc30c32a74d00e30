/** What it costs to be observed: the same requests with an async context that is used, or in a trace that is not sampled. */

import { AsyncLocalStorage } from 'node:async_hooks'
import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { AlwaysOffSampler, BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
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
  trace.setGlobalTracerProvider(new BasicTracerProvider({ sampler: new AlwaysOffSampler() }))
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  instrument()
  return (count) => {
    const span = trace.getTracer('benchmark').startSpan('outer')
    return context.with(trace.setSpan(context.active(), span), () => requests(count))
  }
}

export const observed: readonly Piece[] = [1, 64].flatMap((callers) => [
  piece(`request-${callers}-storage`, `request-${callers} within \`run\` of an AsyncLocalStorage`, (library) =>
    withStorage(library, callers)
  ),
  piece(`request-${callers}-unsampled`, `request-${callers} in a trace that is not sampled`, (library) =>
    unsampled(library, callers)
  )
])
