/** Locks over it-grid: the handlers and the definitions of `it-grid/locks`, default options, a shared secret. */

import { rlock, runlock } from '../../../lib/extras/locks/definitions.ts'
import { serveTable } from '../../../lib/extras/locks/server.ts'
import type { LockTable } from '../../../lib/extras/locks/table.ts'
import * as grid from '../../../lib/index.ts'
import type { Contestant, Contestants } from '../../harness/contest/contestant.ts'
import { connectGrid, secret, serveGrid } from '../../harness/grid.ts'
import type { LockSide } from '../drive.ts'
import { openTable } from '../open-table.ts'

const options = { auth: grid.sharedSecret(secret) }

/** A contestant that serves what is in `table`. */
export function lockGrid(table: () => LockTable): Contestant<LockSide> {
  return {
    listen: async () => (await serveGrid(grid, options, (manager) => serveTable(manager, table()))).local,
    async connect(address) {
      const { manager, peer } = await connectGrid(grid, options, address)
      return {
        owner: manager.local,
        rlock: (args) => peer.request(rlock, args),
        runlock: (args) => peer.request(runlock, args)
      }
    }
  }
}

export const contestants: Contestants<LockSide> = { 'it-grid': lockGrid(openTable) }
