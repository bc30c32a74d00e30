/**
 * A grid of n managers on real HTTP servers on loopback, and the end of it: closed, with nothing left.
 */

import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { Manager, type ManagerOptions, sharedSecret, silentLogger } from '../../../lib/index.ts'
import { until } from '../until.ts'
import { assertIdle, closeManagers } from './nothing-left.ts'

export type GridOptions = Partial<Omit<ManagerOptions, 'local' | 'hosts'>> & {
  /** Wait until every pair is connected. Default true. */
  readonly connect?: boolean
}

export interface TestGrid extends AsyncDisposable {
  readonly managers: readonly Manager[]
  readonly servers: readonly http.Server[]
  /** The canonical names, in the order of `managers`. */
  readonly hosts: readonly string[]
  /** Manager number `index`. */
  at(index: number): Manager
  /** Resolves when every manager that is not closed is connected to every other one. */
  connected(): Promise<void>
  /** Asserts that no stream and no handler is left, and closes everything. */
  dispose(): Promise<void>
}

export async function testGrid(size: number, options: GridOptions = {}): Promise<TestGrid> {
  const { connect = true, ...managerOptions } = options
  const servers = await Promise.all(Array.from({ length: size }, listen))
  const hosts = servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const start = (index: number): Manager => {
    const manager = new Manager({
      auth: sharedSecret('a secret of the specs'),
      logger: silentLogger,
      reconnect: { firstDelayMs: 5, baseDelayMs: 10, maxDelayMs: 100 },
      ...managerOptions,
      local: hosts[index] as string,
      hosts
    })
    manager.attach(servers[index] as http.Server)
    return manager
  }
  const managers = hosts.map((_, index) => start(index))
  const grid: TestGrid = {
    managers,
    servers,
    hosts,
    at: (index) => managers[index] as Manager,
    async connected() {
      await Promise.all(
        managers.flatMap(({ connections }) => connections).map((connection) => connection.waitForConnect())
      )
    },
    async dispose() {
      try {
        await assertIdle(managers)
        await closeManagers(managers)
      } finally {
        await Promise.all(managers.map((manager) => manager.close({ timeout: 1 })))
        await Promise.all(servers.map(closeServer))
      }
    },
    [Symbol.asyncDispose]: () => grid.dispose()
  }
  if (connect) await grid.connected()
  return grid
}

async function listen(): Promise<http.Server> {
  const server = http.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

/** Resolves when the last conn of the server is gone. */
async function closeServer(server: http.Server): Promise<void> {
  let closed = false
  server.close(() => {
    closed = true
  })
  await until(() => closed, 'the HTTP server has no conn left')
}
