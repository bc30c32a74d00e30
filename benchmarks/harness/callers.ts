/** Callers at once: each calls again as soon as it has its answer. */

/** Runs `callers` of them until `more` says no; each is told its own number, from 0. */
export async function callWhile(
  more: () => boolean,
  callers: number,
  call: (caller: number) => Promise<void>
): Promise<void> {
  const caller = async (index: number): Promise<void> => {
    while (more()) await call(index)
  }
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
