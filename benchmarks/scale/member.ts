/** One server of a mesh, a process of its own: listens on its port of loopback, and tells when it is connected to all others. */

import { createServer } from 'node:http'
import type { Connection } from '../../lib/index.ts'
import { cpuUs, serveCommands } from '../harness/commands.ts'
import { secret } from '../harness/grid.ts'
import { libraryAt, libraryIn } from '../harness/library.ts'

const [folder = '', local = '', ...hosts] = process.argv.slice(2)
const { Manager, sharedSecret, silentLogger } = await libraryIn(libraryAt(folder))('index')

const server = createServer()
const manager = new Manager({ local, hosts, auth: sharedSecret(secret), logger: silentLogger })
manager.attach(server)
await new Promise<void>((resolve) => server.listen(Number(new URL(local).port), '127.0.0.1', resolve))
const listeningMs = Date.now()

const connected = (connections: readonly Connection[]) =>
  Promise.all(connections.map((connection) => connection.waitForConnect()))

const commands = {
  /** When it listened, and when it was connected to all; ms since the epoch. */
  async whole() {
    await connected(manager.connections)
    return { listeningMs, wholeMs: Date.now() }
  },
  cpu: cpuUs,
  /** Conns that it was offered in vain so far. */
  refused: () => manager.stats().refusedHandshakes
}
export type MemberCommands = typeof commands
serveCommands(commands)
