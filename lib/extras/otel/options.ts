/** The options of `instrument()`, and their check. */

import type { Attributes, MeterProvider, TextMapPropagator, TracerProvider } from '@opentelemetry/api'
import { type CallInfo, InvalidOptionError } from '../../index.ts'

export interface InstrumentOptions {
  /** Default: the global one. */
  readonly tracerProvider?: TracerProvider
  /** Default: the global one. */
  readonly meterProvider?: MeterProvider
  /** Default: the global one. */
  readonly propagator?: TextMapPropagator
  /** No span and no figure for these calls, and no context in their metadata. Asked at the start of each call. */
  readonly ignore?: (call: CallInfo) => boolean
  /** More attributes of the span. */
  readonly attributes?: (call: CallInfo) => Attributes
  /**
   * Within a trace that is not sampled the sampler is not asked: a call has no span then, and the trace goes on. For samplers
   * that would not sample it either, as a `ParentBasedSampler` does not. Default false.
   */
  readonly followUnsampled?: boolean
}

const kinds: Readonly<Record<keyof InstrumentOptions, string>> = {
  ...{ tracerProvider: 'object', meterProvider: 'object', propagator: 'object' },
  ...{ ignore: 'function', attributes: 'function', followUnsampled: 'boolean' }
}

/** @throws {InvalidOptionError} */
export function checkOptions(options: InstrumentOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidOptionError('the options of instrument() must be an object')
  }
  for (const [name, value] of Object.entries(options)) {
    const kind = kinds[name as keyof InstrumentOptions]
    if (kind === undefined) {
      throw new InvalidOptionError(`instrument() has no option "${name}"; it has ${Object.keys(kinds).join(', ')}`)
    }
    if (value !== undefined && typeof value !== kind) {
      throw new InvalidOptionError(`instrument.${name} must be ${kind === 'object' ? 'an' : 'a'} ${kind}`)
    }
  }
}
