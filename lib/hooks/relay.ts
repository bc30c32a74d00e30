/**
 * The messages between two interceptors, or between one and an end of the call, read from any source as `for await` reads it.
 *
 * A source that was started is asked for its first message at once, so that a generator begins to run. What it pulls is held
 * by its gate until the first message is wanted: so it takes nothing before.
 */

import { isPromise, rejectFurther, shield, whenSettled } from '../base/promise.ts'
import { captureScope } from '../base/scope.ts'
import { CancelledError } from '../errors/errors.ts'
import type { Failure } from '../errors/failure.ts'
import { scopeOf, valuesOf } from '../producer/many.ts'
import { ProducerIterator, shieldResult, toResult, unwind } from '../producer/producer.ts'
import type { Messages } from '../stream/source.ts'
import { batchesOf } from './batches.ts'
import type { Gate } from './gate.ts'

type Result = IteratorResult<unknown, undefined>

const done: IteratorReturnResult<undefined> = Object.freeze({ done: true, value: undefined })

interface Waiter {
  resolve(result: Result): void
  reject(reason: unknown): void
}

/** What the end of a relay means for its call. */
export interface RelayOwner {
  /** The source has ended, by `failure` if it threw. */
  onEnd(failure: Failure | undefined): void
  /** The consumer stopped, by `failure` if it threw something in. */
  onStop(failure: Failure | undefined): void
  /** Nobody waits for a message any more. */
  onIdle(): void
}

export class Relay implements Messages<unknown> {
  /** Its messages were asked for. */
  isTouched = false
  /** Hears of what its source throws when its messages are not wanted any more. */
  rules: { onLate?(error: unknown): void } | undefined
  /** Where its source was handed over, and is pulled. */
  readonly scope = captureScope()
  /** What it reads: any iterable, a promise of one, or nothing. */
  readonly source: unknown
  /** Holds its own first pull. */
  #above: Gate | undefined
  /** They hold what its source pulls. */
  readonly #gates: Gate[]
  #iterator: ProducerIterator | undefined
  /** Of several messages that the source gave in the place of one. */
  #many: ProducerIterator | undefined
  /** The result before: pulls are answered in their order. */
  #last: Promise<unknown> = Promise.resolve()
  readonly #waiters = new Set<Waiter>()
  #owner: RelayOwner | undefined
  #isStarted = false
  #isOver = false
  /** How the source has ended by itself. */
  #ended: { readonly failure: Failure | undefined } | undefined
  /** For who asks next. */
  #error: Failure | undefined
  /** The source is being left. */
  #left: Promise<void> | undefined
  /** It is asked, and has not answered. */
  #isAsking = false
  /** It has ended by itself, or is left. */
  #isDone = false
  #onReleased: (() => void) | undefined

  /**
   * @param above holds its own first pull; undefined for none
   * @param gates hold what its source pulls
   */
  constructor(source: unknown, above: Gate | undefined, ...gates: Gate[]) {
    this.source = source
    this.#above = above
    this.#gates = gates
    shield(source)
  }

  get isAwaited(): boolean {
    return this.#waiters.size > 0
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Tells `owner` of its end, once, and now if that has come. */
  watch(owner: RelayOwner): void {
    if (this.#ended === undefined) this.#owner = owner
    else owner.onEnd(this.#ended.failure)
  }

  /** What the source has begun to pull is held no longer: there is nobody who would have to send it. */
  release(): void {
    for (const gate of this.#gates) gate.open()
  }

  /** Whether code of the source still runs, or may. Then `onReleased` is called when it does not any more. */
  isRunning(onReleased: () => void): boolean {
    this.#onReleased = onReleased
    return !this.#isReleased
  }

  /** Stands in the place of one with these. */
  passAs(above: Gate | undefined, gate: Gate): this {
    this.#above = above
    this.#gates.push(gate)
    return this
  }

  /** Gives the source to somebody else, who reads and leaves it. */
  handOver(): unknown {
    this.#isOver = this.#isDone = true
    return this.source
  }

  /** Asks the source for its first message, ahead of the consumer. */
  start(): this {
    this.#isStarted = true
    this.#last = this.#ask()
    shield(this.#last)
    return this
  }

  next(): Promise<Result> {
    this.isTouched = true
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject }
      if (this.#isOver && !this.#isStarted) return this.#answerLate(waiter)
      this.#waiters.add(waiter)
      const settled = this.#above?.isOpen === false ? this.#above.opened.then(() => this.#pull()) : this.#pull()
      whenSettled(
        settled,
        (result) => {
          if (this.#take(waiter)) resolve(result)
          if (this.#waiters.size === 0) this.#owner?.onIdle()
        },
        (error) => {
          if (this.#take(waiter)) resolve(rejectFurther(error))
          // It was held, and is not wanted.
          this.close(error)
        }
      )
    })
  }

  batches(): AsyncIterableIterator<unknown[], undefined> {
    return batchesOf(this)
  }

  async return(value?: undefined | PromiseLike<undefined>): Promise<IteratorReturnResult<undefined>> {
    await this.#stop(undefined)
    return { done: true, value: await value }
  }

  async throw(reason?: unknown): Promise<Result> {
    await this.#stop({ reason })
    throw reason
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Its messages are not wanted any more: who waits for them gets `reason`, and the source is left. */
  close(reason: unknown): void {
    if (this.#isOver) return
    const [first] = this.#waiters
    if (first === undefined) this.#error = { reason }
    else if (this.#take(first)) first.reject(reason)
    this.#answerRest(0)
    const left = this.#leave(reason)
    // Who leaves it once more is not told again.
    if (this.rules?.onLate !== undefined) this.#left = left.catch((error) => this.rules?.onLate?.(error))
  }

  async #stop(failure: Failure | undefined): Promise<void> {
    this.isTouched = true
    this.#error = undefined
    if (!this.#isOver) {
      const owner = this.#owner
      this.#answerRest(0)
      this.#leave(failure === undefined ? new CancelledError('the consumer stopped reading') : failure.reason)
      owner?.onStop(failure)
    }
    await this.#left
  }

  #answerLate({ resolve, reject }: Waiter): void {
    const failure = this.#error
    this.#error = undefined
    if (failure === undefined) resolve(done)
    else reject(failure.reason)
  }

  /** No message comes for those that wait, from that number on. */
  #answerRest(from: number): void {
    for (const waiter of [...this.#waiters].slice(from)) if (this.#take(waiter)) waiter.resolve(done)
  }

  /** Whether it still waited. */
  #take(waiter: Waiter): boolean {
    return this.#waiters.delete(waiter)
  }

  #pull(): Promise<Result> {
    this.release()
    const ask = () => this.#ask()
    const result = this.#isStarted ? (this.#last as Promise<Result>) : this.#last.then(ask, ask)
    this.#isStarted = false
    this.#last = result
    return result
  }

  async #ask(): Promise<Result> {
    let isOfSource = false
    this.#isAsking = true
    try {
      while (!this.#isOver) {
        const opened = this.#many ?? this.#iterator ?? this.#open()
        // Without a wait where there is nothing to wait for: a generator is to run at once.
        const iterator = isPromise(opened) ? await opened : opened
        if (iterator === undefined) return this.#endBySource()
        isOfSource = this.#many === undefined
        const given = iterator.next()
        const result = toResult(iterator.isAsync && isPromise(given) ? await given : given)
        isOfSource = false
        const value = iterator.isAsync ? result.value : await result.value
        if (this.#isOver) shieldResult({ value })
        else if (result.done && this.#many === undefined) return this.#endBySource()
        else if (result.done) this.#many = undefined
        else {
          const values = this.#many === undefined ? valuesOf(value) : undefined
          if (values === undefined) return { done: false, value }
          this.#many = new ProducerIterator(values, undefined, scopeOf(value), true)
        }
      }
      return done
    } catch (reason) {
      // Of a promise of the source, who leaves it hears as well.
      if (this.#isOver && this.#iterator !== undefined) this.rules?.onLate?.(reason)
      // A source that threw has ended by that.
      if (isOfSource) this.#isDone = true
      else if (!this.#isOver) {
        // It was asked ahead: who asks first hears of it.
        if (this.#isStarted) this.#error = { reason }
        this.#leave(reason, this.#owner)
      }
      this.#end({ reason })
      throw reason
    } finally {
      this.#isAsking = false
      this.#checkReleased()
    }
  }

  #endBySource(): Result {
    this.#isDone = true
    return this.#end(undefined)
  }

  #end(failure: Failure | undefined): Result {
    this.#isOver = true
    // The first of them has asked.
    this.#answerRest(1)
    this.#ended = { failure }
    const owner = this.#owner
    this.#owner = undefined
    owner?.onEnd(failure)
    return done
  }

  #open(): ProducerIterator | undefined | PromiseLike<ProducerIterator | undefined> {
    const { source } = this
    return isPromise(source) ? Promise.resolve(source).then((settled) => this.#read(settled)) : this.#read(source)
  }

  #read(source: unknown): ProducerIterator | undefined {
    // One that is left has seen to it.
    if (source === undefined || source === null || this.#isOver) return undefined
    this.#iterator = this.scope.runInAsyncScope(() => new ProducerIterator(source, undefined, this.scope))
    return this.#iterator
  }

  /** @param owner hears of its end all the same */
  #leave(reason: unknown, owner?: RelayOwner): Promise<void> {
    this.#isOver = true
    // What it was asked for ahead is not wanted any more.
    this.#isStarted = false
    this.#owner = owner
    for (const gate of this.#gates) gate.fail(reason)
    this.#many?.close((failure) => failure && this.rules?.onLate?.(failure.reason))
    const iterator = this.#iterator
    this.#left = iterator === undefined ? this.#leaveUnread() : iterator.closed()
    const left = () => {
      this.#isDone = true
      this.#checkReleased()
    }
    whenSettled(this.#left, left, left)
    return this.#left
  }

  /** The last pull of a stream may never settle, and none of its code runs by that. */
  get #isReleased(): boolean {
    return this.#isDone && (!this.#isAsking || this.#iterator?.isStream === true)
  }

  #checkReleased(): void {
    if (this.#isReleased) this.#onReleased?.()
  }

  async #leaveUnread(): Promise<void> {
    const { source, scope } = this
    const settled = isPromise(source) ? await source : source
    if (settled !== undefined && settled !== null) scope.runInAsyncScope(unwind, undefined, settled)
  }
}
