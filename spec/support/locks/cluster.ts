/** Lock servers in one process, on real sockets, that can be stopped and restarted; and a clock that spares their first wait. */

import { LockClient, type LockClientOptions } from '../../../examples/locks/client.ts'
import { serveLocks } from '../../../examples/locks/server.ts'
import { LockTable } from '../../../examples/locks/table.ts'
import { TestGrid } from '../grid/grid.ts'

export type LockCluster = TestGrid & {
  table(at: number): LockTable
  client(at: number, options?: Partial<LockClientOptions>): LockClient
  /** Locks at all servers that run. */
  held(): number
}

export async function lockCluster(size: number, ttlMs: number): Promise<LockCluster> {
  const tables: LockTable[] = []
  const grid = await TestGrid.open(size, {
    serve(manager, at) {
      // One that is restarted knows nothing and waits its time.
      tables[at] = tables[at] === undefined ? openTable(ttlMs) : new LockTable({ ttlMs })
      serveLocks(manager, tables[at])
    }
  })
  return Object.assign(grid, {
    table: (at: number) => tables[at] as LockTable,
    client: (at: number, options?: Partial<LockClientOptions>) =>
      new LockClient(grid.at(at), { servers: grid.hosts, ...options }),
    held: () => tables.reduce((sum, { size }, at) => sum + (grid.running.includes(grid.at(at)) ? size : 0), 0)
  })
}

/** A table that has waited already. */
function openTable(ttlMs: number): LockTable {
  let aheadMs = 0
  const table = new LockTable({ ttlMs, now: () => performance.now() + aheadMs })
  aheadMs = ttlMs
  return table
}
