/**
 * A grid of n managers on real HTTP servers on loopback, which can be stopped, restarted and cut; and the end of it:
 * closed, with nothing left.
 */

import type { Manager, ManagerOptions } from '../../../lib/index.ts'
import { testManager } from './manager.ts'
import { assertIdle, closeManagers } from './nothing-left.ts'
import { TestServer } from './servers.ts'

export interface GridOptions extends Partial<Omit<ManagerOptions, 'local' | 'hosts'>> {
  /** Wait until every pair is connected. Default true. */
  readonly connect?: boolean
  /** Registers the handlers of a manager that starts. */
  readonly serve?: (manager: Manager, index: number) => void
}

export type TestGrid = Awaited<ReturnType<typeof openGrid>>

export async function openGrid(size: number, { connect = true, serve, ...options }: GridOptions = {}) {
  const servers = await Promise.all(Array.from({ length: size }, () => new TestServer().listen()))
  /** The canonical names, in the order of `managers`. */
  const hosts: readonly string[] = servers.map(({ url }) => url)
  const managers: Manager[] = []
  const stopped = new Set<Manager>()
  const at = (index: number) => managers[index] as Manager
  const running = () => managers.filter((manager) => !stopped.has(manager))

  const start = (index: number) => {
    const manager = testManager({ ...options, local: hosts[index] as string, hosts })
    serve?.(manager, index)
    manager.attach((servers[index] as TestServer).http)
    managers[index] = manager
  }

  /** Resolves when every manager that runs is connected to every other one. */
  const connected = async () => {
    const names = new Set(running().map(({ local }) => local))
    const connections = running()
      .flatMap((manager) => manager.connections)
      .filter(({ host }) => names.has(host))
    await Promise.all(connections.map((connection) => connection.waitForConnect()))
  }

  const stop = async (index: number) => {
    stopped.add(at(index))
    await at(index).close({ timeout: 1 })
  }

  for (const index of servers.keys()) start(index)
  if (connect) await connected()
  return {
    ...{ hosts, managers, at, running, connected, stop },

    /** A new process, as far as others can tell: another instance. */
    async restart(index: number): Promise<void> {
      await stop(index)
      start(index)
      await connected()
    },

    /** Cuts all conns. */
    cut(): void {
      for (const server of servers) server.cut()
    },

    /** Asserts that no stream and no handler is left, and closes everything. */
    async [Symbol.asyncDispose](): Promise<void> {
      try {
        await assertIdle(running())
        await closeManagers(managers)
      } finally {
        await Promise.all(managers.map((manager) => manager.close({ timeout: 1 })))
        await Promise.all(servers.map((server) => server.end()))
      }
    }
  }
}
