/**
 * `it-grid/otel`: spans and durations of calls for OpenTelemetry, by its conventions for RPC, with the context of a trace
 * in the metadata of each call.
 *
 * It listens to the channels of calls, so it holds for all grids of the process. It needs `@opentelemetry/api` only: where
 * spans go to is up to the SDK that the program has set up.
 */

import { channels } from '../../index.ts'
import { checkOptions, type InstrumentOptions } from './options.ts'
import { Tracing } from './tracing.ts'

export type { InstrumentOptions } from './options.ts'

/**
 * Instruments all grids of this process from now on. Returns what ends that; calls that run then still end their spans. Call
 * it once, before or after the SDK is set up: each instrumentation makes spans of its own.
 *
 * @throws {InvalidOptionError} when an option is wrong
 */
export function instrument(options: InstrumentOptions = {}): () => void {
  checkOptions(options)
  const { call, handle } = channels
  const tracing = new Tracing(options, () => {
    call.asyncEnd.unsubscribe(tracing.onEnd)
    handle.asyncEnd.unsubscribe(tracing.onEnd)
  })
  call.start.subscribe(tracing.onCall)
  handle.start.subscribe(tracing.onHandle)
  call.asyncEnd.subscribe(tracing.onEnd)
  handle.asyncEnd.subscribe(tracing.onEnd)
  return () => {
    call.start.unsubscribe(tracing.onCall)
    handle.start.unsubscribe(tracing.onHandle)
    tracing.stop()
  }
}
