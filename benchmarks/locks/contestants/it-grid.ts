/** Locks over it-grid: the handlers and the definitions of `examples/locks`, default options, a shared secret. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type LockArgs, rlock, runlock } from '../../../examples/locks/definitions.ts'
import { serveLocks } from '../../../examples/locks/server.ts'
import type { LockTable } from '../../../examples/locks/table.ts'
import { dialerOf, Manager, sharedSecret } from '../../../lib/index.ts'
import type { ClientSide, Contestant, ServerSide } from '../../compare/contestant.ts'
import { dialingName } from '../../compare/dialing-name.ts'
import { lockClient } from '../lock-client.ts'
import { openTable } from '../open-table.ts'

const auth = sharedSecret('a secret of the benchmarks')

/** A contestant that serves what is in `table`. */
export function lockGrid(table: () => LockTable): Contestant {
  return { listen: () => listen(table()), connect }
}

async function listen(table: LockTable): Promise<ServerSide> {
  const http = createServer().listen(0, '127.0.0.1')
  await once(http, 'listening')
  const address = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const grid = new Manager({ local: address, hosts: [dialingName(address, dialerOf)], auth })
  serveLocks(grid, table)
  grid.attach(http)
  return {
    address,
    close: async () => {
      await grid.close({ timeout: 100 })
      http.close()
    }
  }
}

async function connect(address: string): Promise<ClientSide> {
  const grid = new Manager({ local: dialingName(address, dialerOf), hosts: [address], auth })
  const server = grid.connection(address)
  await server.waitForConnect()
  const side = {
    rlock: (args: LockArgs) => server.request(rlock, args),
    runlock: (args: LockArgs) => server.request(runlock, args),
    close: () => grid.close({ timeout: 100 })
  }
  return await lockClient(side, grid.local)
}

export const contestants: Record<string, Contestant> = { 'it-grid': lockGrid(openTable) }
