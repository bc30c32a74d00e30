/**
 * it-grid as its users have it: default options, a shared secret, keep-alive, deadlines, credits, limits, the checksum.
 *
 * Beside it the same without the checksum, and with windows of 1 and 16 messages from server to client in place of 64.
 * Handlers and consumers are what a user writes first: async generators and `for await`.
 */

import type { ManagerOptions } from '../../../lib/index.ts'
import type { Contestant } from '../../harness/contest/contestant.ts'
import { connectGrid, secret, serveGrid } from '../../harness/grid.ts'
import { comparedLibrary, libraryIn } from '../../harness/library.ts'
import { type ClientSide, type Contestants, each, type StreamPlan } from '../contestant.ts'
import { ringOf } from '../messages.ts'

const grid = await libraryIn(comparedLibrary)('index')
const { bytes, streaming } = grid

function* messagesOf({ bytes, count, first }: StreamPlan): Generator<Uint8Array> {
  const ring = ringOf(bytes)
  for (let i = 0; i < count; i++) yield ring.at(first + i)
}

function make(outCapacity: number | undefined, more: Partial<ManagerOptions>): Contestant<ClientSide> {
  const response = bytes()
  const push = streaming<StreamPlan, never, Uint8Array>('push', { inCapacity: 0, outCapacity, response })
  const echo = streaming<void, Uint8Array, Uint8Array>('echo-stream', { outCapacity, request: bytes(), response })
  const options = { auth: grid.sharedSecret(secret), ...more }
  return {
    async listen() {
      const manager = await serveGrid(grid, options, (manager) => {
        manager.handle('echo', (payload) => payload)
        manager.handle(push, async function* ({ bytes, count, first }) {
          const ring = ringOf(bytes)
          for (let i = 0; i < count; i++) yield ring.at(first + i)
        })
        manager.handle(echo, async function* (_, requests) {
          for await (const message of requests) yield message
        })
      })
      return manager.local
    },
    async connect(address) {
      const { peer } = await connectGrid(grid, options, address)
      return {
        request: (payload) => peer.request('echo', payload),
        serverStreams: each(async (plan, take) => {
          for await (const message of peer.newStream(push, plan)) take(message)
        }),
        echoStreams: each(async (plan, take) => {
          const stream = peer.newStream(echo)
          const sent = stream.sink(messagesOf(plan))
          for await (const message of stream) take(message)
          await sent
        })
      }
    }
  }
}

export const contestants: Contestants = {
  'it-grid': make(undefined, {}),
  'it-grid-no-checksum': make(undefined, { checksum: false }),
  'it-grid-out-1': make(1, {}),
  'it-grid-out-16': make(16, {})
}
