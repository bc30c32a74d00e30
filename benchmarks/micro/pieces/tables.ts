/** What a session looks up per call, with 64 in flight, and what it counts per message: ids, deadlines, credit. */

import type { DeadlineList, Timed } from '../../../lib/stream/deadlines.ts'
import { type Piece, piece } from '../../harness/pieces/piece.ts'

const inFlight = 64
const timeoutMs = 60_000
const windowMessages = 64
const windowBytes = 256 * 1024
const payloadBytes = 512
const crediting = 'send, receive and take one message of 512 B in a window of 64, with the grants back'

/** What both tables hold; the benchmark must not measure how it is made. */
class Entry implements Timed {
  id = 0
  deadlineMs = 0
  deadlines: DeadlineList | undefined
  timedBefore: Timed | undefined
  timedAfter: Timed | undefined
  onDeadline(): void {}
}

function entries(): Entry[] {
  return Array.from({ length: inFlight }, () => new Entry())
}

export const tables: readonly Piece[] = [
  piece('window', crediting, async (library) => {
    const { ReceiveWindow, SendWindow } = await library('window')
    const send = new SendWindow(windowMessages, windowBytes)
    const receive = new ReceiveWindow(windowMessages, windowBytes)
    const credit = { messages: 0, bytes: 0 }
    return (count) => {
      for (let i = 0; i < count; i++) {
        if (!send.canSend) throw new Error('the window is empty')
        send.take(payloadBytes)
        receive.begin()
        receive.receive(payloadBytes)
        if (!receive.take(payloadBytes)) continue
        receive.grant(credit)
        send.add(credit.messages, credit.bytes)
      }
    }
  }),
  piece('id-table', 'add a stream, find it twice, delete it', async (library) => {
    const { IdTable } = await library('id-table')
    const table = new IdTable<Entry>()
    const ring = entries()
    let id = 1
    return (count) => {
      for (let i = 0; i < count; i++) {
        const entry = ring[i % inFlight] as Entry
        if (entry.id !== 0 && table.get(entry.id)?.id === entry.id) table.delete(entry.id)
        entry.id = id
        id += 2
        table.add(entry)
        if (table.get(entry.id) !== entry) throw new Error('an entry is not found')
      }
    }
  }),
  piece('deadlines', 'add a deadline and remove it', async (library) => {
    const { DeadlineQueue } = await library('deadlines')
    const queue = new DeadlineQueue()
    const ring = entries()
    const startMs = performance.now()
    let calls = 0
    return (count) => {
      for (let i = 0; i < count; i++) {
        const entry = ring[i % inFlight] as Entry
        queue.remove(entry)
        // Later calls have later deadlines; no clock, which is measured nowhere else here either.
        queue.add(entry, timeoutMs, startMs + calls++ / 1000)
      }
    }
  })
]
