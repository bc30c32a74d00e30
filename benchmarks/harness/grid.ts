/** Grids of two over WebSockets on loopback: what the benchmarks that have them share. */

import { createServer } from 'node:http'
import type { Manager, ManagerOptions } from '../../lib/index.ts'
import { listen } from './http.ts'
import type { Grid } from './library.ts'

export const secret = 'a secret of the benchmarks'

type Options = Omit<ManagerOptions, 'local' | 'hosts'>

/** A name that dials `remote`, number `index` of them: the manager that dials alone knows the address of the other. */
export function dialingName({ dialerOf }: Grid, remote: string, index = 0): string {
  return nameOf(index, (name) => dialerOf(name, remote) === name)
}

/** A name that `remote` dials, number `index` of them. */
export function dialedName({ dialerOf }: Grid, remote: string, index = 0): string {
  return nameOf(index, (name) => dialerOf(name, remote) === remote)
}

/** Half of all names will do; all processes find the same. */
function nameOf(index: number, fits: (name: string) => boolean): string {
  for (let port = 1; ; port++) {
    const name = `http://node-${index}:${port}`
    if (fits(name)) return name
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
