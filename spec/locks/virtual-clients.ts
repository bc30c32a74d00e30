/** Clients and lock servers in virtual time, between which every message takes 1 ms, until a spec does something to them. */

import { LockClient } from '../../lib/extras/locks/client.ts'
import type { VirtualTime } from '../../lib/extras/testing/index.ts'
import { newGrid, newLink, newNetwork, newServer, type ServerMutant, ttlMs } from './simulated-network.ts'

export interface Clients {
  readonly servers: number
  readonly clients: readonly string[]
  readonly mutant?: ServerMutant
  readonly requestTimeoutMs?: number
  /** How long a message takes, in ms. Default 1. */
  readonly delays?: () => number
}

export function newClients(clock: VirtualTime, { servers: size, clients: names, mutant = {}, ...options }: Clients) {
  const network = { ...newNetwork(clock, () => 0.5, mutant), delayMs: options.delays ?? (() => 1) }
  const servers = Array.from({ length: size }, (_, at) => newServer(network, `http://server-${at}:1`))
  const links = names.map((name) => servers.map((server) => newLink(network, server, name)))
  const { requestTimeoutMs = 0.1 * ttlMs } = options
  const clients = links.map((row, at) => {
    return new LockClient(newGrid(names[at] ?? '', row), { servers: servers.map(({ host }) => host), requestTimeoutMs })
  })
  return {
    ...{ clock, servers, links, clients },
    /** Nothing passes between this client and all servers, as if its process stood still. */
    silence(at: number): void {
      for (const link of links[at] ?? []) link.blackHole(1000 * ttlMs)
    },
    heal(): void {
      for (const link of links.flat()) link.silentUntilMs = 0
    },
    restart: (at: number) => servers[at]?.restart(links.flatMap((row) => row.slice(at, at + 1))),
    /** From its next start on its time of day is that of long ago. */
    setBack(at: number): void {
      const server = servers[at]
      if (server !== undefined) server.setBackMs = 10 * ttlMs
    }
  }
}
