/** Three Socket.IO servers, each a process with some clients, with one adapter; and the Redis that it needs. */

import { freePort } from '../../examples/free-port.ts'
import { Child } from '../harness/commands.ts'
import { besides } from '../harness/library.ts'
import { type RedisServer, startRedis } from '../harness/redis-server.ts'
import type { AdapterName } from './adapters.ts'
import type { ServerCommands } from './server.ts'

export interface Cluster {
  readonly adapter: AdapterName
  readonly children: readonly [Child<ServerCommands>, Child<ServerCommands>, Child<ServerCommands>]
  /** On all servers. */
  readonly sockets: number
  readonly redisPort: number
  /** Undefined where it has none. */
  redis: RedisServer | undefined
  close(): Promise<void>
}

export async function openCluster(adapter: AdapterName, clientsPerServer: number): Promise<Cluster> {
  const redisPort = await freePort()
  const redis = adapter === 'it-grid' ? undefined : await startRedis(redisPort)
  const ports = [await freePort(), await freePort(), await freePort()]
  const hosts = ports.map((port) => `http://127.0.0.1:${port}`)
  const start = () => new Child<ServerCommands>(besides(import.meta.url, './server'))
  const children = [start(), start(), start()] as const
  const sockets = children.length * clientsPerServer
  const cluster: Cluster = {
    ...{ adapter, children, sockets, redisPort, redis },
    async close() {
      await Promise.all(children.map((child) => child.stop()))
      await cluster.redis?.kill()
    }
  }
  try {
    const shared = { adapter, hosts, redisPort, clients: clientsPerServer }
    await Promise.all(children.map((child, at) => child.ask('start', { ...shared, port: ports[at] as number })))
    await Promise.all(children.map((child) => child.ask('ready', { servers: children.length, clients: sockets })))
    return cluster
  } catch (error) {
    await cluster.close()
    throw error
  }
}
