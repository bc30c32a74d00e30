/**
 * The receiving half of a stream as an async iterator: taking a value grants its credit back.
 *
 * Messages that arrive before they are pulled wait here as bytes, bounded by the window. They are decoded when they are
 * taken. Knows no frames.
 */

import type { Delivery } from '../base/errors.ts'
import type { Failure } from '../base/failure.ts'
import { Fifo } from '../base/fifo.ts'
import { type Decoder, readsInPlace } from '../codec/codec.ts'
import { decodePayload } from '../codec/payload.ts'
import type { Receiver } from './port.ts'

/** What the receiving half needs from its stream. */
export interface SourcePort {
  /** The consumer took a message of `bytes` bytes. */
  messageTaken(bytes: number): void
}

interface Waiter<T> {
  resolve(result: IteratorResult<T, undefined>): void
  reject(error: unknown): void
}

export class Source<T> implements AsyncIterableIterator<T, undefined>, Receiver {
  /** Called at most once: the consumer stopped, by `failure` if it threw something in. */
  onStopped: ((failure: Failure | undefined) => void) | undefined
  /** Called at most once: a message cannot be decoded. */
  onUndecodable: ((error: unknown) => void) | undefined
  readonly #queue = new Fifo<Uint8Array>()
  readonly #waiters = new Fifo<Waiter<T>>()
  readonly #decoder: Decoder<T>
  readonly #readsInPlace: boolean
  readonly #delivery: Delivery | undefined
  #port: SourcePort | undefined
  #ended = false
  #error: Failure | undefined

  /** @param delivery of the error for a message that cannot be decoded; none at a handler */
  constructor(decoder: Decoder<T>, delivery?: Delivery) {
    this.#decoder = decoder
    this.#delivery = delivery
    this.#readsInPlace = readsInPlace(decoder)
  }

  /** Sets the stream; nothing can arrive before. */
  bind(port: SourcePort): void {
    this.#port = port
  }

  /** A view of the batch is enough when a consumer is waiting. */
  get readsInPlace(): boolean {
    return this.#readsInPlace && this.#waiters.length > 0
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const payload = this.#queue.shift()
    if (payload !== undefined) {
      try {
        const value = this.#take(payload)
        return Promise.resolve({ done: false, value })
      } catch (error) {
        return Promise.reject(error)
      }
    }
    if (this.#error !== undefined) {
      const { reason } = this.#error
      this.#error = undefined
      return Promise.reject(reason)
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }))
  }

  /** `break`: tells the remote end and drops what waits. */
  async return(value?: undefined | PromiseLike<undefined>): Promise<IteratorReturnResult<undefined>> {
    this.#stop(undefined)
    return { done: true, value: await value }
  }

  /** As of a generator that does not catch: stops as `return` does, and throws `reason`. */
  async throw(reason?: unknown): Promise<IteratorResult<T, undefined>> {
    this.#stop({ reason })
    throw reason
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  onMessage(payload: Uint8Array, isLast: boolean): void {
    if (!this.#ended) this.#deliver(payload)
    if (isLast) this.onEnd()
  }

  onEnd(): void {
    if (!this.#ended) this.#finish()
  }

  /** The handler's own error. It is delivered after the messages that were sent before it. */
  onRemoteError(error: Error): void {
    if (this.#ended) return
    this.#fail(error)
  }

  /** The stream ended early: drops what waits, so that the error is delivered next. */
  onAbort(reason: unknown): void {
    const dropped = this.#queue.length > 0
    this.#queue.clear()
    if (!this.#ended) this.#fail(reason)
    // The end has arrived, but some messages before it are dropped: that must not look like the end.
    else if (dropped) this.#error ??= { reason }
  }

  #stop(failure: Failure | undefined): void {
    this.#error = undefined
    this.#queue.clear()
    if (this.#ended) return
    this.#finish()
    this.onStopped?.(failure)
  }

  /** To the waiting consumer, or to the queue. */
  #deliver(payload: Uint8Array): void {
    const waiter = this.#waiters.shift()
    if (waiter === undefined) {
      this.#queue.push(payload)
      return
    }
    try {
      const value = this.#take(payload)
      waiter.resolve({ done: false, value })
    } catch (error) {
      waiter.reject(error)
    }
  }

  #fail(reason: unknown): void {
    const waiter = this.#waiters.shift()
    if (waiter === undefined) this.#error = { reason }
    else waiter.reject(reason)
    this.#finish()
  }

  #finish(): void {
    this.#ended = true
    for (let waiter = this.#waiters.shift(); waiter !== undefined; waiter = this.#waiters.shift()) {
      waiter.resolve({ done: true, value: undefined })
    }
  }

  #take(payload: Uint8Array): T {
    // First the length: the bytes are the codec's, which may give their memory away.
    const bytes = payload.length
    let value: T
    try {
      value = decodePayload(this.#decoder, payload, 'a message of the stream', this.#delivery)
    } catch (error) {
      this.#queue.clear()
      this.#finish()
      this.onUndecodable?.(error)
      throw error
    }
    this.#port?.messageTaken(bytes)
    return value
  }
}
