/**
 * The sending half of a stream: pulls the producer only with credit, and only while the outbox has room.
 *
 * The producer may be an async or a plain iterator; a plain one is pulled without waiting. Knows the window and one slot for
 * a message, but no frames.
 */

import { byteLengthOf } from '../base/bytes.ts'
import { isPromise, shieldWithin, toPromise, whenSettled } from '../base/promise.ts'
import { captureScope, type Scope } from '../base/scope.ts'
import type { Failure } from '../errors/failure.ts'
import { scopeOf, valuesOf } from '../producer/many.ts'
import { type Producer, ProducerIterator, shieldResult, toResult } from '../producer/producer.ts'
import { releaseStream } from '../producer/stream-source.ts'
import type { SinkOwner } from './port.ts'
import type { SendWindow } from './window.ts'

/** What the sending half needs from its stream. */
export interface SinkPort {
  /** The slot for the next message is empty. */
  readonly canTake: boolean
  /** Puts one message of so many bytes into the slot. */
  sendMessage(payload: Uint8Array, flags: number, bytes: number): void
  /** The producer ended. */
  sendEnd(): void
}

export class Sink<T> {
  /** As `onTaken` tells. */
  taken = 0
  #sent = 0
  readonly #port: SinkPort
  readonly #window: Pick<SendWindow, 'canSend' | 'take'>
  readonly #owner: SinkOwner<T>
  #iterator: ProducerIterator | undefined
  /** The values that the producer gave at once: they go before it is pulled again. */
  #many: ProducerIterator | undefined
  /** So many of them are sent: the last one of an array is known without credit for another. */
  #manySent = 0
  /** The async context in which the producer was handed over: each pull of it happens there. */
  #scope: Scope | undefined
  #state: 'idle' | 'pulling' | 'done' = 'idle'
  /** `next()` of the producer is being called. */
  #isAsking = false
  /** A promise that `next()` gave, of a result or of a value, has not settled. */
  #isAwaiting = false
  /** The producer has ended, thrown, or was unwound. */
  #isOver = false
  readonly #onResult = (result: unknown) => this.#onPulled(result)
  readonly #onError = (error: unknown) => this.#onThrown(error)

  constructor(port: SinkPort, window: Pick<SendWindow, 'canSend' | 'take'>, owner: SinkOwner<T>) {
    this.#port = port
    this.#window = window
    this.#owner = owner
  }

  /** Sets the producer and begins to pull it, in `scope`. One that is no iterable has failed, by what it `must` be. */
  attach(producer: Producer<T>, must?: string, scope = captureScope()): void {
    this.#scope = scope
    scope.runInAsyncScope(this.#attach, this, producer, must)
  }

  /** The producer is told that no more values are wanted, and has not ended by that yet. */
  get isUnwinding(): boolean {
    return this.#state === 'done' && this.#iterator !== undefined && !this.#isOver
  }

  /** Pulls while there is credit and room. Called when either arrives. */
  pump(): void {
    this.#confirm()
    if (this.#isDue()) this.#scope?.runInAsyncScope(this.#pull, this)
  }

  #attach(producer: Producer<T>, must: string | undefined): void {
    try {
      this.#iterator = new ProducerIterator(producer, must)
    } catch (error) {
      releaseStream(producer)
      return this.#state === 'done' ? this.#onOver(undefined) : this.#onThrown(error)
    }
    if (this.#state === 'done') this.#unwind()
    else this.pump()
  }

  #isDue(): boolean {
    return this.#state === 'idle' && this.#port.canTake && this.#window.canSend
  }

  #pull(): void {
    while (this.#iterator !== undefined && this.#isDue()) {
      const iterator = this.#many ?? this.#iterator
      this.#state = 'pulling'
      this.#isAsking = true
      try {
        const result = iterator.next()
        if (iterator.isAsync && isPromise(result)) this.#await(result, this.#onResult, this.#onError)
        this.#isAsking = false
        if (this.#isStopped()) return this.#leave(result)
        if (this.#isAwaiting || !this.#take(result, iterator.isAsync)) return
      } catch (error) {
        this.#onThrown(error)
      }
    }
  }

  /** `next()` may stop this half. */
  #isStopped(): boolean {
    return this.#state === 'done'
  }

  #await<V>(promise: PromiseLike<V>, onValue: (value: V) => void, onError: (error: unknown) => void): void {
    this.#isAwaiting = true
    whenSettled(promise, onValue, onError)
  }

  /** This half was stopped while it asked for this result. */
  #leave(result: unknown): void {
    if (!this.#isAwaiting) shieldResult(result)
    this.#unwind()
  }

  /** Takes no more values: unwinds the producer, so that its `finally` runs. */
  stop(): void {
    if (this.#state === 'done') return
    this.#state = 'done'
    this.#owner.onUnwanted?.()
    // A producer that is attached later is unwound then, and one that is being asked when it has answered.
    if (this.#iterator !== undefined && !this.#isAsking) this.#unwind()
  }

  #onPulled(result: unknown): void {
    this.#isAwaiting = false
    if (this.#state !== 'pulling') {
      shieldResult(result)
      return this.#release()
    }
    try {
      if (this.#take(result, true)) this.#pull()
    } catch (error) {
      this.#onThrown(error)
    }
  }

  #onAwaited(value: T): void {
    this.#isAwaiting = false
    if (this.#state !== 'pulling') return this.#release()
    if (this.#send(value)) this.#pull()
  }

  #onProducerEnd(): void {
    this.#isAwaiting = false
    if (this.#state !== 'pulling') return this.#release()
    this.#state = 'done'
    this.#onOver(undefined)
    this.#port.sendEnd()
  }

  /** Returns whether the producer can be pulled again: not while a value is awaited. */
  #take(given: unknown, isAsync: boolean): boolean {
    const result = toResult<T | PromiseLike<T>>(given)
    const isLast = Boolean(result.done)
    if (isAsync) {
      if (!isLast) return this.#send(result.value as T)
    } else {
      const { value } = result
      const promise = toPromise<T>(value)
      if (promise !== undefined) {
        if (isLast) this.#awaitLast(promise)
        else this.#awaitValue(promise)
        return false
      }
      if (!isLast) return this.#send(value as T)
    }
    return this.#onIteratorEnd()
  }

  /** The value beside the end of a plain iterator is dropped, as in the language; but not a promise that rejects. */
  #awaitLast(promise: PromiseLike<T>): void {
    const onEnd = () => {
      if (this.#onIteratorEnd()) this.#pull()
    }
    this.#await(promise, onEnd, this.#onError)
  }

  /** Apart, for its functions would cost each value that is no promise the memory of their scope. */
  #awaitValue(promise: PromiseLike<T>): void {
    const onBad = (error: unknown) => this.#onBadValue(error)
    this.#await(promise, (value) => this.#onAwaited(value), onBad)
  }

  /** Returns whether the producer can be pulled again: it can be after the end of a `many`. */
  #onIteratorEnd(): boolean {
    if (this.#many === undefined || this.#state !== 'pulling') {
      this.#onProducerEnd()
      return false
    }
    this.#many = undefined
    this.#isAwaiting = false
    this.#onSent()
    return true
  }

  /** Returns whether the producer can be pulled again. */
  #send(value: T): boolean {
    let payload: Uint8Array
    try {
      const values = valuesOf(value)
      if (values !== undefined) return this.#open(values, scopeOf(value))
      payload = this.#owner.encode(value)
    } catch (error) {
      shieldWithin(value)
      this.#onBadValue(error)
      return false
    }
    if (this.#state !== 'pulling') return false
    const bytes = byteLengthOf(payload)
    this.#window.take(bytes)
    this.#port.sendMessage(payload, 0, bytes)
    if (this.#many?.array?.length === ++this.#manySent) this.#many = undefined
    if (this.#many === undefined) this.#onSent()
    else this.#rest()
    return true
  }

  /** Goes on with the values that the producer gave at once. Returns whether they can be pulled. */
  #open(values: Iterable<unknown>, scope: Scope | undefined): boolean {
    if (this.#many !== undefined) throw new TypeError('a many() holds another one')
    const many = new ProducerIterator(values, undefined, scope, true)
    if (this.#state !== 'pulling') {
      many.close(() => undefined)
      return false
    }
    this.#many = many
    this.#manySent = 0
    this.#rest()
    return true
  }

  /** Sending may have ended the stream, and with it this half. */
  #rest(): void {
    if (this.#state === 'pulling') this.#state = 'idle'
  }

  /** A value of the producer is sent, all of it. */
  #onSent(): void {
    this.#rest()
    this.#sent++
    this.#confirm()
  }

  /** A value counts as taken once the slot is empty again. */
  #confirm(): void {
    if (this.taken === this.#sent || !this.#port.canTake) return
    this.taken = this.#sent
    this.#owner.onTaken?.(this.taken)
  }

  /** The producer threw, which ended it. */
  #onThrown(error: unknown): void {
    if (this.#many !== undefined) return this.#onManyThrown(error)
    const wasAsked = this.#isAsking
    this.#isAsking = this.#isAwaiting = false
    if (this.#state === 'done') {
      this.#owner.onLate?.(error)
      return wasAsked ? this.#onOver(undefined) : this.#release()
    }
    this.#state = 'done'
    // First the failure: `onSettled` tells a caller of `sink` that all requests were taken.
    this.#owner.onFailed(error, true)
    this.#onOver(undefined)
  }

  /** The values that the producer gave at once threw, which ended them. */
  #onManyThrown(error: unknown): void {
    const wasAsked = this.#isAsking
    this.#isAsking = false
    this.#many = undefined
    if (wasAsked && this.#state === 'done') this.#unwind()
    else this.#onBadValue(error)
  }

  /** A value cannot be sent. The producer does not know that and is unwound. */
  #onBadValue(error: unknown): void {
    this.#isAwaiting = false
    if (this.#state === 'done') {
      this.#owner.onLate?.(error)
      return this.#release()
    }
    this.#state = 'done'
    this.#owner.onFailed(error, false)
    this.#unwind()
  }

  #unwind(): void {
    const iterator = this.#iterator
    if (iterator === undefined) return
    const many = this.#many
    this.#many = undefined
    this.#scope?.runInAsyncScope(() => {
      let failed: Failure | undefined
      many?.close((failure) => {
        failed = failure
      })
      iterator.close((failure) => this.#onOver(failure ?? failed))
    })
    // The last pull of a stream may never settle, and none of its code runs by that.
    if (iterator.isStream) this.#owner.onReleased?.()
  }

  #onOver(failure: Failure | undefined): void {
    this.#isOver = true
    this.#owner.onSettled?.(failure)
    this.#release()
  }

  #release(): void {
    if (this.#isOver && !this.#isAwaiting) this.#owner.onReleased?.()
  }
}
