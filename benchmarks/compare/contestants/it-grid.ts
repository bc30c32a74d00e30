/**
 * it-grid as its users have it: default options, a shared secret, keep-alive, deadlines, credits, limits, the checksum.
 *
 * Beside it the same without the checksum, with windows of 1 and 16 messages from server to client, and with all messages that
 * are there given and taken at once. Otherwise handlers and consumers are what a user writes first: async generators and
 * `for await`.
 */

import type { ManagerOptions, Messages } from '../../../lib/index.ts'
import type { Contestant } from '../../harness/contest/contestant.ts'
import { connectGrid, secret, serveGrid } from '../../harness/grid.ts'
import { comparedLibrary, libraryIn } from '../../harness/library.ts'
import { type ClientSide, type Contestants, each, type StreamPlan } from '../contestant.ts'
import { ringOf } from '../messages.ts'

const grid = await libraryIn(comparedLibrary)('index')
const { bytes, many, streaming } = grid

function* messagesOf({ bytes, count, first }: StreamPlan): Generator<Uint8Array> {
  const ring = ringOf(bytes)
  for (let i = 0; i < count; i++) yield ring.at(first + i)
}

interface Variant extends Pick<ManagerOptions, 'checksum'> {
  readonly outCapacity?: number
  readonly byBatches?: boolean
}

function make({ outCapacity, byBatches = false, ...more }: Variant = {}): Contestant<ClientSide> {
  const response = bytes()
  const push = streaming<StreamPlan, never, Uint8Array>('push', { inCapacity: 0, outCapacity, response })
  const echo = streaming<void, Uint8Array, Uint8Array>('echo-stream', { outCapacity, request: bytes(), response })
  const options = { auth: grid.sharedSecret(secret), ...more }
  return {
    async listen() {
      const manager = await serveGrid(grid, options, (manager) => {
        manager.handle('echo', (payload) => payload)
        if (byBatches) {
          manager.handle(push, async function* (plan) {
            yield many(messagesOf(plan))
          })
          manager.handle(echo, async function* (_, requests) {
            for await (const messages of requests.batches()) yield many(messages)
          })
          return
        }
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
      const read = async (messages: Messages<Uint8Array>, take: (message: Uint8Array) => void) => {
        if (byBatches) for await (const batch of messages.batches()) for (const message of batch) take(message)
        else for await (const message of messages) take(message)
      }
      return {
        request: (payload) => peer.request('echo', payload),
        serverStreams: each((plan, take) => read(peer.newStream(push, plan).responses, take)),
        echoStreams: each(async (plan, take) => {
          const stream = peer.newStream(echo)
          const sent = stream.sink(messagesOf(plan))
          await read(stream.responses, take)
          await sent
        })
      }
    }
  }
}

export const contestants: Contestants = {
  'it-grid': make(),
  'it-grid-batches': make({ byBatches: true }),
  'it-grid-no-checksum': make({ checksum: false }),
  'it-grid-out-1': make({ outCapacity: 1 }),
  'it-grid-out-16': make({ outCapacity: 16 })
}
