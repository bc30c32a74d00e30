/**
 * Several values in the place of one, so that a producer that has them at hand gives them in one step.
 *
 * A step of an async generator costs more than the message that it gives; see docs/performance.md.
 */

import { AsyncResource } from 'node:async_hooks'
import { shieldEach } from '../base/promise.ts'
import { captureScope, type Scope } from '../base/scope.ts'
import { InvalidOptionError } from '../errors/errors.ts'
import { Misfit } from '../msgpack/misfit.ts'

/** Of the whole process: two copies of this package understand each other. */
const manyValues: unique symbol = Symbol.for('it-grid.many')

/** Several values in the place of one; made by `many`. */
export interface Many<T> {
  readonly [manyValues]: Iterable<T>
}

/**
 * Several values to send in the place of one: `yield many(rows)` in a handler, `send(many(rows))`, or in what `sink` is given.
 *
 * Each is a message of its own, and goes only with credit: the rest waits in `values`, which is read as `for of` reads it and
 * left early when the stream ends.
 *
 * @throws {InvalidOptionError} when `values` is no iterable
 */
export function many<T>(values: Iterable<T>): Many<T> {
  const given = values as { readonly [Symbol.iterator]?: unknown } | undefined | null
  if (typeof given?.[Symbol.iterator] !== 'function') throw new InvalidOptionError('many() takes an iterable of values')
  // One of them that is a promise may reject before it is read.
  shieldEach(values)
  return new Several(values)
}

/** A class with a `toJSON`, which every codec refuses: in a request, an answer or a value it would be an empty object. */
class Several<T> implements Many<T> {
  readonly [manyValues]: Iterable<T>
  /** Where they are read: that of `many`, as of any source that is handed over. An array runs no code. */
  readonly scope: Scope | undefined

  constructor(values: Iterable<T>) {
    this[manyValues] = values
    this.scope = Array.isArray(values) ? undefined : captureScope()
  }

  toJSON(): never {
    throw new Misfit('is a many(), which is several messages of a stream and no value')
  }
}

/** The values, if it is several in the place of one. */
export function valuesOf(value: unknown): Iterable<unknown> | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  return (value as Partial<Many<unknown>>)[manyValues]
}

/** The async context in which `values` of it are read; undefined for that of who reads. */
export function scopeOf(many: unknown): Scope | undefined {
  const { scope } = many as Partial<Several<unknown>>
  return scope instanceof AsyncResource ? scope : undefined
}
