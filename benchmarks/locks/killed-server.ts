/** A lock server as a process, which is killed. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import { serveCommands } from '../harness/commands.ts'
import { serveClient } from './contestants/lock-client.ts'

interface Listening {
  readonly port: number
  readonly hosts: readonly string[]
  readonly ttlMs: number
  readonly quietMs: number
}

const commands = {
  async listen({ port, hosts, ttlMs, quietMs }: Listening): Promise<void> {
    const server = createServer().listen(port, '127.0.0.1')
    await once(server, 'listening')
    serveClient(server, `http://127.0.0.1:${port}`, hosts, { ttlMs, quietMs })
  }
}
export type ServerCommands = typeof commands
serveCommands(commands)
