/**
 * The codec of lib/ in the shape of the naive one: frames as plain objects in and out.
 *
 * For specs only; lib/ itself never makes an object per frame.
 */

import { Flag, type Frame, FrameType } from '../../../lib/wire/frame.ts'
import { FrameReader } from '../../../lib/wire/frame-reader.ts'
import { FrameWriter } from '../../../lib/wire/frame-writer.ts'

export function writeFrame(writer: FrameWriter, frame: Frame): void {
  switch (frame.type) {
    case FrameType.open: {
      const { flags, streamId, handler, timeoutMs, metadata, payload } = frame
      writer.open(flags & 0x30, streamId, handler, timeoutMs, metadata, payload, 0, payload.length)
      break
    }
    case FrameType.data:
      if ((frame.flags & 0x80) !== 0) writer.end(frame.streamId)
      else writer.data(frame.flags, frame.streamId, frame.payload, 0, frame.payload.length)
      break
    case FrameType.credit:
      writer.credit(frame.streamId, frame.messages, frame.bytes)
      break
    case FrameType.reset:
      writer.reset(frame.streamId, frame.code, frame.text)
      break
    case FrameType.ping:
      writer.ping(frame.token)
      break
    case FrameType.pong:
      writer.pong(frame.token)
      break
    case FrameType.handlers:
      if (frame.changes !== undefined) writer.handlerChanges(frame.changes)
      else writer.handlers(frame.flags, frame.entries)
      break
    default:
      writer.goAway(frame.code, frame.lastStreamId, frame.graceMs, frame.text)
  }
}

export function fastBatch(frames: readonly Frame[], checksum: boolean): Uint8Array {
  const writer = new FrameWriter()
  writer.checksum = checksum
  for (const frame of frames) writeFrame(writer, frame)
  return writer.takeBatch()
}

/** The frame that the reader stands on, in objects and memory of its own. */
export function readFrame(reader: FrameReader): Frame {
  const { type, flags, streamId } = reader
  switch (type) {
    case FrameType.open: {
      const { handler, timeoutMs } = reader
      const metadata = reader.copyMetadata()
      return {
        type,
        flags,
        streamId,
        handler,
        timeoutMs,
        metadata: metadata === undefined ? undefined : new Uint8Array(metadata),
        payload: new Uint8Array(reader.takePayload())
      }
    }
    case FrameType.data:
      return { type, flags, streamId, payload: new Uint8Array(reader.takePayload()) }
    case FrameType.credit:
      return { type, flags: 0, streamId, messages: reader.messages, bytes: reader.bytes }
    case FrameType.reset:
      return { type, flags: 0, streamId, code: reader.code, text: reader.readText() }
    case FrameType.ping:
    case FrameType.pong:
      return { type, flags: 0, token: reader.token }
    case FrameType.handlers:
      return (flags & Flag.changes) !== 0
        ? { type, flags, entries: [], changes: reader.readChanges(4096) }
        : { type, flags, entries: reader.readHandlers(4096, 256) }
    case FrameType.goAway:
      return {
        ...{ type, flags, code: reader.code, lastStreamId: streamId },
        ...{ graceMs: reader.graceMs, text: reader.readText() }
      }
    default:
      throw new Error(`the reader let frame type ${type} through`)
  }
}

export function fastDecode(batch: Uint8Array, checksum = false): Frame[] {
  const reader = new FrameReader()
  reader.load(batch, checksum)
  const frames: Frame[] = []
  while (reader.next()) frames.push(readFrame(reader))
  return frames
}
