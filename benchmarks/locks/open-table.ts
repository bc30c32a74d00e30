/** The table of locks that all contestants offer, the one of `examples/locks`, ready to grant. */

import { LockTable } from '../../examples/locks/table.ts'

/** How long a grant lasts; each reply tells it. */
export const ttlMs = 30_000

/** A new table grants nothing for the time of a grant: for this one it is over. */
export function openTable(): LockTable {
  let aheadMs = 0
  const table = new LockTable({ ttlMs, now: () => performance.now() + aheadMs })
  aheadMs = ttlMs
  return table
}
