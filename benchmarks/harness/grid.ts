/** Grids of two over WebSockets on loopback: what the benchmarks that have them share. */

import { createServer } from 'node:http'
import type { Manager, ManagerOptions } from '../../lib/index.ts'
import { listen } from './http.ts'
import type { Grid } from './library.ts'

export const secret = 'a secret of the benchmarks'

type Options = Omit<ManagerOptions, 'local' | 'hosts'>

/** A name that dials all of `remotes`, which know no address of it. All processes find the same. */
export function dialingName({ dialerOf }: Pick<Grid, 'dialerOf'>, ...remotes: readonly string[]): string {
  for (let port = 1; ; port++) {
    const name = `http://dialing:${port}`
    if (remotes.every((remote) => dialerOf(name, remote) === name)) return name
  }
}

/** The far end: a manager that listens, and has the handlers that `register` gives it. */
export async function serveGrid(grid: Grid, options: Options, register: (manager: Manager) => void): Promise<Manager> {
  const server = createServer()
  const local = await listen(server)
  const manager = new grid.Manager({ ...options, local, hosts: [dialingName(grid, local)] })
  register(manager)
  manager.attach(server)
  return manager
}

/** The near end, connected. */
export async function connectGrid(grid: Grid, options: Options, address: string) {
  const manager = new grid.Manager({ ...options, local: dialingName(grid, address), hosts: [address] })
  const peer = manager.connection(address)
  await peer.waitForConnect()
  return { manager, peer }
}
