/** One timeout for calls that are made one after the other. */

/**
 * Returns what gives the time that is left, in ms; 0 for none. These are whole ones, so that the error of the first call has
 * the number that was given.
 */
export function countDown(timeoutMs: number): () => number {
  const endsMs = performance.now() + timeoutMs
  return () => Math.min(timeoutMs, Math.max(0, Math.ceil(endsMs - performance.now())))
}
