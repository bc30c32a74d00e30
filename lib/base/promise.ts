/** Promises as `await` takes them: whatever a `then` of the user's does, one of two callbacks is called, once, and later. */

import { types } from 'node:util'

/** A property that throws when it is read is for the caller to catch. */
export function isPromise<T>(value: unknown): value is PromiseLike<T> {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function'
  return isObject && typeof (value as PromiseLike<T>).then === 'function'
}

/** The promise that `value` is, if it is one; a rejected one when that cannot be found out. */
export function toPromise<T>(value: unknown): PromiseLike<T> | undefined {
  try {
    return isPromise<T>(value) ? value : undefined
  } catch (error) {
    return Promise.reject(error)
  }
}

/** Keeps a promise, if `value` is one, from ending the process by a rejection that nobody awaits. */
export function shield(value: unknown): void {
  if (types.isPromise(value)) whenSettled(value, ignore, ignore)
}

function ignore(): void {}

/** So many values are looked at for promises that are dropped: more of them would hold up the process. */
const maxLooks = 10_000

/** Shields the elements of an array, a Set or a Map, the first 10 000. Calls no code of the user. */
export function shieldEach(collection: unknown): void {
  let looks = 0
  for (const element of elementsOf(collection)) {
    if (typeof element === 'object') shield(element)
    if (++looks === maxLooks) return
  }
}

/** Shields a value that is dropped, and what it holds: elements and properties. Calls no code of the user. */
export function shieldWithin(value: unknown): void {
  const found = new Set([value])
  for (const each of found) {
    shield(each)
    for (const part of elementsOf(each, propertiesOf)) {
      if (found.size === maxLooks) break
      if (typeof part === 'object' && part !== null) found.add(part)
    }
  }
}

const noElements: readonly unknown[] = []
const { entries } = Map.prototype
const { values } = Set.prototype

function elementsOf(value: unknown, ofObject: (object: object) => Iterable<unknown> = () => noElements) {
  if (typeof value !== 'object' || value === null || types.isProxy(value) || ArrayBuffer.isView(value))
    return noElements
  if (Array.isArray(value)) return elementsOfArray(value)
  if (types.isSet(value)) return values.call(value)
  return types.isMap(value) ? elementsOfMap(value) : ofObject(value)
}

/** No getter is called: what it gives is made anew. */
function elementsOfArray(array: readonly unknown[]): unknown[] {
  const elements: unknown[] = []
  const length = Math.min(array.length, maxLooks)
  for (let at = 0; at < length; at++) elements.push(Object.getOwnPropertyDescriptor(array, at)?.value)
  return elements
}

function* elementsOfMap(map: Map<unknown, unknown>): Iterable<unknown> {
  for (const pair of entries.call(map)) yield* pair
}

function* propertiesOf(object: object): Iterable<unknown> {
  for (const name of Object.keys(object)) yield Object.getOwnPropertyDescriptor(object, name)?.value
}

// Not the `then` of the promise: that may be replaced.
const { then } = Promise.prototype

const resolved = Promise.resolve()

/** Calls `run`, which must not throw, in a microtask. Fake timers may replace `queueMicrotask`, and would hold it up. */
export function soon(run: () => void): void {
  then.call(resolved, run)
}

/** Never throws. Neither callback may throw. */
export function whenSettled<T>(
  promise: T | PromiseLike<T>,
  onValue: (value: T) => void,
  onError: (error: unknown) => void
): void {
  const told = onValue as (value: unknown) => void
  // To ask whether it is a promise is a call out of JavaScript, and its answer is what `then` does if it is none.
  try {
    if (looksPlain(promise)) return void then.call(promise, told, onError)
  } catch {
    // It only looks like one, or is a proxy that does not let itself be asked.
  }
  then.call(settled(promise), told, onError)
}

/** The promise of the language that settles as `value` does: itself, where it is one. */
export function settled<T>(value: T | PromiseLike<T>): Promise<T> {
  return isPlain(value) ? value : awaited(value)
}

/** `then` asks a promise for its `constructor`: this one has that of the language. */
function isPlain<T>(promise: T | PromiseLike<T>): promise is Promise<T> {
  return types.isPromise(promise) && looksPlain(promise)
}

/** Reads no property, for a getter is code of the user. */
function looksPlain(value: unknown): value is Promise<unknown> {
  return isObject(value) && Object.getPrototypeOf(value) === Promise.prototype && !Object.hasOwn(value, 'constructor')
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** What it does when it is asked is its result. */
async function awaited<T>(promise: T | PromiseLike<T>): Promise<T> {
  return await promise
}

/**
 * A promise that rejects with `error`, whose stack then leads to the code that awaits: to the line of a call, and on from
 * there. V8 walks from this function to what awaits its promise, once that is settled with it: two turns later. So
 * successful calls pay nothing. For an error of ours that was made in a callback, where its stack says nothing.
 */
export async function rejectToCaller(error: Error): Promise<never> {
  await undefined
  await undefined
  giveStack(error)
  ours.add(error)
  throw error
}

/** Those that were given the stack of a caller, and may be given that of one further out. */
const ours = new WeakSet<object>()

/** Rejects with what a call within another one has failed by: to the caller of that one, where the error is ours. */
export function rejectFurther(reason: unknown): Promise<never> {
  return ours.has(Object(reason)) ? rejectToCaller(reason as Error) : Promise.reject(reason)
}

/** Gives an error the stack of who calls this, or of who has called `callee`. One that code of the user has frozen keeps its own. */
export function giveStack(error: Error, callee: (...args: never) => unknown = giveStack): void {
  try {
    Error.captureStackTrace(error, callee)
  } catch {
    // It is frozen.
  }
}
