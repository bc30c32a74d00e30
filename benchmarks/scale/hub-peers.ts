/** Peers of the hub: many managers in one process, each with a port of loopback, that know the hub and themselves. */

import { createServer } from 'node:http'
import type { Manager } from '../../lib/index.ts'
import { serveCommands } from '../harness/commands.ts'
import { secret } from '../harness/grid.ts'
import { listen } from '../harness/http.ts'
import { grid } from './grid.ts'

const [hub = '', count = '0'] = process.argv.slice(2)
const servers = Array.from({ length: Number(count) }, () => createServer())
const hosts = await Promise.all(servers.map(listen))
let managers: Manager[] = []

function start(): void {
  managers = hosts.map((local, index) => {
    const auth = grid.sharedSecret(secret)
    const manager = new grid.Manager({ local, hosts: [local, hub], auth, logger: grid.silentLogger })
    manager.attach(servers[index] as (typeof servers)[0])
    return manager
  })
}
start()

const commands = {
  hosts: () => hosts,
  /** All of them close as in a deploy and start again; when, in ms since the epoch. */
  async restart() {
    await Promise.all(managers.map((manager) => manager.close()))
    start()
    return { listeningMs: Date.now() }
  }
}
export type HubPeersCommands = typeof commands
serveCommands(commands)
