/**
 * The sending half of a stream: pulls the producer only with credit, and only while the outbox has room.
 *
 * The producer may be an async or a plain iterator; a plain one is pulled without waiting. Knows the window and one slot for
 * a message, but no frames.
 */

import { getIterator, type Iterators, isPromise, type Producer, type Result } from './producer.ts'
import type { SendWindow } from './window.ts'

/** What the sending half needs from its stream. */
export interface SinkPort {
  /** The slot for the next message is empty. */
  readonly canTake: boolean
  /** Puts one message into the slot. */
  sendMessage(payload: Uint8Array): void
  /** The producer ended. */
  sendEnd(): void
}

export class Sink<T> {
  /** Values accepted by flow control and written: their bytes belong to the caller again. */
  taken = 0
  /** Called when `taken` has grown. */
  onTaken: (() => void) | undefined
  /** Called at most once: the producer threw (and has `ended`), or one of its values cannot be encoded or is too large. */
  onFailed: ((error: unknown, ended: boolean) => void) | undefined
  /** Called at most once, by `stop` on a half that has not ended: no more values are wanted. */
  onStopped: (() => void) | undefined
  /** Called once, when the producer has ended, thrown, or was unwound. */
  onSettled: (() => void) | undefined
  #sent = 0
  readonly #port: SinkPort
  readonly #window: SendWindow
  readonly #encode: (value: T) => Uint8Array
  #iterator: Iterators<T> | undefined
  #state: 'idle' | 'pulling' | 'done' = 'idle'
  readonly #onResult = (result: Result<T>) => this.#onPulled(result)
  readonly #onValue = (value: T) => this.#onPulled({ done: false, value })
  readonly #onError = (error: unknown) => this.#onThrown(error)
  readonly #onValueError = (error: unknown) => this.#onBadValue(error)

  constructor(port: SinkPort, window: SendWindow, encode: (value: T) => Uint8Array) {
    this.#port = port
    this.#window = window
    this.#encode = encode
  }

  /** Sets the producer and begins to pull it. */
  attach(producer: Producer<T>): void {
    try {
      this.#iterator = getIterator(producer)
    } catch (error) {
      if (this.#state === 'done') this.onSettled?.()
      return this.#onThrown(error)
    }
    if (this.#state === 'done') this.#unwind()
    else this.pump()
  }

  /** Pulls while there is credit and room. Called when either arrives. */
  pump(): void {
    this.#confirm()
    const iterator = this.#iterator
    while (this.#state === 'idle' && iterator !== undefined && this.#port.canTake && this.#window.canSend) {
      this.#state = 'pulling'
      try {
        const result = iterator.next()
        if (isPromise(result)) {
          result.then(this.#onResult, this.#onError)
          return
        }
        // `next()` may have stopped this half.
        if (this.#state !== 'pulling' || !this.#take(result)) return
      } catch (error) {
        this.#onThrown(error)
      }
    }
  }

  /** Takes no more values: unwinds the producer, so that its `finally` runs. */
  stop(): void {
    if (this.#state === 'done') return
    this.#state = 'done'
    this.onStopped?.()
    // A producer that is attached later is unwound then.
    if (this.#iterator !== undefined) this.#unwind()
  }

  #onPulled(result: Result<T>): void {
    if (this.#state !== 'pulling') return
    try {
      if (this.#take(result)) this.pump()
    } catch (error) {
      this.#onThrown(error)
    }
  }

  /** Returns false when the value is a promise, which is awaited first. */
  #take(result: Result<T>): boolean {
    if (result.done === true) {
      this.#state = 'done'
      this.onSettled?.()
      this.#port.sendEnd()
      return true
    }
    if (isPromise(result.value)) {
      result.value.then(this.#onValue, this.#onValueError)
      return false
    }
    let payload: Uint8Array
    try {
      payload = this.#encode(result.value)
    } catch (error) {
      this.#onBadValue(error)
      return true
    }
    if (this.#state !== 'pulling') return false
    this.#window.take(payload.length)
    this.#port.sendMessage(payload)
    // Sending may have ended the stream, and with it this half.
    if (this.#state === 'pulling') this.#state = 'idle'
    this.#sent++
    this.#confirm()
    return true
  }

  /** A value counts as taken once the slot is empty again. */
  #confirm(): void {
    if (this.taken === this.#sent || !this.#port.canTake) return
    this.taken = this.#sent
    this.onTaken?.()
  }

  /** The producer threw, which ended it. */
  #onThrown(error: unknown): void {
    if (this.#state === 'done') return
    this.#state = 'done'
    // First the failure: `onSettled` tells a caller of `sink` that all requests were taken.
    this.onFailed?.(error, true)
    this.onSettled?.()
  }

  /** A value cannot be sent. The producer does not know that and is unwound. */
  #onBadValue(error: unknown): void {
    if (this.#state === 'done') return
    this.#state = 'done'
    this.onFailed?.(error, false)
    this.#unwind()
  }

  /** Errors of the producer are ignored while it is unwound: its stream has ended already. */
  #unwind(): void {
    const settled = () => this.onSettled?.()
    try {
      const returned = this.#iterator?.return?.()
      if (isPromise(returned)) returned.then(settled, settled)
      else settled()
    } catch {
      settled()
    }
  }
}
