/**
 * What `send` was given, as a source of requests. It gives what waits without a promise, which an it-pushable cannot.
 *
 * A pushable of the same stream that is used after it follows: its values come behind those that wait here.
 */

import type { Pushable } from 'it-pushable'
import { Fifo } from '../base/fifo.ts'

type Result<T> = IteratorResult<T, undefined>

const done: Result<never> = { done: true, value: undefined }

export class SendQueue<T> {
  readonly #values = new Fifo<T>()
  #resolve: ((result: Result<T> | Promise<Result<T>>) => void) | undefined
  #next: Pushable<T> | undefined

  push(value: T): void {
    if (this.#resolve === undefined) this.#values.push(value)
    else this.#settle({ done: false, value })
  }

  /** From now on all further values are those of `pushable`. */
  follow(pushable: Pushable<T>): void {
    this.#next = pushable
    if (this.#resolve !== undefined) this.#settle(pushable.next() as Promise<Result<T>>)
  }

  clear(): void {
    this.#values.clear()
  }

  next(): Result<T> | Promise<Result<T>> {
    if (this.#values.length > 0) return { done: false, value: this.#values.shift() as T }
    if (this.#next !== undefined) return this.#next.next() as Promise<Result<T>>
    return new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  return(): Result<T> {
    this.clear()
    this.#next?.return()
    return done
  }

  /** Not typed as one of the language: its results may be no promises. */
  [Symbol.asyncIterator](): AsyncIterator<T> {
    return this as unknown as AsyncIterator<T>
  }

  #settle(result: Result<T> | Promise<Result<T>>): void {
    const resolve = this.#resolve
    this.#resolve = undefined
    resolve?.(result)
  }
}
