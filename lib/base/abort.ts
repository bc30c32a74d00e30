/**
 * Abort signals: listening to one that many calls may share, and waiting for work until it aborts.
 *
 * A signal searches all its listeners when one is added or removed, and Node warns of a leak at the eleventh. So we add one
 * listener per signal, for a map of subscribers, and remove it with the last of them. A signal comes from the user and may
 * not be one of Node: its errors are thrown when listening begins, never later.
 */

import { setMaxListeners } from 'node:events'
import { whenSettled } from './promise.ts'
import { quietly } from './quietly.ts'
import { captureScope } from './scope.ts'

type OnAbort = (reason: unknown) => void

/** A signal of a user, or of ours. */
export type AnySignal = AbortSignal | InnerSignal

const subscriptions = new WeakMap<AbortSignal, Subscriptions>()

/**
 * Calls `onAbort` once when `signal` aborts, or now if it has; returns a function that removes the subscription.
 *
 * @throws the errors of a signal that is not one of Node
 */
export function listenToAbort(signal: AnySignal, onAbort: OnAbort): () => void {
  if (!signal.aborted) {
    if (signal instanceof InnerSignal) return signal.add(onAbort)
    const leave = (subscriptions.get(signal) ?? new Subscriptions(signal)).add(onAbort)
    if (!hasAborted(signal, leave)) return leave
  }
  onAbort(abortReason(signal))
  return () => undefined
}

/** Whether it aborted while it was listened to, as one that is not of Node may do. Then, or when it throws, it is left. */
function hasAborted(signal: AbortSignal, leave: () => void): boolean {
  let isOver = true
  try {
    isOver = signal.aborted
  } finally {
    if (isOver) leave()
  }
  return isOver
}

/**
 * Settles as `work` does, or rejects with the reason of `signal` as soon as it aborts. Leaves no listener behind.
 *
 * @param discard receives the value when the work is done after the abort
 */
export function unlessAborted<T>(
  work: T | PromiseLike<T>,
  signal: AbortSignal,
  discard?: (value: T) => void
): Promise<T> {
  return new Promise((resolve, reject) => {
    const unlisten = listenToAbort(signal, reject)
    whenSettled(
      work,
      (value) => {
        unlisten()
        if (signal.aborted) quietly(() => discard?.(value))
        else resolve(value)
      },
      (error) => {
        unlisten()
        reject(error)
      }
    )
  })
}

/** Why `signal` has aborted. For a signal without a reason: the default reason of Node. */
export function abortReason(signal: AnySignal): unknown {
  let reason: unknown
  try {
    reason = signal.reason
  } catch (error) {
    reason = error
  }
  return reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason
}

/**
 * A controller whose signal is given to users: any number of listeners is allowed, and one that throws or rejects harms nobody
 * else. By the rules of Node it would end the process. Nor does a `dispatchEvent` of the user's.
 */
export function createSharedController(): AbortController {
  const controller = new AbortController()
  controller.abort = abortQuietly
  setMaxListeners(0, Object.setPrototypeOf(controller.signal, sharedSignal))
  return controller
}

/** A signal that no user sees: an object, where an `AbortController` costs microseconds. What listens to it must not throw. */
export class InnerSignal {
  aborted = false
  reason: unknown
  #subscribers: Map<() => void, OnAbort> | undefined

  abort(reason: unknown): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    // A subscriber that another one removes is not called any more.
    for (const onAbort of this.#subscribers?.values() ?? []) onAbort(abortReason(this))
    this.#subscribers = undefined
  }

  /** For `listenToAbort`: until the function that it returns is called. */
  add(onAbort: OnAbort): () => void {
    const leave = () => void this.#subscribers?.delete(leave)
    this.#subscribers ??= new Map()
    this.#subscribers.set(leave, onAbort)
    return leave
  }
}

/**
 * A signal of one call that aborts with a signal that outlives the call. That holds nothing of it after `end()`.
 *
 * Its listeners run in the async context in which this was made.
 */
export class FollowingSignal {
  readonly #controller = createSharedController()
  readonly #scope = captureScope()
  #unlisten: (() => void) | undefined

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Aborts with `parent` from now on, or now if that has aborted. For one parent at a time. */
  follow(parent: AbortSignal): this {
    this.#unlisten ??= listenToAbort(parent, (reason) => {
      this.#scope.runInAsyncScope(() => this.#controller.abort(reason))
    })
    return this
  }

  /** May follow another one. */
  leave(): void {
    this.end()
    this.#unlisten = undefined
  }

  /** Stays as it is. */
  end(): void {
    this.#unlisten?.()
  }
}

type Listener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown }

const { addEventListener, removeEventListener } = EventTarget.prototype
const { abort } = AbortController.prototype
/** What is added in the place of a user's listener, by that. */
const quietListeners = new WeakMap<Listener, (event: Event) => void>()

function abortQuietly(this: AbortController, reason?: unknown): void {
  quietly(() => abort.call(this, reason))
}

function addQuietly(this: AbortSignal, type: string, listener: Listener, ...options: []): void {
  addEventListener.call(this, type, toQuiet(listener), ...options)
}

function removeQuietly(this: AbortSignal, type: string, listener: Listener, ...options: []): void {
  removeEventListener.call(this, type, toQuiet(listener), ...options)
}

interface OnAbortHandler {
  readonly given: Listener
  readonly listener: Listener
}

/** What was given to `onabort` of each signal. */
const onAbortHandlers = new WeakMap<AbortSignal, OnAbortHandler>()

/** That of Node adds a listener by the method of the signal. That of Bun does not, and would end the process. */
const onAbortQuietly: PropertyDescriptor & ThisType<AbortSignal> = {
  configurable: true,
  enumerable: true,
  get() {
    return onAbortHandlers.get(this)?.given ?? null
  },
  set(given: unknown) {
    const before = onAbortHandlers.get(this)
    if (before !== undefined) this.removeEventListener('abort', before.listener)
    onAbortHandlers.delete(this)
    if (typeof given !== 'function') return
    const listener = (event: Event): unknown => Reflect.apply(given, this, [event])
    onAbortHandlers.set(this, { given: given as Listener, listener })
    this.addEventListener('abort', listener)
  }
}

/** Shared by all of them: three properties of each signal's own cost more than the signal. */
const sharedSignal = Object.create(AbortSignal.prototype, {
  addEventListener: { value: addQuietly, writable: true, enumerable: true, configurable: true },
  removeEventListener: { value: removeQuietly, writable: true, enumerable: true, configurable: true },
  onabort: onAbortQuietly
})

function toQuiet(listener: Listener): (event: Event) => void {
  const isListener = typeof listener === 'function' || (typeof listener === 'object' && listener !== null)
  // Whatever it is then, it is for the signal to refuse.
  if (!isListener) return listener
  const known = quietListeners.get(listener)
  if (known !== undefined) return known
  const quiet = function (this: unknown, event: Event): void {
    quietly(() =>
      typeof listener === 'function' ? Reflect.apply(listener, this, [event]) : listener.handleEvent(event)
    )
  }
  quietListeners.set(listener, quiet)
  // Node removes it by itself, by the method of the signal, where it was added with a signal.
  quietListeners.set(quiet, quiet)
  return quiet
}

/** The subscribers of one signal in order, each by the function that removes it. */
class Subscriptions {
  readonly #signal: AbortSignal
  readonly #subscribers = new Map<() => void, OnAbort>()

  constructor(signal: AbortSignal) {
    this.#signal = signal
    // The user may add ten listeners: ours must not be the eleventh that causes the warning.
    if (signal instanceof EventTarget) setMaxListeners(0, signal)
    signal.addEventListener('abort', this.#onAbort)
    subscriptions.set(signal, this)
  }

  add(onAbort: OnAbort): () => void {
    const leave = () => {
      if (this.#subscribers.delete(leave) && this.#subscribers.size === 0) this.#stop()
    }
    this.#subscribers.set(leave, onAbort)
    return leave
  }

  readonly #onAbort = (): void => {
    this.#stop()
    const reason = abortReason(this.#signal)
    const failures: unknown[] = []
    // A subscriber that another one removes is not called any more.
    for (const [leave, onAbort] of this.#subscribers) {
      this.#subscribers.delete(leave)
      try {
        onAbort(reason)
      } catch (error) {
        failures.push(error)
      }
    }
    // All were called. Now the signal handles the error like that of any listener.
    if (failures.length > 0) throw failures[0]
  }

  #stop(): void {
    if (subscriptions.get(this.#signal) === this) subscriptions.delete(this.#signal)
    try {
      this.#signal.removeEventListener('abort', this.#onAbort)
    } catch {
      // The call that listened has ended, and must not fail by this.
    }
  }
}
