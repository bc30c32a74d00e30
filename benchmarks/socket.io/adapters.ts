/** The adapters of Socket.IO that are compared: that of it-grid, and those of Redis by publish and subscribe, and by streams. */

import type { Server as HttpServer } from 'node:http'
import type { ServerOptions } from 'socket.io'
import { createAdapter } from '../../lib/extras/socket.io/index.ts'
import { Manager, sharedSecret, silentLogger } from '../../lib/index.ts'
import { secret } from '../harness/grid.ts'

export type Adapter = ServerOptions['adapter']
export type AdapterName = keyof typeof adapters

export interface Where {
  readonly http: HttpServer
  readonly local: string
  readonly hosts: readonly string[]
  /** Of its Redis. */
  readonly redisPort: number
}

/** As its page says, with defaults. The rivals may not be installed. */
export const adapters = {
  'it-grid': async ({ http, local, hosts }: Where): Promise<Adapter> => {
    const grid = new Manager({ local, hosts, auth: sharedSecret(secret), logger: silentLogger })
    grid.attach(http)
    // Types of two copies of one package.
    return createAdapter(grid) as unknown as Adapter
  },
  redis: async ({ redisPort }: Where): Promise<Adapter> => {
    const { createAdapter } = await import('@socket.io/redis-adapter')
    return createAdapter(await connectRedis(redisPort), await connectRedis(redisPort))
  },
  'redis-streams': async ({ redisPort }: Where): Promise<Adapter> => {
    const { createAdapter } = await import('@socket.io/redis-streams-adapter')
    return createAdapter(await connectRedis(redisPort)) as unknown as Adapter
  }
}

export async function connectRedis(port: number) {
  const { Redis } = await import('ioredis')
  const redis = new Redis(port, '127.0.0.1')
  // It reconnects; without a listener each failure is printed.
  redis.on('error', () => undefined)
  return redis
}
