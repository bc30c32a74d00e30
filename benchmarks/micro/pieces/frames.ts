/** Frames to bytes and back. A batch of 64 KiB is filled and taken, or walked through, over and over. */

import type { FrameWriter } from '../../../lib/wire/frame-writer.ts'
import type { Library } from '../../harness/library.ts'
import { keep, type Piece } from '../../harness/piece.ts'

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

const kinds: readonly { readonly name: string; readonly frame: string; readonly write: Write }[] = [
  { name: 'open-64', frame: 'an open frame with 64 B', write: open(new Uint8Array(64)) },
  { name: 'open-512', frame: 'an open frame with 512 B', write: open(new Uint8Array(512)) },
  { name: 'data-64', frame: 'a data frame with 64 B', write: data(new Uint8Array(64)) },
  { name: 'data-512', frame: 'a data frame with 512 B', write: data(new Uint8Array(512)) },
  { name: 'credit', frame: 'a credit frame', write: (writer, id) => writer.credit(id, 32, 16_384) }
]

async function encoder(library: Library, write: Write): Promise<(count: number) => void> {
  const { FrameWriter } = await library('wire/frame-writer')
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
  const [{ FrameWriter }, { FrameReader }] = [await library('wire/frame-writer'), await library('wire/frame-reader')]
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
  ...kinds.map(({ name, frame, write }) => ({
    name: `encode-${name}`,
    operation: `write ${frame} into the batch`,
    prepare: (library: Library) => encoder(library, write)
  })),
  ...kinds.map(({ name, frame, write }) => ({
    name: `decode-${name}`,
    operation: name === 'credit' ? `read ${frame}` : `read ${frame}, the payload as a view`,
    prepare: (library: Library) => decoder(library, write, name === 'credit' ? 'none' : 'viewPayload')
  })),
  {
    name: 'decode-data-512-take',
    operation: 'read a data frame with 512 B, the payload to keep',
    prepare: (library) => decoder(library, data(new Uint8Array(512)), 'takePayload')
  }
]
