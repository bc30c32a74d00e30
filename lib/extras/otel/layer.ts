/**
 * A context of OpenTelemetry with one more value, which is made fast: its own copies a map, and makes functions, for each.
 *
 * Contexts are opaque and never change, so that it does not show. A few lie on each other; on them comes one of OpenTelemetry's,
 * so that a context which is made of one again and again does not grow.
 */

import { type Context, ROOT_CONTEXT } from '@opentelemetry/api'

const maxDepth = 4

export class Layer implements Context {
  readonly #below: Context
  readonly #key: symbol
  readonly #value: unknown
  readonly #depth: number

  private constructor(below: Context, key: symbol, value: unknown, depth: number) {
    this.#below = below
    this.#key = key
    this.#value = value
    this.#depth = depth
  }

  /** The same context, on which the next values are layers. */
  static over(context: Context): Layer {
    return context instanceof Layer ? context : new Layer(context, none, undefined, 0)
  }

  getValue(key: symbol): unknown {
    return key === this.#key ? this.#value : this.#below.getValue(key)
  }

  setValue(key: symbol, value: unknown): Context {
    if (this.#depth < maxDepth) return new Layer(this, key, value, this.#depth + 1)
    return this.#flatten().setValue(key, value)
  }

  deleteValue(key: symbol): Context {
    return this.setValue(key, undefined)
  }

  #flatten(): Context {
    const below = this.#below instanceof Layer ? this.#below.#flatten() : this.#below
    return this.#key === none ? below : below.setValue(this.#key, this.#value)
  }
}

const none = Symbol('no value')
/** What contexts that have arrived are made on. */
export const root: Context = Layer.over(ROOT_CONTEXT)
