/** A server that can be replaced while it works: what a process of yours does at its start, and at SIGTERM. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { Manager, sharedSecret, silentLogger, single } from 'it-grid'

const auth = sharedSecret('an example secret: yours is random')
/** That a server is away for a moment is no news here. Leave it out, and warnings go to the console. */
const logger = silentLogger
export const work = single<number, { n: number; version: number }>('work')

export async function startServer(local: string, hosts: readonly string[], version: number) {
  const server = createServer().listen(Number(new URL(local).port), '127.0.0.1')
  await once(server, 'listening')
  const grid = new Manager({ local, hosts, auth, logger })
  grid.handle(work, async (n) => {
    await delay(5)
    return { n, version }
  })
  grid.attach(server)
  return {
    grid,
    /** For SIGTERM: new calls go elsewhere from now on, those that run end, then all conns are closed. */
    async close() {
      await grid.close()
      server.close()
      await once(server, 'close')
    }
  }
}
