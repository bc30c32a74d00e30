/** How long calls took: the two histograms that the conventions name, in seconds, with the bounds that they name. */

import { type Attributes, createNoopMeter, type Histogram, type MeterProvider, metrics } from '@opentelemetry/api'
import type { CallMessage, CallOutcome } from '../../index.ts'
import { methodOf, otherName, setPlace, system } from './names.ts'

const bounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
const maxCodes = 64

export class Durations {
  /** Undefined for the global one, which may be set later than this is made. */
  readonly #given: MeterProvider | undefined
  /** Those that are told. */
  readonly #codes = new Set<string>()
  #provider: MeterProvider | undefined
  /** Undefined where nobody takes figures. */
  #byCaller: Histogram | undefined
  #byHandler: Histogram | undefined

  constructor(given: MeterProvider | undefined) {
    this.#given = given
  }

  record(message: CallMessage, { code, durationMs }: CallOutcome, hasFailed: boolean): void {
    this.#provide(this.#given ?? metrics.getMeterProvider())
    const isCaller = message.side === 'caller'
    const histogram = isCaller ? this.#byCaller : this.#byHandler
    if (histogram === undefined) return
    const told = this.#tellable(code)
    const attributes: Attributes = {
      'rpc.system.name': system,
      // What nobody registered has as many names as callers can think of.
      'rpc.method': code === 'ERR_UNKNOWN_HANDLER' ? otherName : methodOf(message),
      'rpc.status_code': told
    }
    if (hasFailed) attributes['error.type'] = told
    if (isCaller) setPlace(attributes, message.host)
    histogram.record(durationMs / 1000, attributes)
  }

  /** Handlers choose their codes, and each is a series of its own: of more than `stats()` keeps the others are one. */
  #tellable(code: string): string {
    if (this.#codes.size >= maxCodes && !this.#codes.has(code)) return otherName
    this.#codes.add(code)
    return code
  }

  #provide(provider: MeterProvider): void {
    if (provider === this.#provider) return
    this.#provider = provider
    this.#byCaller = this.#byHandler = undefined
    const meter = provider.getMeter(system)
    if (meter === createNoopMeter()) return
    const create = (end: 'client' | 'server', which: string) =>
      meter.createHistogram(`rpc.${end}.call.duration`, {
        description: `Measures the duration of an ${which} Remote Procedure Call (RPC).`,
        unit: 's',
        advice: { explicitBucketBoundaries: bounds }
      })
    this.#byCaller = create('client', 'outgoing')
    this.#byHandler = create('server', 'incoming')
  }
}
