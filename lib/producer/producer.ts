/**
 * Producers of values to send: any iterable, async or plain, read as `for await` reads it.
 *
 * ECMA-262 calls the rules GetIterator, AsyncFromSyncIterator and AsyncIteratorClose. What differs: results and values that
 * are no promises are taken without waiting. And a stream of Node or of the web is released at once when it is left.
 */

import { types } from 'node:util'
import { shield, shieldEach, shieldWithin, toPromise, whenSettled } from '../base/promise.ts'
import type { Scope } from '../base/scope.ts'
import { describeValue } from '../base/text.ts'
import type { Failure } from '../errors/failure.ts'
import type { Many } from './many.ts'
import { openStream, releaseStream, shieldStream } from './stream-source.ts'

/** Anything that `for await` accepts; a value may be several in the place of one. */
export type Producer<T> = AsyncIterable<T | Many<T>> | Iterable<T | Many<T> | PromiseLike<T | Many<T>>>

type Method = (this: unknown) => unknown

const noArguments: readonly [] = Object.freeze([])

interface Iterating {
  readonly next: Method
  readonly return?: Method | null
}

function describeWrong(producer: unknown, must = 'a source must be an iterable or an async iterable'): string {
  return `${must}; it is ${describeValue(producer)}`
}

/** The iterator of one producer. */
export class ProducerIterator {
  /** Results may be promises, and values are taken as they are. Of a plain iterator it is the other way round. */
  readonly isAsync: boolean
  /** It is of a stream of Node or of the web, of which no code runs once it is closed. */
  readonly isStream: boolean
  /** It gives the elements of this array, by no code of the user. */
  readonly array: readonly unknown[] | undefined
  readonly #iterator: Iterating
  readonly #next: unknown
  readonly #scope: Scope | undefined

  /**
   * @param scope where all its code runs; undefined for where it is called
   * @param isShielded its values were looked at for promises when it was handed over
   * @throws what the producer throws, and a TypeError, with what it `must` be, where it is no iterable at all
   */
  constructor(producer: unknown, must?: string, scope?: Scope, isShielded = false) {
    this.#scope = scope
    // One that stands for an iterable is refused, and not awaited.
    shield(producer)
    if (producer === undefined || producer === null) throw new TypeError(describeWrong(producer, must))
    const { [Symbol.asyncIterator]: ofAsync } = producer as { [Symbol.asyncIterator]?: Method | null }
    this.isAsync = ofAsync !== undefined && ofAsync !== null
    const method = this.isAsync ? ofAsync : (producer as { [Symbol.iterator]?: Method | null })[Symbol.iterator]
    if (method === undefined || method === null) throw new TypeError(describeWrong(producer, must))
    // When one of many promises rejects, the others are not pulled any more.
    if (!this.isAsync && !isShielded) shieldEach(producer)
    this.array = !this.isAsync && method === Array.prototype.values && isPlainArray(producer) ? producer : undefined
    const opened = this.isAsync ? openStream(producer, method) : undefined
    this.isStream = opened !== undefined
    const iterator = opened ?? this.#run(method, producer)
    if (!isObject(iterator)) throw new TypeError('the iterator of an iterable is not an object')
    this.#iterator = iterator as Iterating
    // Read once, as the language does.
    this.#next = this.#iterator.next
  }

  /**
   * The next result, or a promise of it where this is an async one.
   *
   * @throws what the producer throws, and a TypeError where its `next` is no function
   */
  next(): unknown {
    const next = this.#next
    if (typeof next !== 'function') throw new TypeError('iterator.next is not a function')
    return this.#run(next as Method, this.#iterator)
  }

  #run(method: Method, self: unknown): unknown {
    return this.#scope === undefined
      ? Reflect.apply(method, self, noArguments)
      : this.#scope.runInAsyncScope(method, self)
  }

  /** Closes it as `break` does, and tells when that is done, by `failure` if the producer failed: at once, unless it gives a promise. */
  close(onClosed: (failure: Failure | undefined) => void): void {
    const closed = () => onClosed(undefined)
    const failed = (reason: unknown) => onClosed({ reason })
    let promise: PromiseLike<unknown> | undefined
    try {
      const { return: leave } = this.#iterator
      if (leave === undefined || leave === null) return closed()
      const result = this.#run(leave, this.#iterator)
      promise = toPromise(this.isAsync ? result : toResult(result).value)
      if (promise === undefined) shield(toResult(result))
    } catch (reason) {
      return failed(reason)
    }
    if (promise === undefined) closed()
    else if (!this.isAsync) whenSettled(promise, closed, failed)
    else whenSettled(promise, (result) => (isObject(result) ? closed() : failed(noResult())), failed)
  }

  /** The same as a promise, which rejects by what the producer failed. */
  closed(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.close((failure) => (failure === undefined ? resolve() : reject(failure.reason)))
    })
  }
}

/** Closes a producer that will not be pulled, so that its own source ends too. */
export function unwind(producer: unknown): void {
  try {
    new ProducerIterator(producer).close(() => undefined)
  } catch {
    // Ignored: the stream has failed already, with an error of its own.
    releaseStream(producer)
  }
}

/** A producer waits to be pulled. What fails in it meanwhile must not end the process: pulling it throws that. */
export function shieldProducer(producer: unknown): void {
  try {
    shield(producer)
    shieldEach(producer)
    shieldStream(producer)
  } catch {
    // Ignored: pulling it throws that as well.
  }
}

/** A result that came too late is dropped. What fails in it must not end the process. */
export function shieldResult(result: unknown): void {
  try {
    shieldWithin((result as { readonly value?: unknown } | undefined | null)?.value)
  } catch {
    // Ignored: a getter of it threw.
  }
}

/** @throws {TypeError} when an iterator gave something else than an object */
export function toResult<T>(given: unknown): { readonly done?: unknown; readonly value: T } {
  if (isObject(given)) return given as { value: T }
  throw noResult()
}

function noResult(): TypeError {
  return new TypeError('a result of an iterator is not an object')
}

function isPlainArray(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && !types.isProxy(value)
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}
