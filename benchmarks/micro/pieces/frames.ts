/** Frames to bytes and back. A batch of 64 KiB is filled and taken, or walked through, over and over. */

import type { FrameWriter } from '../../../lib/wire/frame-writer.ts'
import type { Library } from '../../harness/library.ts'
import { keep, type Piece, piece } from '../../harness/pieces/piece.ts'

const batchBytes = 64 * 1024
/** Ids of a session that has lived for a while take three bytes. */
const firstId = 100_001
const end = 0x10
const timeoutMs = 60_000

type Write = (writer: FrameWriter, id: number) => void

function open(payload: Uint8Array): Write {
  return (writer, id) => writer.open(end, id, 3, timeoutMs, undefined, payload, 0, payload.length)
}

function data(payload: Uint8Array): Write {
  return (writer, id) => writer.data(end, id, payload, 0, payload.length)
}

const kinds: readonly (readonly [name: string, frame: string, write: Write])[] = [
  ['open-64', 'an open frame with 64 B', open(new Uint8Array(64))],
  ['open-512', 'an open frame with 512 B', open(new Uint8Array(512))],
  ['data-64', 'a data frame with 64 B', data(new Uint8Array(64))],
  ['data-512', 'a data frame with 512 B', data(new Uint8Array(512))],
  ['credit', 'a credit frame', (writer, id) => writer.credit(id, 32, 16_384)]
]

async function encoder(library: Library, write: Write): Promise<(count: number) => void> {
  const { FrameWriter } = await library('frame-writer')
  const writer = new FrameWriter()
  return (count) => {
    for (let i = 0; i < count; i++) {
      write(writer, firstId + 2 * i)
      if (writer.length >= batchBytes) keep(writer.takeBatch())
    }
  }
}

/** How the payload is taken out of the batch: for a codec that reads in place, or for whoever keeps it. */
type Taking = 'viewPayload' | 'takePayload' | 'none'

async function decoder(library: Library, write: Write, taking: Taking): Promise<(count: number) => void> {
  const [{ FrameWriter }, { FrameReader }] = [await library('frame-writer'), await library('frame-reader')]
  const writer = new FrameWriter()
  for (let id = firstId; writer.length < batchBytes; id += 2) write(writer, id)
  const batch = writer.takeBatch()
  const reader = new FrameReader()
  return (count) => {
    let sum = 0
    for (let left = count; left > 0; ) {
      reader.load(batch, false)
      for (; left > 0 && reader.next(); left--) {
        sum = (sum + reader.streamId) | 0
        if (taking !== 'none') keep(reader[taking]())
      }
    }
    keep(sum)
  }
}

export const frames: readonly Piece[] = [
  ...kinds.map(([name, frame, write]) => {
    return piece(`encode-${name}`, `write ${frame} into the batch`, (library) => encoder(library, write))
  }),
  ...kinds.map(([name, frame, write]) => {
    if (name === 'credit') return piece('decode-credit', `read ${frame}`, (library) => decoder(library, write, 'none'))
    const operation = `read ${frame}, the payload as a view`
    return piece(`decode-${name}`, operation, (library) => decoder(library, write, 'viewPayload'))
  }),
  piece('decode-data-512-take', 'read a data frame with 512 B, the payload to keep', (library) =>
    decoder(library, data(new Uint8Array(512)), 'takePayload')
  )
]
