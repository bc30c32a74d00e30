/** Interceptors stand around calls, at either end: their types, and their check where they are given. */

import { describeValue, nearest, printable } from '../base/text.ts'
import type { Metadata } from '../codec/metadata.ts'
import type { Kind as Check } from '../errors/check.ts'
import type { Producer } from '../producer/producer.ts'
import type { CallerCall, CallInfo, HandlerCall } from './call-info.ts'

/** What a caller's interceptor may change for the rest of the way. Each replaces what the call has. */
export interface CallChanges {
  readonly metadata?: Metadata
  /** From now on, in ms. It may be longer than what is left of the call, which then has that time. */
  readonly timeout?: number
  /** Cancels the rest of the way, as the signal of the call does, too. */
  readonly signal?: AbortSignal
}

/** A handler's interceptor changes nothing of that. */
export type NoChanges = { readonly [Name in keyof CallChanges]?: never }

export interface StreamingPart {
  /** Null where the handler takes none. Whoever sends others in their place leaves these when done, as `for await` does. */
  readonly requests: AsyncIterable<unknown> | null
}

/**
 * Stands around calls, at either end. Return `next()`, or what you make of it. A part that is left out lets its calls pass.
 *
 * An interceptor that throws fails its call. Whatever is still open when a call has ended is cancelled.
 */
export interface Interceptor<Call extends CallInfo = CallInfo, Changes extends object = NoChanges> {
  /**
   * For requests. Write it `async` where it waits. `next` gives the response. A caller's may call it again, or answer by
   * itself; a handler's may refuse by throwing before it calls `next`, which its caller sees as `delivery: 'notSent'`.
   */
  readonly single?: (call: Call, next: (changes?: Changes) => Promise<unknown>) => unknown
  /**
   * For streams. Write it `async *` where it looks at messages. `next` gives the responses, and can be called once.
   *
   * It is started when the call is made, so that the stream opens, and its first pull of `next()` waits for the first pull of
   * the consumer: nothing is read ahead. Every pull of what it returns runs in the async context in which it was called.
   */
  readonly streaming?: (
    call: Call & StreamingPart,
    next: (changes?: Changes & { readonly requests?: Producer<unknown> }) => AsyncIterable<unknown>
  ) => AsyncIterable<unknown>
}

export type CallerInterceptor = Interceptor<CallerCall, CallChanges>
export type HandlerInterceptor<Payload = unknown> = Interceptor<HandlerCall<Payload>>

/** For code without types. */
export const anInterceptorList: Check = {
  must: 'must be an array of interceptors: objects with a function single, or streaming, or both',
  is: (value) => Array.isArray(value) && value.every(isInterceptor),
  found(value) {
    const at = Array.isArray(value) ? value.findIndex((each) => !isInterceptor(each)) : -1
    return at < 0 ? undefined : `[${at}] of it ${describeElement((value as unknown[])[at])}`
  }
}

/** Interceptors that only a caller can have: their `next` is called again. By what made them. */
const ofCallers = new WeakMap<object, string>()

export function forCallers<Each extends CallerInterceptor>(interceptor: Each, madeBy: string): Each {
  ofCallers.set(interceptor, madeBy)
  return interceptor
}

/** As `anInterceptorList`, and none that only a caller can have. */
export const aHandlerInterceptorList: Check = {
  must: anInterceptorList.must,
  is: (value) => anInterceptorList.is(value) && !(value as object[]).some((each) => ofCallers.has(each)),
  found(value) {
    const wrong = anInterceptorList.is(value) ? (value as object[]).find((each) => ofCallers.has(each)) : undefined
    if (wrong === undefined) return anInterceptorList.found?.(value)
    return `${ofCallers.get(wrong)} is for callers: it belongs in interceptors.caller of a Manager`
  }
}

const parts = ['single', 'streaming']

function describeElement(element: unknown): string {
  if (typeof element !== 'object' || element === null) return `is ${describeValue(element)}`
  const wrong = parts.find((part) => !['undefined', 'function'].includes(typeof Reflect.get(element, part)))
  if (wrong !== undefined) return `has a ${wrong} that is ${describeValue(Reflect.get(element, wrong))}`
  const name = Object.keys(element).find((each) => meantBy(each) !== undefined)
  if (name === undefined) return 'has none of the two'
  return `has "${printable(name, 64)}" (did you mean "${meantBy(name)}"?)`
}

function meantBy(name: string): string | undefined {
  return parts.find((part) => name.length > 3 && part.startsWith(name)) ?? nearest(name, parts)
}

function isInterceptor(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { single, streaming } = value as Record<string, unknown>
  const parts = [single, streaming].filter((part) => part !== undefined)
  return parts.length > 0 && parts.every((part) => typeof part === 'function')
}

/** A copy, as the array of a user may change; undefined for none, so that calls have one thing to check. */
export function listOf<Each>(interceptors: readonly Each[] | undefined): readonly Each[] | undefined {
  return interceptors === undefined || interceptors.length === 0 ? undefined : [...interceptors]
}
