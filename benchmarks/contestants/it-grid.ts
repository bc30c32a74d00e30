/** it-grid as its users have it: the built library, default options, a shared secret, the checksum on. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type * as Grid from '../../lib/index.ts'
import type { ClientSide, Contestant, ServerSide } from '../contestant.ts'

const grid = (await import(new URL('../../dist/index.js', import.meta.url).href)) as typeof Grid
const auth = grid.sharedSecret('a secret of the benchmarks')

function streamDefinition(outCapacity: number) {
  return grid.streaming<{ count: number; bytes: number }, never, Uint8Array>(`stream-${outCapacity}`, {
    inCapacity: 0,
    outCapacity,
    response: grid.bytes
  })
}

/** The manager that dials must be the client's, for it alone knows the address; try names until it is. */
function clientName(server: string): string {
  for (let port = 1; ; port++) {
    const name = `http://client:${port}`
    if (grid.dialerOf(name, server) === name) return name
  }
}

function make(name: string, outCapacity: number, options: Partial<Grid.ManagerOptions>): Contestant {
  const definition = streamDefinition(outCapacity)
  async function listen(): Promise<ServerSide> {
    const http = createServer().listen(0, '127.0.0.1')
    await once(http, 'listening')
    const address = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
    const manager = new grid.Manager({ local: address, hosts: [clientName(address)], auth, ...options })
    manager.handle('echo', async (payload) => payload)
    manager.handle(definition, async function* ({ count, bytes }) {
      const message = Buffer.alloc(bytes, 7)
      for (let i = 0; i < count; i++) yield message
    })
    manager.attach(http)
    return {
      address,
      close: async () => {
        await manager.close({ timeout: 100 })
        http.close()
      }
    }
  }
  async function connect(address: string): Promise<ClientSide> {
    const manager = new grid.Manager({ local: clientName(address), hosts: [address], auth, ...options })
    const peer = manager.connection(address)
    await peer.waitForConnect()
    return {
      request: (payload) => peer.request('echo', payload),
      stream: async (count, bytes, take) => {
        for await (const message of peer.newStream(definition, { count, bytes })) take(message)
      },
      close: () => manager.close({ timeout: 100 })
    }
  }
  return { name, listen, connect }
}

export const contestants: Contestant[] = [
  make('it-grid', 64, {}),
  make('it-grid, no checksum', 64, { checksum: false })
]
