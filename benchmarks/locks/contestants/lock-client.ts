/** `LockClient` of `it-grid/locks` with one server, and with three, in one process: default options, a shared secret. */

import { createServer } from 'node:http'
import { LockClient } from '../../../lib/extras/locks/client.ts'
import { serveLocks } from '../../../lib/extras/locks/server.ts'
import { dialerOf, Manager, sharedSecret, silentLogger } from '../../../lib/index.ts'
import type { Contestant, Contestants } from '../../harness/contest/contestant.ts'
import { dialingName, secret } from '../../harness/grid.ts'
import { listen } from '../../harness/http.ts'
import { type TakeSide, takenTtlMs } from '../take.ts'

const auth = sharedSecret(secret)

const clientOf = (hosts: readonly string[]) => dialingName({ dialerOf }, ...hosts)

/** Connected. */
export async function connectClient(hosts: readonly string[], options: { requestTimeoutMs?: number } = {}) {
  const reconnect = { maxDelayMs: 200 }
  const manager = new Manager({ local: clientOf(hosts), hosts, auth, reconnect, logger: silentLogger })
  await manager.waitForPeers({ timeout: 5000 })
  return { manager, client: new LockClient(manager, { servers: hosts, ...options }) }
}

/** What `hosts` serve, on each of `servers`. */
export function serveClient(
  server: ReturnType<typeof createServer>,
  local: string,
  hosts: readonly string[],
  ttl: object
): void {
  const manager = new Manager({ local, hosts: [...hosts, clientOf(hosts)], auth })
  serveLocks(manager, ttl)
  manager.attach(server)
}

function lockClient(size: number): Contestant<TakeSide> {
  return {
    async listen() {
      const servers = Array.from({ length: size }, () => createServer())
      const hosts = await Promise.all(servers.map(listen))
      for (const [at, server] of servers.entries()) {
        serveClient(server, hosts[at] as string, hosts, { ttlMs: takenTtlMs, quietMs: 0 })
      }
      return hosts.join()
    },
    async connect(address) {
      const { client } = await connectClient(address.split(','))
      return {
        async take(resource) {
          const lock = await client.lock([resource])
          return () => lock.unlock()
        }
      }
    }
  }
}

export const contestants: Contestants<TakeSide> = { 'locks-1': lockClient(1), 'locks-3': lockClient(3) }
