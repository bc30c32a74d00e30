/** Lock servers in one process, on real sockets, that can be stopped and restarted; and a clock that spares their first wait. */

import { LockClient, type LockClientOptions } from '../../lib/extras/locks/client.ts'
import { serveTable } from '../../lib/extras/locks/server.ts'
import { LockTable } from '../../lib/extras/locks/table.ts'
import { paced } from '../support/clock/pace.ts'
import { openGrid } from '../support/grid/grid.ts'

export type LockCluster = Awaited<ReturnType<typeof lockCluster>>

export async function lockCluster(size: number, ttlMs: number) {
  const tables: LockTable[] = []
  let passedMs = 0
  const grid = await openGrid(size, {
    serve(manager, at) {
      // One that is restarted knows nothing and waits its time.
      tables[at] = tables[at] === undefined ? openTable(ttlMs, () => passedMs) : new LockTable({ ttlMs })
      serveTable(manager, tables[at])
    }
  })
  return {
    ...grid,
    /** Time passes at all servers that were not restarted, and nowhere else. */
    pass(ms: number): void {
      passedMs += ms
    },
    table: (at: number) => tables[at] as LockTable,
    client: (at: number, options?: Partial<LockClientOptions>) =>
      new LockClient(grid.at(at), { servers: grid.hosts, requestTimeoutMs: paced(1000), ...options }),
    /** Locks at all servers that run. */
    held: () => tables.reduce((sum, { size }, at) => sum + (grid.running().includes(grid.at(at)) ? size : 0), 0)
  }
}

/** A table that has waited already. */
function openTable(ttlMs: number, passedMs: () => number): LockTable {
  let aheadMs = 0
  const table = new LockTable({ ttlMs, now: () => performance.now() + aheadMs + passedMs() })
  aheadMs = ttlMs
  return table
}
