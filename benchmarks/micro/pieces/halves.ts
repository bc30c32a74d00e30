/** The two halves of a stream by themselves: a producer into its slot, a message to its consumer. */

import type { Producer } from '../../../lib/producer/producer.ts'
import type { Library } from '../../harness/library.ts'
import { keep, type Piece, piece, type Run } from '../../harness/pieces/piece.ts'

const payload = new Uint8Array(64)
const capacity = 64
const windowBytes = 256 * 1024

/** Generators of so many messages, all the same. */
export function producersOf(message: Uint8Array) {
  return {
    *plain(count: number): Generator<Uint8Array> {
      for (let i = 0; i < count; i++) yield message
    },
    async *awaited(count: number): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < count; i++) yield message
    }
  }
}

function itself(value: Uint8Array): Uint8Array {
  return value
}

/** Into a stream whose slot is always empty and whose consumer grants at once. */
async function sinkOf(library: Library, produce: (count: number) => Producer<Uint8Array>): Promise<Run> {
  const [{ Sink }, { SendWindow }] = [await library('sink'), await library('window')]
  return (count) =>
    new Promise((sendEnd, reject) => {
      const window = new SendWindow(capacity, windowBytes)
      const sendMessage = (message: Uint8Array) => {
        keep(message)
        window.add(1, message.length)
      }
      const sink = new Sink({ canTake: true, sendMessage, sendEnd }, window, { encode: itself, onFailed: reject })
      sink.attach(produce(count))
    })
}

/** `ahead` messages arrive before the consumer asks for them; 0 when it waits for each. */
async function sourceOf(library: Library, ahead: number): Promise<Run> {
  const [{ Source }, { bytes }] = [await library('source'), await library('index')]
  const source = new Source(bytes(), { onReaderStopped: keep, onUndecodable: keep })
  source.bind({ messagesTaken: keep })
  if (ahead === 0) {
    return async (count) => {
      for (let i = 0; i < count; i++) {
        const next = source.next()
        source.onMessage(payload, false)
        keep(await next)
      }
    }
  }
  return async (count) => {
    for (let done = 0; done < count; done += ahead) {
      for (let i = 0; i < ahead; i++) source.onMessage(payload, false)
      for (let i = 0; i < ahead; i++) keep(await source.next())
    }
  }
}

const { plain, awaited } = producersOf(payload)

export const halves: readonly Piece[] = [
  piece('sink-plain', 'pull a value of a plain generator into the slot', (library) => sinkOf(library, plain)),
  piece('sink-async', 'pull a value of an async generator into the slot', (library) => sinkOf(library, awaited)),
  piece('source-waiting', 'hand a message to a consumer that waits for it', (library) => sourceOf(library, 0)),
  piece('source-ahead', 'queue a message and let the consumer take it, 32 at a time', (library) =>
    sourceOf(library, 32)
  )
]
