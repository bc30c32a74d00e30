/**
 * Something small at fixed moments, whatever comes of it. Each is timed from when it was due, so that a process that is too
 * busy to begin it counts as slow, not as absent.
 *
 * Timers of Node are good to about 1 ms, which is in all figures alike.
 */

/** Calls `ask` every `everyMs` until `work` is over, then waits for the last ones. The latencies in ms. */
export async function latenciesBeside(
  work: Promise<unknown>,
  everyMs: number,
  ask: (index: number) => Promise<void>
): Promise<readonly number[]> {
  const latenciesMs: number[] = []
  const asked: Promise<void>[] = []
  const startMs = performance.now()
  const nextDueMs = () => startMs + (asked.length + 1) * everyMs
  let isOver = false
  const over = work.finally(() => {
    isOver = true
  })
  const allAsked = new Promise<void>((resolve, reject) => {
    const tick = (): void => {
      for (let dueMs = nextDueMs(); dueMs <= performance.now(); dueMs = nextDueMs()) {
        const asking = ask(asked.length).then(() => {
          latenciesMs.push(performance.now() - dueMs)
        })
        asking.catch(reject)
        asked.push(asking)
      }
      // A round without a single one has no percentiles.
      if (isOver && asked.length > 0) resolve()
      else setTimeout(tick, nextDueMs() - performance.now())
    }
    tick()
  })
  await Promise.all([allAsked, over])
  await Promise.all(asked)
  return latenciesMs
}
