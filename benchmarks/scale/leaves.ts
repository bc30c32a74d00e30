/** Many managers in one process, each with one connection to the same hub: the other ends of the hub's connections. */

import { createServer } from 'node:http'
import type { Manager } from '../../lib/index.ts'
import { serveCommands } from '../harness/commands.ts'
import { dialedName, dialingName } from '../harness/grid.ts'
import { listen } from '../harness/http.ts'
import { dialerBy, grid, options } from './grid.ts'

const managers: Manager[] = []

interface Growth {
  /** The name of the hub. */
  readonly hub: string
  /** Where the hub listens; undefined where the hub dials. */
  readonly hubUrl?: string
  readonly count: number
}

/** Returns where each listens, or no address where it dials. */
async function grow({ hub, hubUrl, count }: Growth) {
  const added: { readonly name: string; readonly url?: string }[] = []
  for (let i = 0; i < count; i++) {
    const index = managers.length
    const name = hubUrl === undefined ? dialedName(grid, hub, index) : dialingName(grid, hub, index)
    const dialer = dialerBy(() => hubUrl ?? '')
    const manager = new grid.Manager({ ...options, local: name, hosts: [hub], dialer })
    manager.handle('echo', (payload) => payload)
    managers.push(manager)
    if (hubUrl !== undefined) {
      added.push({ name })
      continue
    }
    const server = createServer()
    manager.attach(server)
    added.push({ name, url: await listen(server) })
  }
  return added
}

const commands = {
  grow,
  /** Resolves when each has its connection. */
  async connected() {
    await Promise.all(managers.map(({ connections }) => connections[0]?.waitForConnect()))
  }
}
export type LeafCommands = typeof commands
serveCommands(commands)
