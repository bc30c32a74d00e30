/** The two halves of a stream by themselves: a producer into its slot, a message to its consumer. */

import type { Producer } from '../../../lib/stream/producer.ts'
import type { SinkPort } from '../../../lib/stream/sink.ts'
import type { SendWindow } from '../../../lib/stream/window.ts'
import type { Library } from '../../harness/library.ts'
import { keep, type Piece, piece, type Run } from '../../harness/pieces/piece.ts'

const payload = new Uint8Array(64)
const capacity = 64
const windowBytes = 256 * 1024

function itself(value: Uint8Array): Uint8Array {
  return value
}

/** A stream whose slot is always empty and whose consumer grants at once. */
class OpenPort implements SinkPort {
  readonly canTake = true
  readonly ended: Promise<void>
  readonly sendEnd: () => void
  readonly #window: SendWindow

  constructor(window: SendWindow) {
    this.#window = window
    let end = () => {}
    this.ended = new Promise((resolve) => {
      end = resolve
    })
    this.sendEnd = end
  }

  sendMessage(message: Uint8Array): void {
    keep(message)
    this.#window.add(1, message.length)
  }
}

async function sinkOf(library: Library, produce: (count: number) => Producer<Uint8Array>): Promise<Run> {
  const [{ Sink }, { SendWindow }] = [await library('stream/sink'), await library('stream/window')]
  return (count) => {
    const window = new SendWindow(capacity, windowBytes)
    const port = new OpenPort(window)
    const sink = new Sink(port, window, itself)
    sink.onFailed = (error) => {
      throw error
    }
    sink.attach(produce(count))
    return port.ended
  }
}

function* plain(count: number): Generator<Uint8Array> {
  for (let i = 0; i < count; i++) yield payload
}

async function* awaited(count: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield payload
}

/** `ahead` messages arrive before the consumer asks for them; 0 when it waits for each. */
async function sourceOf(library: Library, ahead: number): Promise<Run> {
  const [{ Source }, { bytes }] = [await library('stream/source'), await library('index')]
  const source = new Source(bytes())
  source.bind({ messageTaken: keep })
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

export const halves: readonly Piece[] = [
  piece('sink-plain', 'pull a value of a plain generator into the slot', (library) => sinkOf(library, plain)),
  piece('sink-async', 'pull a value of an async generator into the slot', (library) => sinkOf(library, awaited)),
  piece('source-waiting', 'hand a message to a consumer that waits for it', (library) => sourceOf(library, 0)),
  piece('source-ahead', 'queue a message and let the consumer take it, 32 at a time', (library) =>
    sourceOf(library, 32)
  )
]
