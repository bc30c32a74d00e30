/** Lock servers in one process, on real sockets, that can be stopped and restarted; and a clock that spares their first wait. */

import { LockClient, type LockClientOptions } from '../../lib/extras/locks/client.ts'
import { serveTable } from '../../lib/extras/locks/server.ts'
import { LockTable } from '../../lib/extras/locks/table.ts'
import { paced } from '../support/clock/pace.ts'
import { openGrid } from '../support/grid/grid.ts'

export type LockCluster = Awaited<ReturnType<typeof lockCluster>>

export async function lockCluster(size: number, ttlMs: number) {
  const tables: LockTable[] = []
  const grid = await openGrid(size, {
    serve(manager, at) {
      // One that is restarted knows nothing and waits its time.
      tables[at] = tables[at] === undefined ? openTable(ttlMs) : new LockTable({ ttlMs })
      serveTable(manager, tables[at])
    }
  })
  return {
    ...grid,
    table: (at: number) => tables[at] as LockTable,
    client: (at: number, options?: Partial<LockClientOptions>) =>
      new LockClient(grid.at(at), { servers: grid.hosts, requestTimeoutMs: paced(1000), ...options }),
    /** Locks at all servers that run. */
    held: () => tables.reduce((sum, { size }, at) => sum + (grid.running().includes(grid.at(at)) ? size : 0), 0)
  }
}

/** A table that has waited already. */
function openTable(ttlMs: number): LockTable {
  let aheadMs = 0
  const table = new LockTable({ ttlMs, now: () => performance.now() + aheadMs })
  aheadMs = ttlMs
  return table
}
