/**
 * The interceptors of one call, at either end, outermost first: each gets the next one as a function.
 *
 * Whatever they throw or return fails or ends their own call. When that is over, nothing of them is left.
 */

import { settled, shield } from '../base/promise.ts'
import { describeValue } from '../base/text.ts'
import { CancelledError, ClosedError } from '../errors/errors.ts'
import type { Failure } from '../errors/failure.ts'
import type { Producer } from '../producer/producer.ts'
import type { CallInfo } from './call-info.ts'
import { Gate } from './gate.ts'
import type { Interceptor, StreamingPart } from './interceptor.ts'
import { Relay } from './relay.ts'

/** The rules of this end. */
export interface ChainRules<Call> {
  /** Whether a request may go on several times. */
  readonly repeats: boolean
  /** The same call with these changes; throws where they are wrong. */
  change(call: Call, changes: object): Call
  /** Hears of what code of this end throws when the messages of a stream are not wanted any more. */
  onLate?(error: unknown): void
}

/** Where a request goes on behind all of them: its promise may be dropped, */
type SingleEnd<Call> = (call: Call) => Promise<unknown>
/** and a stream, whose first pull `above` holds. */
type StreamingEnd<Call> = (call: Call, above: Gate | undefined) => Relay

/** Errors for a `next` that was called as it must not be: the code of an interceptor is wrong. */
const misuses = new WeakSet<object>()

export function isMisuse(error: unknown): boolean {
  return typeof error === 'object' && error !== null && misuses.has(error)
}

export class Chain<Call extends CallInfo & StreamingPart, Changes extends object> {
  readonly #interceptors: readonly Interceptor<Call, Changes>[]
  readonly #rules: ChainRules<Call>
  readonly #relays: Relay[] = []
  #isOver = false

  constructor(interceptors: readonly Interceptor<Call, Changes>[], rules: ChainRules<Call>) {
    this.#interceptors = interceptors
    this.#rules = rules
  }

  /** The call is over, by `failure` if any: no `next` goes on, and what is still open of its messages is left. */
  end(failure: Failure | undefined): void {
    this.#isOver = true
    for (const relay of this.#relays) if (!relay.isOver) relay.close((failure ?? createEnd()).reason)
  }

  /** Never throws: whatever it comes to is a promise of the language. */
  single(call: Call, end: SingleEnd<Call>, at = 0): Promise<unknown> {
    const interceptor = this.#interceptors[at]
    if (interceptor !== undefined && interceptor.single === undefined) return this.single(call, end, at + 1)
    try {
      if (interceptor?.single === undefined) return end(call)
      let calls = 0
      const next = (changes?: Changes): Promise<unknown> => {
        try {
          this.#check(calls++ > 0 && !this.#rules.repeats ? 'a handler runs once for a call' : undefined)
          return this.single(this.#change(call, changes), end, at + 1)
        } catch (reason) {
          return toRejected(reason)
        }
      }
      const result = settled(interceptor.single(call, next))
      // The one around it may leave it alone.
      if (at > 0) shield(result)
      return result
    } catch (reason) {
      return toRejected(reason)
    }
  }

  streaming(call: Call, end: StreamingEnd<Call>, above?: Gate, at = 0): Relay {
    const interceptor = this.#interceptors[at]
    if (interceptor === undefined) return this.#add(end(call, above))
    if (interceptor.streaming === undefined) return this.streaming(call, end, above, at + 1)
    let calls = 0
    const gate = new Gate()
    const next = (changes?: Changes & { readonly requests?: Producer<unknown> }): Relay => {
      this.#check(calls++ > 0 ? 'a stream is opened once' : undefined)
      return this.streaming(this.#change(call, changes), end, gate, at + 1)
    }
    let given: unknown
    try {
      given = interceptor.streaming(call, next)
      // One of another call is an iterable like any other.
      if (given instanceof Relay && this.#relays.includes(given)) return given.passAs(above, gate)
      if (given === undefined || given === null) throw createWrongError(given)
    } catch (error) {
      given = Promise.reject(error)
    }
    return this.#add(new Relay(given, above, gate)).start()
  }

  #change(call: Call, changes: object | undefined): Call {
    return changes === undefined ? call : this.#rules.change(call, changes)
  }

  #check(whyNotAgain: string | undefined): void {
    if (whyNotAgain !== undefined) {
      const error = new ClosedError(`next() was called before: ${whyNotAgain}`)
      misuses.add(error)
      throw error
    }
    if (this.#isOver) throw new ClosedError('next() was called too late: the call has ended', { delivery: 'notSent' })
  }

  #add(relay: Relay): Relay {
    this.#relays.push(relay)
    relay.rules = this.#rules
    return relay
  }
}

/** A rejected promise that may be dropped. */
function toRejected(reason: unknown): Promise<never> {
  const rejected = Promise.reject(reason)
  shield(rejected)
  return rejected
}

/** Of a call that has its answer. An error costs microseconds, so it is made where somebody hears of it. */
export function createEnd(): Failure {
  return { reason: new CancelledError('the call has ended') }
}

function createWrongError(given: unknown): TypeError {
  return new TypeError(
    `streaming of an interceptor must return an async iterable, such as next(); it returned ${describeValue(given)}`
  )
}
