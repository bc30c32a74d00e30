/** A handler that computes: in a pool of threads, so that the server goes on answering, and no longer than somebody waits. */

import { type Manager, single } from 'it-grid'
import { Piscina } from 'piscina'

export const countPrimes = single<{ limit: number }, number>('primes.count')

export function servePrimes(grid: Manager) {
  const pool = new Piscina({ filename: new URL('./worker.js', import.meta.url).href, maxThreads: 2, maxQueue: 100 })
  /** The number that the last task has come to. */
  let progress = new SharedArrayBuffer(4)
  grid.handle(countPrimes, async ({ limit }, { signal }) => {
    progress = new SharedArrayBuffer(4)
    // The caller cancels, passes its deadline or dies: piscina takes the task out of its queue, or ends the thread that runs it.
    return await pool.run({ limit, progress }, { signal })
  })
  return { pool, lastSeen: () => new Int32Array(progress)[0] as number }
}
