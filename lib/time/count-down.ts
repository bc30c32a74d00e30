/** One timeout for calls that are made one after the other. */

import { soon } from '../base/promise.ts'

/**
 * Returns what gives the time that is left, in ms; 0 for none. These are whole ones, and time does not pass before the code that
 * runs has made its first calls: so their errors have the number that was given, however long that code takes.
 */
export function countDown(timeoutMs: number): () => number {
  const endsMs = performance.now() + timeoutMs
  let isFresh = true
  soon(() => {
    isFresh = false
  })
  return () => (isFresh ? timeoutMs : Math.min(timeoutMs, Math.max(0, Math.ceil(endsMs - performance.now()))))
}
