/**
 * The interceptors of one call, at either end, outermost first: each gets the next one as a function.
 *
 * Whatever they throw or return fails or ends their own call. When that is over, nothing of them is left.
 */

import { shield } from '../base/promise.ts'
import { describeValue } from '../base/text.ts'
import { ClosedError } from '../errors/errors.ts'
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
}

/** Where a request goes on behind all of them, */
type SingleEnd<Call> = (call: Call) => unknown
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

  /** The call is over: no `next` goes on, and what is still open of its messages is left. */
  end(reason: unknown): void {
    this.#isOver = true
    for (const relay of this.#relays) relay.close(reason)
  }

  async single(call: Call, end: SingleEnd<Call>, at = 0): Promise<unknown> {
    const interceptor = this.#interceptors[at]
    if (interceptor === undefined) return await end(call)
    if (interceptor.single === undefined) return await this.single(call, end, at + 1)
    let calls = 0
    const next = (changes?: Changes): Promise<unknown> => {
      const going = this.#goOn(call, changes, calls++, end, at + 1)
      // The interceptor may leave it alone.
      shield(going)
      return going
    }
    return await interceptor.single(call, next)
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

  async #goOn(
    call: Call,
    changes: Changes | undefined,
    before: number,
    end: SingleEnd<Call>,
    at: number
  ): Promise<unknown> {
    this.#check(before > 0 && !this.#rules.repeats ? 'a handler runs once for a call' : undefined)
    return await this.single(this.#change(call, changes), end, at)
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
    return relay
  }
}

function createWrongError(given: unknown): TypeError {
  return new TypeError(
    `streaming of an interceptor must return an async iterable, such as next(); it returned ${describeValue(given)}`
  )
}
