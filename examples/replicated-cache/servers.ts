/** Servers of a grid: in one process here. Yours are processes of their own, with names that your network knows. */

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Manager, sharedSecret, silentLogger } from 'it-grid'

const auth = sharedSecret('an example secret: yours is random')
/** That a server is away is no news here. Leave it out, and warnings go to the console. */
const logger = silentLogger

export async function startServers(count: number, serve: (grid: Manager, index: number) => void) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const hosts = servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const start = (server: Server, index: number) => {
    const grid = new Manager({ local: hosts[index] as string, hosts, auth, logger })
    serve(grid, index)
    grid.attach(server)
    return grid
  }
  const grids = servers.map(start)
  const connected = () => Promise.all(grids.map((grid) => grid.waitForPeers()))
  await connected()
  return {
    grids,
    stop: (index: number) => (grids[index] as Manager).close(),
    /** As a new process would: with the same name, and nothing else of the old one. */
    async restart(index: number) {
      grids[index] = start(servers[index] as Server, index)
      await connected()
    },
    async close() {
      await Promise.all(grids.map((grid) => grid.close()))
      for (const server of servers) server.close()
    }
  }
}
