/** A server of a grid in a process of its own, whose spans go to a receiver. */

import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { instrument } from 'it-grid/otel'
import { single, streaming } from '../../lib/index.ts'
import { given, obey } from '../support/process/obey.ts'
import { type ServerInit, startServer } from '../support/process/server.ts'

export interface TracedInit extends ServerInit {
  /** Where the spans go to. */
  readonly receiver: string
  /** The server that its handlers call. */
  readonly next: string
}

const work = single<void, number>('work')
const feed = streaming<number, never, number>('feed', { inCapacity: 0 })
const leaf = single<number, number>('leaf')

const init = given<TracedInit>()
const exporter = new OTLPTraceExporter({ url: init.receiver })
const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] })
trace.setGlobalTracerProvider(provider)
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
propagation.setGlobalPropagator(new W3CTraceContextPropagator())
instrument({ attributes: ({ side }) => ({ server: init.local, side }) })

const { manager, words } = startServer(init)
const next = () => manager.connection(init.next)

manager.handle(work, async () => {
  let sum = 0
  for await (const value of next().newStream(feed, 3)) sum += value
  return sum
})
manager.handle(feed, async function* (count) {
  for (let value = 1; value <= count; value++) yield await next().request(leaf, value)
})
manager.handle(leaf, (value) => value * 2)

const traced = {
  ...words,
  connected: () => next().waitForConnect(),
  async work(host: string) {
    await manager.connection(host).waitForConnect()
    return await manager.connection(host).request(work)
  },
  async close() {
    await words.close()
    await provider.shutdown()
  }
}
export type TracedWords = typeof traced
obey(traced)
