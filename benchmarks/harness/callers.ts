/** Callers at once, and how long they go on. Each loops by itself: what is measured must not pay for a call per call. */

/** Each is told its number, from 0. */
export async function atOnce(callers: number, caller: (index: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: callers }, (_, index) => caller(index)))
}

/** Each caller does its work over and over until `ms` are over; how long each time took, in ms. */
export async function timedFor(
  ms: number,
  callers: number,
  work: (caller: number) => Promise<void>
): Promise<number[]> {
  const tookMs: number[] = []
  const goesOn = during(ms)
  await atOnce(callers, async (caller) => {
    while (goesOn()) {
      const startMs = performance.now()
      await work(caller)
      tookMs.push(performance.now() - startMs)
    }
  })
  return tookMs
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
