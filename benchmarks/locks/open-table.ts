/** The table of locks that all contestants offer, the one of `it-grid/locks`, told to grant from its start. */

import { LockTable } from '../../lib/extras/locks/table.ts'

/** How long a grant lasts; each reply tells it. */
export const ttlMs = 30_000

export const openTable = (): LockTable => new LockTable({ ttlMs, quietMs: 0 })
