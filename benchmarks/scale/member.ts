/** One server of a mesh, a process of its own: listens on its port of loopback, and tells when it is connected to all others. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import { cpuUs, serveCommands } from '../harness/commands.ts'
import { secret } from '../harness/grid.ts'
import { libraryAt, libraryIn } from '../harness/library.ts'

const [folder = '', local = '', ...hosts] = process.argv.slice(2)
const { Manager, sharedSecret, silentLogger } = await libraryIn(libraryAt(folder))('index')

const server = createServer()
const manager = new Manager({ local, hosts, auth: sharedSecret(secret), logger: silentLogger })
manager.attach(server)
await once(server.listen(Number(new URL(local).port), '127.0.0.1'), 'listening')
const listeningMs = Date.now()

const commands = {
  /** When it listened, and when it was connected to all; ms since the epoch. */
  async whole() {
    await Promise.all(manager.connections.map((connection) => connection.waitForConnect()))
    return { listeningMs, wholeMs: Date.now() }
  },
  cpu: cpuUs
}
export type MemberCommands = typeof commands
serveCommands(commands)
