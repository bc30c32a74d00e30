/**
 * Async contexts (`AsyncLocalStorage`): each call has one of its own, and the library none of a call.
 *
 * A scope is an `AsyncResource`, so what its code sets with `enterWith` is seen by that code and what it starts, and by
 * nothing else. An iterable that a user hands over is pulled in the context in which it was handed over. A codec has none of
 * its own: the same one may decode in the context of whoever pulls, or of none.
 */

import { AsyncLocalStorage, AsyncResource, executionAsyncId } from 'node:async_hooks'

export type Scope = AsyncResource

const asLoaded: <R>(fn: () => R) => R = AsyncLocalStorage.snapshot()
// With the trigger given, Node reads no options: that is a third of the cost.
const create = () => new AsyncResource('it-grid', executionAsyncId())

/** A scope that starts with the context of the code that calls this. */
export function captureScope(): Scope {
  return create()
}

/** Runs `fn`, and what it starts, in a scope of its own that starts with the context in which this library was loaded. */
export function detached<R>(fn: () => R): R {
  return asLoaded(create).runInAsyncScope(fn)
}
