/**
 * Shared by most of the examples: two servers of one grid, in this process, over real sockets.
 */

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Manager, sharedSecret } from '../lib/index.ts'

export interface Pair {
  readonly one: Manager
  readonly two: Manager
  /** Closes the managers, then their HTTP servers. */
  close(): Promise<void>
}

export async function startPair(): Promise<Pair> {
  const servers = [await listen(), await listen()]
  const hosts = servers.map(hostOf)
  const [one, two] = servers.map((server, at) => {
    const auth = sharedSecret('an example secret: yours is random')
    const grid = new Manager({ local: hosts[at] ?? '', hosts, auth })
    grid.attach(server)
    return grid
  }) as [Manager, Manager]
  const close = async () => {
    await Promise.all([one.close(), two.close()])
    for (const server of servers) server.close()
  }
  return { one, two, close }
}

/** An HTTP server on a free port of this machine. */
export async function listen(server: Server = createServer()): Promise<Server> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

/** The host name of a server, as its peers know it. */
export function hostOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
