/** How long calls took: the two histograms that the conventions name, in seconds, with the bounds that they name. */

import { createNoopMeter, type Histogram, type MeterProvider, metrics } from '@opentelemetry/api'
import type { CallInfo, CallOutcome } from '../../index.ts'
import type { Described } from './described.ts'
import { otherName, system, unknownHandler, version } from './names.ts'

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

  /** Whether anybody takes them now. */
  get areTaken(): boolean {
    this.#provide(this.#given ?? metrics.getMeterProvider())
    return this.#byCaller !== undefined
  }

  record(side: CallInfo['side'], described: Described, { code, durationMs }: CallOutcome, hasFailed: boolean): void {
    const histogram = side === 'caller' ? this.#byCaller : this.#byHandler
    histogram?.record(durationMs / 1000, described.atEnd(this.#tellable(code), hasFailed))
  }

  /** Handlers choose their codes, and each is a series of its own: of more than `stats()` keeps the others are one. */
  #tellable(code: string): string {
    // That one decides on the name of the method.
    if (code === unknownHandler || this.#codes.has(code)) return code
    if (this.#codes.size >= maxCodes) return otherName
    this.#codes.add(code)
    return code
  }

  #provide(provider: MeterProvider): void {
    if (provider === this.#provider) return
    this.#provider = provider
    this.#byCaller = this.#byHandler = undefined
    const meter = provider.getMeter(system, version)
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
