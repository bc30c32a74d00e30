/**
 * Tries a call again where that is safe: what certainly was not sent always, what may have run only where it may run twice,
 * and what ran never.
 *
 * `retry` is for one call, whatever makes it; `retries` for all requests of a manager.
 */

import { abortReason, listenToAbort, unlessAborted } from '../base/abort.ts'
import { shield } from '../base/promise.ts'
import { aSignal, aTimeout, type CallOptions } from '../call/options.ts'
import { tellMaybeRan } from '../errors/cancellation.ts'
import { aBoolean, aFunction, aWholeNumber, check, type Kind, type Own, optionsReader } from '../errors/check.ts'
import { DeadlineError, GridError } from '../errors/errors.ts'
import { defaultRequestTimeoutMs, maxLimit, maxTimeoutMs } from '../errors/options.ts'
import { type CallerInterceptor, forCallers } from '../hooks/interceptor.ts'
import { setDeadline } from '../time/after-reading.ts'
import { Backoff } from '../time/backoff.ts'
import { countDown } from '../time/count-down.ts'
import { isHopelessThere, mayRepeat, readRetryAfterMs } from './may-repeat.ts'

export interface RetryOptions {
  /** Of all tries and the waits between them, in ms; `Infinity` for none. Default 60 000. */
  readonly timeout?: number
  /** Ends it; it then rejects with `signal.reason`. */
  readonly signal?: AbortSignal
  /** Also tries again what may have run. Default false: only what was certainly not sent. */
  readonly idempotent?: boolean
  /** Including the first one. Default: as many as the timeout has room for. */
  readonly maxAttempts?: number
  /** Upper bound of the first wait in ms, doubled by each try. The wait is random below it. Default 50. */
  readonly baseDelayMs?: number
  /** Upper bound of all waits, in ms. Default 2000. */
  readonly maxDelayMs?: number
  /** Asked last: all but `true` ends it. It cannot make safe what is not. */
  readonly shouldRetry?: (error: unknown, attempt: number) => boolean
}

/** The time that is left for one attempt, and the signal: the options of its call. */
export type AttemptOptions = Required<Pick<CallOptions, 'timeout' | 'signal'>>

/** Calls that were given the time that is left end by themselves; others are left so long behind it. */
const ownEndMs = 50

const aDelay: Kind = {
  must: `must be from 0 to ${maxTimeoutMs} ms`,
  is: (value) => typeof value === 'number' && value >= 0 && value <= maxTimeoutMs
}
const ofRetries = {
  ...{ maxAttempts: aWholeNumber(1, maxLimit), baseDelayMs: aDelay, maxDelayMs: aDelay, shouldRetry: aFunction }
}
const readRetry = optionsReader<RetryOptions>(
  'retry()',
  { ...ofRetries, timeout: aTimeout, signal: aSignal, idempotent: aBoolean },
  { retries: 'maxAttempts counts the first one, too' }
)
const readRetries = optionsReader<Omit<RetryOptions, 'timeout' | 'signal' | 'idempotent'>>('retries()', ofRetries, {
  ...{ retries: 'maxAttempts counts the first one, too', idempotent: 'it is told by each definition' },
  ...{ timeout: 'it is that of each call', signal: 'it is that of each call' }
})

/**
 * Calls `fn`, again and again while it fails by what certainly was not sent (`delivery: 'notSent'`), or, with `idempotent`,
 * may have run. What ran is never tried again, nor what can never succeed: a wrong option, a denied call, an unknown handler.
 * Waits at least the `retryAfterMs` of a refusal. Pass `fn` its options on to the call.
 *
 * @example
 *
 * ```ts
 * await retry((left) => peer.request(put, value, left), { timeout: 2000 })
 * ```
 *
 * @throws the last error; its `cause` is the first one, unless it has a cause of its own, and its `delivery` is `maybeRan` where
 * an earlier attempt may have run
 * @throws {DeadlineError} when the timeout passes while `fn` runs
 * @throws {InvalidOptionError} when an option is wrong
 * @throws `signal.reason` when the signal aborted
 */
export async function retry<T>(
  fn: (options: AttemptOptions, attempt: number) => PromiseLike<T>,
  options?: RetryOptions
): Promise<T> {
  check('the first argument of retry()', fn, aFunction)
  return await new Retrying(readRetry(options)).run(fn)
}

/**
 * An interceptor that tries requests of a manager again, as `retry` does. What may have run is tried again only where the
 * definition is `idempotent`. The timeout of a call is that of all its tries. Streams are opened once. Where interceptors of
 * handlers are taken it is refused.
 *
 * @throws {InvalidOptionError} when an option is wrong
 */
export function retries(options?: Omit<RetryOptions, 'timeout' | 'signal' | 'idempotent'>): CallerInterceptor {
  const read = readRetries(options)
  const interceptor: CallerInterceptor = {
    single: ({ timeout, signal, idempotent }, next) =>
      new Retrying({ ...read, timeout, signal, idempotent }).run(() => next())
  }
  return forCallers(interceptor, 'retries()')
}

class Retrying {
  readonly #options: Partial<Own<RetryOptions>>
  readonly #timeoutMs: number
  readonly #left: () => number
  readonly #backoff: Backoff
  readonly #ending = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #attempt = 0
  /** Of the first attempt. */
  #first: unknown
  /** An attempt may have run. */
  #mayHaveRun = false

  constructor(options: Partial<Own<RetryOptions>>) {
    const { timeout = defaultRequestTimeoutMs, baseDelayMs = 50, maxDelayMs = 2000 } = options
    this.#options = options
    this.#timeoutMs = timeout
    this.#left = countDown(timeout)
    const delays = { firstDelayMs: baseDelayMs, baseDelayMs: 2 * baseDelayMs, maxDelayMs }
    this.#backoff = new Backoff({ ...delays, stableAfterMs: 0 })
  }

  async run<T>(fn: (options: AttemptOptions, attempt: number) => PromiseLike<T>): Promise<T> {
    const { signal } = this.#options
    const unlisten = signal === undefined ? undefined : listenToAbort(signal, (reason) => this.#ending.abort(reason))
    this.#endLate()
    try {
      for (;;) {
        try {
          return await this.#try(fn)
        } catch (error) {
          await this.#waitAfter(error)
        }
      }
    } finally {
      unlisten?.()
      clearTimeout(this.#timer)
    }
  }

  /** The wait for what does not end by itself begins when the time is over: behind a stall all timers fire at once. */
  #endLate(): void {
    if (this.#timeoutMs > maxTimeoutMs) return
    const end = () => this.#ending.abort(this.#createLate())
    this.#timer = setTimeout(() => {
      this.#timer = setDeadline(end, ownEndMs)
    }, this.#timeoutMs)
  }

  async #try<T>(fn: (options: AttemptOptions, attempt: number) => PromiseLike<T>): Promise<T> {
    const { signal } = this.#ending
    if (signal.aborted) throw abortReason(signal)
    this.#attempt++
    return await unlessAborted(fn({ timeout: Math.max(1, this.#left()), signal }, this.#attempt), signal)
  }

  /** Throws what is to be thrown if there is no other try. */
  async #waitAfter(error: unknown): Promise<void> {
    const { idempotent = false, maxAttempts = Number.POSITIVE_INFINITY } = this.#options
    const { signal } = this.#ending
    if (this.#attempt === 1) this.#first = error
    if (GridError.is(error) && error.delivery === 'maybeRan') this.#mayHaveRun = true
    if (signal.aborted) throw abortReason(signal)
    const isLast = !mayRepeat(error, idempotent) || isHopelessThere(error) || this.#attempt >= maxAttempts
    if (isLast || !this.#isWanted(error)) throw this.#withFirst(error)
    const waitMs = Math.max(this.#backoff.nextMs(), readRetryAfterMs(error))
    if (waitMs >= Math.min(this.#left(), maxTimeoutMs)) throw this.#withFirst(error)
    let timer: NodeJS.Timeout | undefined
    try {
      await unlessAborted(
        new Promise<void>((resolve) => {
          timer = setTimeout(resolve, waitMs)
        }),
        signal
      )
    } finally {
      clearTimeout(timer)
    }
  }

  #isWanted(error: unknown): boolean {
    const { shouldRetry } = this.#options
    if (shouldRetry === undefined) return true
    const answer: unknown = shouldRetry(error, this.#attempt)
    shield(answer)
    return answer === true
  }

  #withFirst(error: unknown): unknown {
    if (this.#mayHaveRun) tellMaybeRan(error)
    if (error !== this.#first && error instanceof Error && error.cause === undefined) {
      Reflect.defineProperty(error, 'cause', { value: this.#first, configurable: true, writable: true })
    }
    return error
  }

  #createLate(): DeadlineError {
    const text = `attempt ${this.#attempt} had no end within the ${this.#timeoutMs} ms of all attempts`
    return new DeadlineError(text, { delivery: 'maybeRan', ...(this.#attempt > 1 ? { cause: this.#first } : {}) })
  }
}
