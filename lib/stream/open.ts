/** Writes the open frame of a stream of this side, with its first message or the first fragment of that. */

import type { FrameWriter } from '../wire/frame-writer.ts'
import { remainingMs, type Timed } from './deadlines.ts'
import type { OpenRequest, StreamPort } from './port.ts'
import type { StreamState } from './state.ts'

interface Opening extends Timed {
  readonly id: number
  state: StreamState
}

export function writeOpen<S extends Opening & { readonly port: Pick<StreamPort<S>, 'register'> }>(
  stream: S,
  { handler, timeoutMs, metadata }: OpenRequest,
  writer: FrameWriter,
  flags: number,
  message: Uint8Array,
  start: number,
  end: number
): void {
  const waited = stream.port.register(stream)
  stream.state = 'open'
  // Most calls are written when they are made: then the time left is known without reading the clock.
  const leftMs = waited && timeoutMs > 0 ? Math.min(timeoutMs, remainingMs(stream)) : timeoutMs
  writer.open(flags, stream.id, handler, Math.ceil(leftMs), metadata, message, start, end)
}
