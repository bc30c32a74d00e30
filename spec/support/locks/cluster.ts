/** Lock servers in one process, on real sockets, that can be stopped and restarted; and a clock that spares their first wait. */

import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { LockClient, type LockClientOptions } from '../../../examples/locks/client.ts'
import { serveLocks } from '../../../examples/locks/server.ts'
import { LockTable } from '../../../examples/locks/table.ts'
import { Manager, sharedSecret, silentLogger } from '../../../lib/index.ts'
import { until } from '../until.ts'

export interface LockCluster extends AsyncDisposable {
  readonly hosts: readonly string[]
  manager(at: number): Manager
  table(at: number): LockTable
  client(at: number, options?: Partial<LockClientOptions>): LockClient
  stop(at: number): Promise<void>
  /** A new process, as far as others can tell: another instance, and a table that knows nothing and waits its time. */
  restart(at: number): Promise<void>
  /** Cuts all conns between them. */
  cut(): void
  /** Locks at all servers that run. */
  held(): number
}

interface Node {
  readonly server: http.Server
  manager: Manager
  table: LockTable
}

export async function lockCluster(size: number, ttlMs: number): Promise<LockCluster> {
  const servers = await Promise.all(Array.from({ length: size }, listen))
  const sockets = new Set<Socket>()
  for (const server of servers) {
    server.on('connection', (socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    })
  }
  const hosts = servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const start = (at: number, table: LockTable): Node => {
    const manager = new Manager({
      ...{ local: hosts[at] as string, hosts, auth: sharedSecret('a secret of the specs'), logger: silentLogger },
      reconnect: { firstDelayMs: 5, baseDelayMs: 10, maxDelayMs: 50 }
    })
    serveLocks(manager, table)
    const server = servers[at] as http.Server
    manager.attach(server)
    return { server, manager, table }
  }
  const nodes = hosts.map((_, at) => start(at, openTable(ttlMs)))
  const node = (at: number) => nodes[at] as Node
  const running = new Set(nodes)
  const connected = async (only = [...running]) => {
    const connections = only.flatMap(({ manager }) => [manager.connection(manager.local), ...manager.connections])
    const names = new Set([...running].map(({ manager }) => manager.local))
    await Promise.all(connections.filter(({ host }) => names.has(host)).map((each) => each.waitForConnect()))
  }
  const stop = async (at: number) => {
    running.delete(node(at))
    await node(at).manager.close({ timeout: 1 })
  }
  await connected()
  return {
    hosts,
    manager: (at) => node(at).manager,
    table: (at) => node(at).table,
    client: (at, options) => new LockClient(node(at).manager, { servers: hosts, ...options }),
    stop,
    async restart(at) {
      await stop(at)
      nodes[at] = start(at, new LockTable({ ttlMs }))
      running.add(node(at))
      await connected()
    },
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    held: () => [...running].reduce((sum, { table }) => sum + table.size, 0),
    async [Symbol.asyncDispose]() {
      await Promise.all(nodes.map(({ manager }) => manager.close({ timeout: 1000 })))
      for (const { server } of nodes) {
        let closed = false
        server.close(() => {
          closed = true
        })
        await until(() => closed, 'no conn is left')
      }
    }
  }
}

/** A table that has waited already. */
function openTable(ttlMs: number): LockTable {
  let aheadMs = 0
  const table = new LockTable({ ttlMs, now: () => performance.now() + aheadMs })
  aheadMs = ttlMs
  return table
}

async function listen(): Promise<http.Server> {
  const server = http.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}
