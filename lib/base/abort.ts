/** Listening to abort signals that many calls may share. */

import { setMaxListeners } from 'node:events'

/** Calls `onAbort` when `signal` aborts; returns what takes the listener off again. */
export function listenToAbort(signal: AbortSignal, onAbort: () => void): () => void {
  // Node takes the eleventh listener for a leak. One signal for many calls at once is none.
  if (signal instanceof EventTarget) setMaxListeners(0, signal)
  signal.addEventListener('abort', onAbort)
  return () => signal.removeEventListener('abort', onAbort)
}
