/** Abort signals: listening to one that many calls may share, and waiting for work until it aborts. */

import { setMaxListeners } from 'node:events'

/** Calls `onAbort` once when `signal` aborts, or now if it has; returns a function that removes the listener. */
export function listenToAbort(signal: AbortSignal, onAbort: () => void): () => void {
  if (signal.aborted) {
    onAbort()
    return () => undefined
  }
  // Node warns of a leak at the eleventh listener. One signal for many calls at once is no leak.
  if (signal instanceof EventTarget) setMaxListeners(0, signal)
  signal.addEventListener('abort', onAbort, { once: true })
  return () => signal.removeEventListener('abort', onAbort)
}

/**
 * Settles as `work` does, or rejects with the reason of `signal` as soon as it aborts. Leaves no listener behind.
 *
 * @param discard receives the value when the work is done after the abort
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
