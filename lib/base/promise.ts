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

// Not the `then` of the promise: that may be replaced.
const { then } = Promise.prototype

/** Never throws. Neither callback may throw. */
export function whenSettled<T>(
  promise: T | PromiseLike<T>,
  onValue: (value: T) => void,
  onError: (error: unknown) => void
): void {
  const plain = isPlain(promise) ? promise : awaited(promise)
  then.call(plain, onValue as (value: unknown) => void, onError)
}

/** `then` asks a promise for its `constructor`: this one has that of the language. */
function isPlain<T>(promise: T | PromiseLike<T>): promise is Promise<T> {
  return (
    types.isPromise(promise) &&
    Object.getPrototypeOf(promise) === Promise.prototype &&
    !Object.hasOwn(promise, 'constructor')
  )
}

/** What it does when it is asked is its result. */
async function awaited<T>(promise: T | PromiseLike<T>): Promise<T> {
  return await promise
}
