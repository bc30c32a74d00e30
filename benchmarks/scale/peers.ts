/** Many managers in one process, each with a port of loopback and one connection, to the hub. Argument: the name of the hub. */

import type { Manager } from '../../lib/index.ts'
import { serveCommands } from '../harness/commands.ts'
import { allConnected, type Dialing, grid, listenBeside, options, type Place } from './grid.ts'

const [hub = ''] = process.argv.slice(2)
const places: Place[] = []
let managers: Manager[] = []

function start({ server, local }: Place): Manager {
  const manager = new grid.Manager({ ...options, local, hosts: [hub] })
  manager.handle('echo', (payload) => payload)
  manager.attach(server)
  return manager
}

const commands = {
  /** Adds `count` of them; returns their names. */
  async grow({ count, dialing }: { readonly count: number; readonly dialing: Dialing }): Promise<string[]> {
    const added: Place[] = []
    while (added.length < count) added.push(await listenBeside(hub, dialing))
    places.push(...added)
    managers.push(...added.map(start))
    return added.map(({ local }) => local)
  },
  /** Resolves when each has its connection. */
  async connected(): Promise<void> {
    await Promise.all(managers.map(allConnected))
  },
  /** All of them close as in a deploy and start again; when, in ms since the epoch. */
  async restart(): Promise<number> {
    await Promise.all(managers.map((manager) => manager.close()))
    managers = places.map(start)
    return Date.now()
  }
}
export type PeersCommands = typeof commands
serveCommands(commands)
