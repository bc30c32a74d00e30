/** From a sender that has a frame to a batch that the conn has pulled. */

import type { Sender } from '../../../lib/wire/outbox.ts'
import type { Library } from '../../harness/library.ts'
import { keep, type Piece, piece, type Run } from '../../harness/pieces/piece.ts'

const payload = new Uint8Array(64)

/** Has one data frame to write whenever it is asked. */
const oneFrame = (): Sender => ({
  dataQueued: false,
  controlQueued: false,
  writeData(writer) {
    writer.data(0, 100_001, payload, 0, payload.length)
    return false
  },
  writeControl() {}
})

async function offerAndPull(library: Library, perBatch: number): Promise<Run> {
  const { Outbox } = await library('outbox')
  const outbox = new Outbox()
  const senders = Array.from({ length: perBatch }, oneFrame)
  return async (count) => {
    for (let done = 0; done < count; done += perBatch) {
      const pulled = outbox.next()
      for (const sender of senders) outbox.offer(sender)
      keep(await pulled)
    }
  }
}

export const outboxes: readonly Piece[] = [1, 64].map((perBatch) => {
  const operation = `offer a frame of 64 B, ${perBatch} to a batch, and pull the batch`
  return piece(`outbox-${perBatch}`, operation, (library) => offerAndPull(library, perBatch))
})
