/**
 * The answers of many peers as one async iterable: as they come, fair between the peers, and with backpressure to each.
 *
 * Of each peer one pull is under way, and what it gave waits until it is taken; a peer that has more stands behind the others.
 * Knows no calls: how a peer is asked is injected.
 */

import { Fifo } from '../base/fifo.ts'
import { CancelledError } from '../errors/errors.ts'
import { type Failure, toError } from '../errors/failure.ts'
import type { Answer } from '../errors/quorum-error.ts'
import type { Messages } from '../stream/source.ts'

/** What a pull gives: values that are there, and whether they are the last. */
export interface Pulled<T> {
  readonly values: readonly T[]
  readonly isLast: boolean
}

/** Pulls from a peer that has been asked: one value, or all that are there. */
export type Pull<T> = (inBatches: boolean) => Promise<Pulled<T>>

export interface GatheringInit<T> {
  readonly hosts: readonly string[]
  /** Peers that may be asked, and not all of whose answers are taken, at once. */
  readonly concurrency: number
  /** Asks one peer now. May throw. */
  readonly ask: (host: string) => Pull<T>
  /** Nobody will take more: what is open ends, by this reason. */
  readonly onStopped: (reason: unknown) => void
  /** No peer is being asked any more, and none will be. */
  readonly onOver: () => void
}

/** A peer that has been asked. */
interface Asked<T> {
  readonly host: string
  readonly pull: Pull<T>
  values: readonly T[]
  /** Of `values`, the next to be taken. */
  at: number
  isLast: boolean
  failure: Failure | undefined
}

interface Waiter<T> {
  readonly inBatches: boolean
  resolve(result: IteratorResult<Answer<T> | Answer<T>[], undefined>): void
  reject(reason: unknown): void
}

export class Gathering<T> implements Messages<Answer<T>> {
  readonly #init: GatheringInit<T>
  readonly #waiting: Fifo<string> = new Fifo()
  /** Those that have something to take, each once, the one that waits longest first. */
  readonly #ready = new Fifo<Asked<T>>()
  readonly #waiters = new Fifo<Waiter<T>>()
  /** Asked, and not all taken. */
  #asked = 0
  #inBatches = false
  #isStopped = false
  #failure: Failure | undefined

  constructor(init: GatheringInit<T>) {
    this.#init = init
    for (const host of init.hosts) this.#waiting.push(host)
  }

  /** Asks the first ones. */
  start(): void {
    this.#askNext()
    if (this.#asked === 0) this.#end()
  }

  next(): Promise<IteratorResult<Answer<T>, undefined>> {
    return this.#take(false) as Promise<IteratorResult<Answer<T>, undefined>>
  }

  batches(): AsyncIterableIterator<Answer<T>[], undefined> {
    const batches: AsyncIterableIterator<Answer<T>[], undefined> = {
      next: () => this.#take(true) as Promise<IteratorResult<Answer<T>[], undefined>>,
      return: () => this.return(),
      throw: (reason) => this.throw(reason),
      [Symbol.asyncIterator]: () => batches
    }
    return batches
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#failure = undefined
    this.#stop(new CancelledError('the consumer stopped reading'))
    return { done: true, value: undefined }
  }

  async throw(reason?: unknown): Promise<never> {
    this.#failure = undefined
    this.#stop(reason)
    throw reason
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Stops it, and what is open: who takes next is thrown `reason`. */
  fail(reason: unknown): void {
    if (this.#isStopped) return
    const waiter = this.#waiters.shift()
    if (waiter === undefined) this.#failure = { reason }
    else waiter.reject(reason)
    this.#stop(reason)
  }

  #stop(reason: unknown): void {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#ready.clear()
    this.#waiting.clear()
    this.#init.onOver()
    this.#init.onStopped(reason)
    this.#flush()
  }

  #askNext(): void {
    while (this.#asked < this.#init.concurrency && this.#waiting.length > 0 && !this.#isStopped) {
      this.#asked++
      const host = this.#waiting.shift() as string
      const none = { host, values: [], at: 0, isLast: false, failure: undefined }
      try {
        this.#pull({ pull: this.#init.ask(host), ...none })
      } catch (reason) {
        this.#onReady({ pull: () => Promise.reject(reason), ...none, failure: { reason } })
      }
    }
  }

  #pull(asked: Asked<T>): void {
    asked.pull(this.#inBatches).then(
      ({ values, isLast }) => {
        Object.assign(asked, { values, at: 0, isLast })
        if (values.length > 0) this.#onReady(asked)
        else this.#onTaken()
      },
      (reason) => {
        asked.failure = { reason }
        this.#onReady(asked)
      }
    )
  }

  #onReady(asked: Asked<T>): void {
    if (this.#isStopped) return
    this.#ready.push(asked)
    this.#flush()
  }

  /** All that one peer has is taken: the next may be asked. */
  #onTaken(): void {
    this.#asked--
    this.#askNext()
    if (this.#asked === 0) this.#end()
  }

  /** Nobody is left. */
  #end(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#init.onOver()
    this.#flush()
  }

  #take(inBatches: boolean): Promise<IteratorResult<Answer<T> | Answer<T>[], undefined>> {
    if (this.#failure !== undefined) {
      const { reason } = this.#failure
      this.#failure = undefined
      return Promise.reject(reason)
    }
    this.#inBatches = inBatches
    return new Promise((resolve, reject) => {
      this.#waiters.push({ inBatches, resolve, reject })
      this.#flush()
    })
  }

  /** Gives those that wait what is there, or the end. */
  #flush(): void {
    while (this.#waiters.length > 0 && (this.#ready.length > 0 || this.#isStopped)) {
      const waiter = this.#waiters.shift() as Waiter<T>
      const first = this.#takeOne()
      if (first === undefined) waiter.resolve({ done: true, value: undefined })
      else waiter.resolve({ done: false, value: waiter.inBatches ? this.#takeAll(first) : first })
    }
  }

  #takeAll(first: Answer<T>): Answer<T>[] {
    const all = [first]
    for (let next = this.#takeOne(); next !== undefined; next = this.#takeOne()) all.push(next)
    return all
  }

  #takeOne(): Answer<T> | undefined {
    const asked = this.#ready.shift()
    if (asked === undefined) return undefined
    const { host, failure } = asked
    if (failure !== undefined) {
      this.#onTaken()
      return { host, error: toError(failure.reason) }
    }
    const value = asked.values[asked.at++] as T
    if (asked.at < asked.values.length) this.#ready.push(asked)
    else if (asked.isLast) this.#onTaken()
    else this.#pull(asked)
    return { host, value }
  }
}
