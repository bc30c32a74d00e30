/** Jobs for many workers, each done by one that is free, and by a second one where that takes too long. */

import { type Manager, single } from 'it-grid'

export interface Job {
  readonly id: number
}

/** It may run twice: when a worker hangs or dies, another one is asked. */
export const run = single<Job, string>('jobs.run', { idempotent: true })

export interface RunOptions {
  /** Jobs at once. */
  readonly concurrency: number
  /** A second worker is asked after so long. */
  readonly hedgeAfterMs: number
}

/** Takes jobs as workers get free, and gives results as they come. */
export async function runAll(
  grid: Manager,
  jobs: Iterable<Job>,
  { concurrency, hedgeAfterMs }: RunOptions
): Promise<Map<number, string>> {
  const results = new Map<number, string>()
  const waiting = jobs[Symbol.iterator]()
  const lane = async () => {
    // All lanes share the iterator.
    for (let next = waiting.next(); !next.done; next = waiting.next()) {
      const job = next.value
      results.set(job.id, await grid.any(run, job, { hedgeAfterMs, timeout: 30_000, waitForReady: true }))
    }
  }
  await Promise.all(Array.from({ length: concurrency }, lane))
  return results
}
