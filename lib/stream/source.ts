/**
 * The receiving half of a stream as an async iterator: taking a value grants its credit back.
 *
 * Messages that arrive before they are pulled wait here as bytes, bounded by the window. They are decoded when they are
 * taken. Knows no frames.
 */

import { Fifo } from '../base/fifo.ts'
import { rejectToCaller, soon } from '../base/promise.ts'
import { type Decoder, readsInPlace } from '../codec/codec.ts'
import { decodePayload } from '../codec/payload.ts'
import { type Delivery, GridError } from '../errors/errors.ts'
import type { Failure } from '../errors/failure.ts'
import type { Receiver, SourceOwner } from './port.ts'

/** What the receiving half needs from its stream. */
export interface SourcePort {
  /** The consumer took so many messages, which have so many bytes in all. */
  messagesTaken(count: number, bytes: number): void
}

/**
 * The messages that arrive, one by one or all that are there at once. Either way taking them grants their credit back, and
 * `break` ends them.
 */
export interface Messages<T> extends AsyncIterableIterator<T, undefined> {
  [Symbol.asyncIterator](): Messages<T>
  /**
   * The same messages in arrays: each has all that are there when it is taken, and waits while there is none. So it has at
   * least one, and at most as many as the window of the stream.
   */
  batches(): AsyncIterableIterator<T[], undefined>
}

interface Waiter<T> {
  /** What it has been given, where it takes all that arrives in this turn; undefined where it takes one message. */
  readonly batch: T[] | undefined
  /** Also rejects, by a promise that does. */
  resolve(result: IteratorResult<T | T[], undefined> | Promise<never>): void
}

export class Source<T> implements Messages<T>, Receiver {
  readonly #owner: SourceOwner
  /** Made when a message first waits. */
  #queue: Fifo<Uint8Array> | undefined
  /** The consumer that is next, and those behind it, which are rare. */
  #waiter: Waiter<T> | undefined
  #waiters: Fifo<Waiter<T>> | undefined
  /** It has messages of this turn, and gets those that follow. */
  #gathering: Waiter<T> | undefined
  readonly #decoder: Decoder<T>
  readonly #readsInPlace: boolean
  readonly #delivery: Delivery | undefined
  #port: SourcePort | undefined
  #ended = false
  #error: Failure | undefined

  /** @param delivery of the error for a message that cannot be decoded; none at a handler */
  constructor(decoder: Decoder<T>, owner: SourceOwner, delivery?: Delivery) {
    this.#decoder = decoder
    this.#owner = owner
    this.#delivery = delivery
    this.#readsInPlace = readsInPlace(decoder)
  }

  /** Sets the stream; nothing can arrive before. */
  bind(port: SourcePort): void {
    this.#port = port
  }

  /** A view of the batch is enough when a consumer is waiting. */
  get readsInPlace(): boolean {
    return this.#readsInPlace && (this.#waiter !== undefined || this.#gathering !== undefined)
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const payload = this.#queue?.shift()
    if (payload !== undefined) {
      try {
        const value = this.#take(payload)
        return Promise.resolve({ done: false, value })
      } catch (error) {
        this.#finish()
        this.#drop(error)
        return Promise.reject(error)
      }
    }
    return this.#wait<T>(undefined)
  }

  batches(): AsyncIterableIterator<T[], undefined> {
    const batches: AsyncIterableIterator<T[], undefined> = {
      next: () => this.#nextBatch(),
      return: (value) => this.return(value as undefined),
      throw: (reason) => this.throw(reason) as Promise<never>,
      [Symbol.asyncIterator]: () => batches
    }
    return batches
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
    this.#fail({ reason: error })
  }

  /** The stream ended early: drops what waits, so that the error is delivered next. */
  onAbort(failure: Failure): void {
    const dropped = this.#queue !== undefined && this.#queue.length > 0
    this.#queue?.clear()
    if (!this.#ended) this.#fail(failure)
    // The end has arrived, but some messages before it are dropped: that must not look like the end.
    else if (dropped) this.#error ??= failure
  }

  #nextBatch(): Promise<IteratorResult<T[], undefined>> {
    const queue = this.#queue
    if (queue === undefined || queue.length === 0) return this.#wait<T[]>([])
    const value: T[] = []
    let bytes = 0
    try {
      for (let payload = queue.shift(); payload !== undefined; payload = queue.shift()) {
        const { length } = payload
        value.push(this.#decode(payload))
        bytes += length
      }
    } catch (reason) {
      this.#finish()
      this.#drop(reason)
      if (value.length === 0) return Promise.reject(reason)
      this.#error = { reason }
    }
    // At once, so that one grant serves for all.
    this.#port?.messagesTaken(value.length, bytes)
    return Promise.resolve({ done: false, value })
  }

  /** Nothing is there: the error, the end, or what arrives next. */
  #wait<V extends T | T[]>(batch: T[] | undefined): Promise<IteratorResult<V, undefined>> {
    if (this.#error !== undefined) {
      const failure = this.#error
      this.#error = undefined
      return this.#reject(failure)
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise<IteratorResult<T | T[], undefined>>((resolve) => {
      const waiter = { batch, resolve }
      if (this.#waiter !== undefined) {
        this.#waiters ??= new Fifo()
        this.#waiters.push(waiter)
      } else this.#waiter = waiter
    }) as Promise<IteratorResult<V, undefined>>
  }

  #nextWaiter(): Waiter<T> | undefined {
    const waiter = this.#waiter
    this.#waiter = this.#waiters?.shift()
    return waiter
  }

  #stop(failure: Failure | undefined): void {
    this.#error = undefined
    this.#queue?.clear()
    if (this.#ended) return
    this.#finish()
    this.#owner.onReaderStopped(failure)
  }

  /** To the waiting consumer, or to the queue. */
  #deliver(payload: Uint8Array): void {
    const waiter = this.#gathering ?? this.#nextWaiter()
    if (waiter === undefined) {
      this.#queue ??= new Fifo()
      this.#queue.push(payload)
      return
    }
    try {
      const value = this.#take(payload)
      if (waiter.batch === undefined) waiter.resolve({ done: false, value })
      else this.#gather(waiter, waiter.batch, value)
    } catch (reason) {
      if (waiter === this.#gathering) {
        // It has messages: the error is for who asks next.
        this.#fail({ reason })
      } else {
        waiter.resolve(this.#reject({ reason }))
        this.#finish()
      }
      this.#drop(reason)
    }
  }

  /** A message cannot be decoded: what follows it is dropped. */
  #drop(reason: unknown): void {
    this.#queue?.clear()
    this.#owner.onUndecodable(reason)
  }

  /** All messages of one batch of the conn are delivered in one turn. */
  #gather(waiter: Waiter<T>, batch: T[], value: T): void {
    batch.push(value)
    if (this.#gathering !== undefined) return
    this.#gathering = waiter
    soon(() => {
      this.#gathering = undefined
      waiter.resolve({ done: false, value: batch })
    })
  }

  #fail(failure: Failure): void {
    const waiter = this.#nextWaiter()
    if (waiter === undefined) this.#error = failure
    else waiter.resolve(this.#reject(failure))
    this.#finish()
  }

  /** At a caller an error of ours, which was made in a callback, leads to who reads. */
  #reject({ reason, hasStack }: Failure): Promise<never> {
    const isCaller = this.#delivery !== undefined
    return isCaller && hasStack !== true && GridError.is(reason) ? rejectToCaller(reason) : Promise.reject(reason)
  }

  #finish(): void {
    this.#ended = true
    for (let waiter = this.#nextWaiter(); waiter !== undefined; waiter = this.#nextWaiter()) {
      waiter.resolve({ done: true, value: undefined })
    }
  }

  #take(payload: Uint8Array): T {
    // First the length: the bytes are the codec's, which may give their memory away.
    const { length } = payload
    const value = this.#decode(payload)
    this.#port?.messagesTaken(1, length)
    return value
  }

  #decode(payload: Uint8Array): T {
    return decodePayload(this.#decoder, payload, 'a message of the stream', this.#delivery)
  }
}
