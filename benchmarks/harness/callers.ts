/** Callers at once, and how long they go on. Each loops by itself: what is measured must not pay for a call per call. */

/** Each is told its number, from 0. */
export async function atOnce(callers: number, caller: (index: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: callers }, (_, index) => caller(index)))
}

/** True `count` times. */
export function times(count: number): () => boolean {
  let left = count
  return () => left-- > 0
}

/** True for `ms` from now. */
export function during(ms: number): () => boolean {
  let isOver = false
  setTimeout(() => {
    isOver = true
  }, ms)
  return () => !isOver
}
