/**
 * it-grid as its users have it: default options, a shared secret, keep-alive, deadlines, credits, limits, the checksum.
 *
 * Beside it the same without the checksum, and with windows of 1 and 16 messages from server to client in place of 64.
 * Handlers and consumers are what a user writes first: async generators and `for await`.
 */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ManagerOptions } from 'it-grid'
import type { ClientSide, Contestant, ServerSide, StreamPlan } from '../contestant.ts'
import { dialingName } from '../dialing-name.ts'
import { loadLibrary } from '../library.ts'
import { ringOf } from '../messages.ts'

const grid = await loadLibrary()
const auth = grid.sharedSecret('a secret of the benchmarks')

function* messagesOf({ bytes, count, first }: StreamPlan): Generator<Uint8Array> {
  const ring = ringOf(bytes)
  for (let i = 0; i < count; i++) yield ring.at(first + i)
}

function make(outCapacity: number | undefined, options: Partial<ManagerOptions>): Contestant {
  const push = grid.streaming<StreamPlan, never, Uint8Array>('push', {
    inCapacity: 0,
    outCapacity,
    response: grid.bytes()
  })
  const echo = grid.streaming<void, Uint8Array, Uint8Array>('echo-stream', {
    outCapacity,
    request: grid.bytes(),
    response: grid.bytes()
  })

  async function listen(): Promise<ServerSide> {
    const http = createServer().listen(0, '127.0.0.1')
    await once(http, 'listening')
    const address = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
    const manager = new grid.Manager({ local: address, hosts: [dialingName(address, grid.dialerOf)], auth, ...options })
    manager.handle('echo', (payload) => payload)
    manager.handle(push, async function* ({ bytes, count, first }) {
      const ring = ringOf(bytes)
      for (let i = 0; i < count; i++) yield ring.at(first + i)
    })
    manager.handle(echo, async function* (_, requests) {
      for await (const message of requests) yield message
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
    const manager = new grid.Manager({ local: dialingName(address, grid.dialerOf), hosts: [address], auth, ...options })
    const peer = manager.connection(address)
    await peer.waitForConnect()
    return {
      request: (payload) => peer.request('echo', payload),
      async serverStreams(plans, take) {
        const consume = async (plan: StreamPlan, i: number) => {
          for await (const message of peer.newStream(push, plan)) take(i, message)
        }
        await Promise.all(plans.map(consume))
      },
      async echoStreams(plans, take) {
        const converse = async (plan: StreamPlan, i: number) => {
          const stream = peer.newStream(echo)
          const sent = stream.sink(messagesOf(plan))
          for await (const message of stream) take(i, message)
          await sent
        }
        await Promise.all(plans.map(converse))
      },
      close: () => manager.close({ timeout: 100 })
    }
  }

  return { listen, connect }
}

export const contestants: Record<string, Contestant> = {
  'it-grid': make(undefined, {}),
  'it-grid-no-checksum': make(undefined, { checksum: false }),
  'it-grid-out-1': make(1, {}),
  'it-grid-out-16': make(16, {})
}
