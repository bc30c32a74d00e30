/** Listening to abort signals, which many calls may share, and waiting no longer than until they abort. */

import { setMaxListeners } from 'node:events'

/** Calls `onAbort` once when `signal` aborts, or now if it has; returns a function that removes the listener. */
export function listenToAbort(signal: AbortSignal, onAbort: () => void): () => void {
  if (signal.aborted) {
    onAbort()
    return () => undefined
  }
  // Node takes the eleventh listener for a leak. One signal for many calls at once is none.
  if (signal instanceof EventTarget) setMaxListeners(0, signal)
  signal.addEventListener('abort', onAbort, { once: true })
  return () => signal.removeEventListener('abort', onAbort)
}

/**
 * Settles as `work` does, or rejects with the reason of `signal` as soon as that aborts. No listener is left behind.
 *
 * @param discard gets the value of work that was done too late
 */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal, discard?: (value: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const unlisten = listenToAbort(signal, () => reject(signal.reason))
    work.then(
      (value) => {
        unlisten()
        if (signal.aborted) discard?.(value)
        else resolve(value)
      },
      (error) => {
        unlisten()
        reject(error)
      }
    )
  })
}
