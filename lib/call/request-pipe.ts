/**
 * The requests of a stream on their way to the interceptors of its caller, which send others in their place.
 *
 * A sink pulls what the user gives, as for a stream: here the pulls of an interceptor are its credit. A request counts as
 * taken when what was sent for it is accepted by flow control, or when the next one is asked for.
 */

import { Fifo } from '../base/fifo.ts'
import type { Failure } from '../errors/failure.ts'
import type { Sink, SinkPort } from '../stream/sink.ts'

type Result<T> = IteratorResult<T, undefined>

interface Waiter<T> {
  resolve(result: Result<T>): void
  reject(reason: unknown): void
}

const noBytes = new Uint8Array(0)
const done: IteratorReturnResult<undefined> = Object.freeze({ done: true, value: undefined })

export class RequestPipe<T> implements AsyncIterableIterator<T, undefined>, SinkPort {
  sink: Pick<Sink<unknown>, 'pump' | 'stop'> | undefined
  /** `closed` when the whole stream has ended. */
  state: 'open' | 'closed' = 'open'
  /** What is asked for may be pulled. */
  readonly window: { readonly canSend: boolean; take(): void }
  readonly #onAbort: (failure: Failure) => void
  readonly #waiters = new Fifo<Waiter<T>>()
  /** Was encoded last, in no bytes. */
  #value: T | undefined
  /** The last request was given to an interceptor, and is not known to be taken. */
  #isHanded = false
  #isEnded = false
  #error: Failure | undefined

  /** @param onAbort hears why the source of the requests failed */
  constructor(onAbort: (failure: Failure) => void) {
    const waiters = this.#waiters
    this.#onAbort = onAbort
    this.window = {
      get canSend() {
        return waiters.length > 0
      },
      take() {}
    }
  }

  readonly encode = (value: T): Uint8Array => {
    this.#value = value
    return noBytes
  }

  get canTake(): boolean {
    return !this.#isHanded && !this.#isEnded
  }

  sendMessage(): void {
    this.#isHanded = true
    this.#waiters.shift()?.resolve({ done: false, value: this.#value as T })
    this.#value = undefined
  }

  sendEnd(): void {
    this.#end(undefined)
  }

  /** The source of the requests failed. */
  abort(failure: Failure): void {
    this.#end(failure)
    this.#onAbort(failure)
  }

  /** What was sent for the last request is accepted by flow control. */
  confirm(): void {
    this.#isHanded = false
    this.sink?.pump()
  }

  /** The whole stream has ended. */
  close(failure: Failure | undefined): void {
    this.state = 'closed'
    this.#end(failure)
    this.sink?.stop()
  }

  next(): Promise<Result<T>> {
    return new Promise((resolve, reject) => {
      const failure = this.#error
      this.#error = undefined
      if (failure !== undefined) return reject(failure.reason)
      if (this.#isEnded) return resolve(done)
      this.#waiters.push({ resolve, reject })
      this.confirm()
    })
  }

  async return(): Promise<Result<T>> {
    this.#end(undefined)
    this.sink?.stop()
    return done
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #end(failure: Failure | undefined): void {
    if (this.#isEnded) return
    this.#isEnded = true
    const first = this.#waiters.shift()
    if (failure === undefined) first?.resolve(done)
    else if (first === undefined) this.#error = failure
    else first.reject(failure.reason)
    for (let waiter = this.#waiters.shift(); waiter !== undefined; waiter = this.#waiters.shift()) waiter.resolve(done)
  }
}
