/**
 * The receiving end of a conn: an async iterator over messages that have arrived and were not pulled yet.
 *
 * It bounds what waits by pausing its carrier. It copies nothing and knows no sockets. A hand-written iterator, since an
 * async generator costs three promises per message.
 */

import { Fifo } from '../base/fifo.ts'
import { ClosedError } from '../errors/errors.ts'

/** Counted for each waiting message in addition to its bytes, so that a flood of tiny messages is bounded too. */
const messageOverheadBytes = 64

export interface InboxOptions {
  /** The carrier is paused while more than this waits, and resumed at half of it. */
  highWaterMarkBytes: number
  pause(): void
  resume(): void
  /** The reader stopped before the end. */
  onReturn(): void
}

/** A queue with one reader. Used by `CarrierConn` as its `source`. */
export class Inbox implements AsyncIterableIterator<Uint8Array> {
  readonly #options: InboxOptions
  readonly #queue = new Fifo<Uint8Array>()
  #waitingBytes = 0
  #paused = false
  #over = false
  #error: Error | undefined
  #resolve: ((result: IteratorResult<Uint8Array>) => void) | undefined
  #reject: ((error: Error) => void) | undefined

  constructor(options: InboxOptions) {
    this.#options = options
  }

  /** Bytes of messages that were not pulled yet, and of their overhead. */
  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** A message arrived. After the end it is dropped: the reader knows that the conn is over. */
  push(message: Uint8Array): void {
    if (this.#over) return
    if (this.#resolve !== undefined) {
      this.#answer({ done: false, value: message })
      return
    }
    this.#queue.push(message)
    this.#waitingBytes += message.byteLength + messageOverheadBytes
    if (!this.#paused && this.#waitingBytes > this.#options.highWaterMarkBytes) {
      this.#paused = true
      this.#options.pause()
    }
  }

  /** Nothing more will arrive. What waits can still be pulled, then the iteration ends, or throws `error`. */
  end(error?: Error): void {
    if (this.#over) return
    this.#over = true
    this.#error = error
    if (error === undefined) this.#answer({ done: true, value: undefined })
    else this.#fail(error)
  }

  /** Drops what waits: the next pull throws `error`. */
  discard(error: Error): void {
    this.#clear()
    this.#over = false
    this.end(error)
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const message = this.#queue.shift()
    if (message !== undefined) {
      this.#onTaken(message)
      return Promise.resolve({ done: false, value: message })
    }
    if (this.#error !== undefined) return Promise.reject(this.#error)
    if (this.#over) return Promise.resolve({ done: true, value: undefined })
    if (this.#resolve !== undefined) {
      return Promise.reject(new ClosedError('a conn has one reader: next() was called before the last one settled'))
    }
    return new Promise(this.#wait)
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.#options.onReturn()
    this.#clear()
    this.#error = undefined
    this.end()
    // The carrier must continue to read, or it would not see the end of the conn.
    this.#resume()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  // One function per inbox, not one closure per message.
  readonly #wait = (resolve: (result: IteratorResult<Uint8Array>) => void, reject: (error: Error) => void): void => {
    this.#resolve = resolve
    this.#reject = reject
  }

  #onTaken(message: Uint8Array): void {
    this.#waitingBytes -= message.byteLength + messageOverheadBytes
    if (this.#waitingBytes <= this.#options.highWaterMarkBytes / 2) this.#resume()
  }

  #resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#options.resume()
  }

  #clear(): void {
    this.#queue.clear()
    this.#waitingBytes = 0
  }

  #answer(result: IteratorResult<Uint8Array>): void {
    const resolve = this.#resolve
    this.#resolve = undefined
    this.#reject = undefined
    resolve?.(result)
  }

  #fail(error: Error): void {
    const reject = this.#reject
    this.#resolve = undefined
    this.#reject = undefined
    reject?.(error)
  }
}
