/**
 * What `send` was given, as a source of requests, and who waits until it is taken. It gives what waits without a promise, which
 * an it-pushable cannot.
 *
 * A pushable of the same stream that is used after it follows: its values come behind those that wait here.
 */

import type { Pushable } from 'it-pushable'
import { Fifo } from '../base/fifo.ts'

type Result<T> = IteratorResult<T, undefined>

const done: Result<never> = { done: true, value: undefined }

export class SendQueue<T> {
  /** That wait. Mostly none does: whoever sends is asked before. */
  #values: Fifo<T> | undefined
  #resolve: ((result: Result<T> | Promise<Result<T>>) => void) | undefined
  #next: Pushable<T> | undefined

  push(value: T): void {
    if (this.#resolve !== undefined) return this.#settle({ done: false, value })
    this.#values ??= new Fifo()
    this.#values.push(value)
  }

  /** From now on all further values are those of `pushable`. */
  follow(pushable: Pushable<T>): void {
    this.#next = pushable
    if (this.#resolve !== undefined) this.#settle(pushable.next() as Promise<Result<T>>)
  }

  clear(): void {
    this.#values?.clear()
  }

  next(): Result<T> | Promise<Result<T>> {
    if (this.#values !== undefined && this.#values.length > 0) return { done: false, value: this.#values.shift() as T }
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

/**
 * Who waits until flow control has accepted what it sent. Linked to the one behind it: an array, once there, would be kept by each
 * open stream while nobody waits.
 */
export interface SendWaiter {
  /** Its value is the `count`th. */
  readonly count: number
  resolve(): void
  reject(reason: unknown): void
  next: SendWaiter | undefined
}

/** Resolves those whose values are among the first `taken`. Returns the first of the others. */
export function resolveTaken(first: SendWaiter | undefined, taken: number): SendWaiter | undefined {
  let waiter = first
  while (waiter !== undefined && waiter.count <= taken) {
    const { next } = waiter
    // One that V8 has taken for old would keep alive all that have come behind it since.
    waiter.next = undefined
    waiter.resolve()
    waiter = next
  }
  return waiter
}

export function rejectAll(first: SendWaiter, reason: unknown): void {
  for (let waiter: SendWaiter | undefined = first; waiter !== undefined; waiter = waiter.next) waiter.reject(reason)
}
