/** Some Socket.IO servers on a grid, each with one client, over real sockets; and the end of it, with nothing left. */

import { once } from 'node:events'
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type AdapterOptions, createAdapter } from 'it-grid/socket.io'
import { Server, type ServerOptions, type Socket } from 'socket.io'
import { type Socket as Client, io as connect } from 'socket.io-client'
import { openGrid } from '../support/grid/grid.ts'
import { until } from '../support/until.ts'

export interface ClusterOptions {
  readonly adapter?: AdapterOptions
  readonly server?: Partial<ServerOptions>
  /** Default one at each server. */
  readonly clients?: boolean
}

export type Cluster = Awaited<ReturnType<typeof openCluster>>
export type { Client, Socket }

/** Answers of other servers come at once in these specs, or never. */
export const quickly = { requestsTimeout: 60_000 }

export async function openCluster(size: number, options: ClusterOptions = {}) {
  const grid = await openGrid(size)
  const https: HttpServer[] = []
  const servers: Server[] = []
  /** Of the main namespace. */
  const clients: Client[] = []
  const members: Client[] = []
  const http = async () => {
    const server = createServer().listen(0, '127.0.0.1')
    https.push(server)
    await once(server, 'listening')
    return server
  }
  const serve = async (index: number, adapter: AdapterOptions = { ...quickly, ...options.adapter }) => {
    const server = await http()
    const io = new Server(server, { adapter: createAdapter(grid.at(index), adapter), ...options.server })
    servers[index] = io
    return io
  }
  const at = (index: number) => servers[index] as Server
  /** One that is connected, and is seen by its server. */
  const join = async (index: number, namespace = '/') => {
    const { port } = (https[index] as HttpServer).address() as AddressInfo
    const client = connect(`http://127.0.0.1:${port}${namespace}`, { transports: ['websocket'], forceNew: true })
    ;(namespace === '/' ? clients : members).push(client)
    await until(() => client.connected, `a client of server ${index} is connected to ${namespace}`)
    const { id } = client
    await until(() => at(index).of(namespace).sockets.has(String(id)), 'its server has it')
    return client
  }
  /** The socket of a client, at its server. */
  const socketOf = (client: Client, namespace = '/'): Socket => {
    const found = servers
      .map((io) => io.of(namespace).sockets.get(String(client.id)))
      .find((socket) => socket !== undefined)
    if (found === undefined) throw new Error('no server has this client')
    return found
  }
  /** All servers know of so many, this one included. */
  const joined = async (count: number, of: readonly Server[] = servers) => {
    const counts = () => Promise.all(of.map((io) => io.of('/').adapter.serverCount()))
    await until(async () => (await counts()).every((known) => known === count), `each knows ${count} servers`)
  }
  for (let index = 0; index < size; index++) await serve(index)
  await joined(size)
  if (options.clients !== false) for (let index = 0; index < size; index++) await join(index)
  return {
    ...{ grid, servers, clients, at, serve, join, socketOf, joined },
    async [Symbol.asyncDispose](): Promise<void> {
      for (const client of [...clients, ...members]) client.disconnect()
      await Promise.all(servers.map((io) => io.close()))
      await grid[Symbol.asyncDispose]()
    }
  }
}

/** What a client hears of an event, as it comes. */
export function heard(client: Pick<Client, 'on'>, event: string): unknown[][] {
  const events: unknown[][] = []
  client.on(event, (...args: unknown[]) => void events.push(args))
  return events
}

/** Waits until each has heard so often; what is said after it, to each, has come by then, so that more would have as well. */
export async function settleAt(cluster: Cluster, from = 0): Promise<void> {
  const marks = cluster.clients.filter(({ connected }) => connected).map((client) => heard(client, 'mark'))
  cluster.at(from).emit('mark')
  await until(() => marks.every(({ length }) => length > 0), 'all clients have the mark')
}
