/**
 * A second codec of the frames, written from docs/protocol.md alone: slow, obvious, and sharing no code with lib/.
 *
 * Numbers are literals and varints are BigInts on purpose, so that a slip in lib/ cannot hide here too. It decodes into
 * plain objects and does not name what is wrong with bad bytes: it only refuses them.
 */

import type { Frame, HandlerEntry } from '../../../lib/wire/frame.ts'

export class NaiveError extends Error {}

/** The CRC-32 of ISO 3309, bit by bit. */
export function naiveCrc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return (crc ^ 0xffffffff) >>> 0
}

export function naiveVarint(value: number): number[] {
  const bytes: number[] = []
  let rest = BigInt(value)
  do {
    const low = Number(rest % 128n)
    rest /= 128n
    bytes.push(rest > 0n ? low + 128 : low)
  } while (rest > 0n)
  return bytes
}

function byteString(bytes: Uint8Array): number[] {
  return [...naiveVarint(bytes.length), ...bytes]
}

function text(value: string): number[] {
  return byteString(new TextEncoder().encode(value))
}

function entry({ kind, inCapacity, outCapacity, subroute, id }: HandlerEntry): number[] {
  return [kind, ...naiveVarint(inCapacity), ...naiveVarint(outCapacity), ...text(subroute), ...text(id)]
}

/** The fields of a frame behind its first byte, in the order of the page. */
function fieldsOf(frame: Frame): number[] {
  switch (frame.type) {
    case 1: {
      const metadata = frame.metadata === undefined ? [] : byteString(frame.metadata)
      const numbers = [frame.streamId, frame.handler, frame.timeoutMs].flatMap(naiveVarint)
      return [...numbers, ...metadata, ...byteString(frame.payload)]
    }
    case 2:
      return [...naiveVarint(frame.streamId), ...((frame.flags & 0x80) !== 0 ? [] : byteString(frame.payload))]
    case 3:
      return [frame.streamId, frame.messages, frame.bytes].flatMap(naiveVarint)
    case 4:
      return [...naiveVarint(frame.streamId), ...naiveVarint(frame.code), ...text(frame.text)]
    case 7:
      return [...naiveVarint(frame.entries.length), ...frame.entries.flatMap(entry)]
    case 8:
      return [
        ...[frame.code, frame.lastStreamId].flatMap(naiveVarint),
        ...(frame.graceMs === undefined ? [] : naiveVarint(frame.graceMs)),
        ...text(frame.text)
      ]
    default:
      return naiveVarint(frame.token)
  }
}

/** The bytes of one frame. The flags `metadata` and `grace` are set where there is such a field. */
export function naiveEncode(frame: Frame): Uint8Array {
  const hasMetadata = frame.type === 1 && frame.metadata !== undefined
  const hasGrace = frame.type === 8 && frame.graceMs !== undefined
  return Uint8Array.from([frame.type | frame.flags | (hasMetadata || hasGrace ? 0x80 : 0), ...fieldsOf(frame)])
}

/** One batch. */
export function naiveBatch(frames: readonly Frame[], checksum: boolean): Uint8Array {
  const body = Buffer.concat(frames.map(naiveEncode))
  if (!checksum) return body
  const crc = naiveCrc32(body)
  return Buffer.concat([Uint8Array.of(crc & 0xff, (crc >>> 8) & 0xff, (crc >>> 16) & 0xff, crc >>> 24), body])
}

class Cursor {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw new NaiveError('cut short')
    return byte
  }

  varint(): number {
    let value = 0n
    for (let place = 0n; ; place += 7n) {
      const byte = this.byte()
      value += BigInt(byte & 127) << place
      if (byte < 128) {
        if (byte === 0 && place > 0n) throw new NaiveError('over-long')
        if (value > 2n ** 53n - 1n) throw new NaiveError('too large')
        return Number(value)
      }
      if (place >= 49n) throw new NaiveError('too large')
    }
  }

  byteString(): Uint8Array {
    const length = this.varint()
    if (length > this.left) throw new NaiveError('a length beyond the end')
    return Uint8Array.from({ length }, () => this.byte())
  }

  text(maxBytes: number): string {
    const bytes = this.byteString()
    if (bytes.length > maxBytes) throw new NaiveError('a text too long')
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  }

  streamId(): number {
    const id = this.varint()
    if (id === 0) throw new NaiveError('stream id 0')
    return id
  }
}

/** Every first byte that the tables of the page allow. */
export const naiveHeads: ReadonlySet<number> = new Set([
  // OPEN: end or more or neither, with and without metadata.
  ...[0x01, 0x11, 0x21, 0x81, 0x91, 0xa1],
  // DATA: nothing, end, more, end+error, end+bare.
  ...[0x02, 0x12, 0x22, 0x52, 0x92],
  ...[0x03, 0x04, 0x05, 0x06, 0x07, 0x27],
  // GOAWAY: without and with a grace.
  ...[0x08, 0x88]
])

function capacity(value: number): number {
  if (value > 65_535) throw new NaiveError('a capacity too large')
  return value
}

function readEntries(cursor: Cursor): HandlerEntry[] {
  const count = cursor.varint()
  if (count > 4096) throw new NaiveError('too many handlers')
  return Array.from({ length: count }, () => readEntry(cursor))
}

function readEntry(cursor: Cursor): HandlerEntry {
  const kind = cursor.byte()
  if (kind > 1) throw new NaiveError('unknown kind')
  const inCapacity = capacity(cursor.varint())
  const outCapacity = capacity(cursor.varint())
  const subroute = cursor.text(256)
  return { kind, inCapacity, outCapacity, subroute, id: cursor.text(256) }
}

function readFrame(cursor: Cursor): Frame {
  const head = cursor.byte()
  if (!naiveHeads.has(head)) throw new NaiveError('unknown type or flags')
  const flags = head & 0xf0
  switch (head & 0x0f) {
    case 1: {
      const streamId = cursor.streamId()
      const handler = cursor.varint()
      const timeoutMs = cursor.varint()
      const metadata = (flags & 0x80) !== 0 ? cursor.byteString() : undefined
      return { type: 1, flags, streamId, handler, timeoutMs, metadata, payload: cursor.byteString() }
    }
    case 2: {
      const streamId = cursor.streamId()
      return { type: 2, flags, streamId, payload: (flags & 0x80) !== 0 ? new Uint8Array() : cursor.byteString() }
    }
    case 3:
      return { type: 3, flags: 0, streamId: cursor.streamId(), messages: cursor.varint(), bytes: cursor.varint() }
    case 4:
      return { type: 4, flags: 0, streamId: cursor.streamId(), code: cursor.varint(), text: cursor.text(1024) }
    case 5:
      return { type: 5, flags: 0, token: cursor.varint() }
    case 6:
      return { type: 6, flags: 0, token: cursor.varint() }
    case 7:
      return { type: 7, flags, entries: readEntries(cursor) }
    default: {
      const code = cursor.varint()
      const lastStreamId = cursor.varint()
      const graceMs = (flags & 0x80) !== 0 ? cursor.varint() : undefined
      if (graceMs !== undefined && graceMs > 2_147_483_647) throw new NaiveError('a grace too long')
      return { type: 8, flags, code, lastStreamId, graceMs, text: cursor.text(1024) }
    }
  }
}

/** The frames of one batch. `flags` of an OPEN include `metadata`. */
export function naiveDecode(batch: Uint8Array, checksum = false): Frame[] {
  let body = batch
  if (checksum) {
    if (batch.length < 4) throw new NaiveError('no checksum')
    body = batch.subarray(4)
    const given = new DataView(batch.buffer, batch.byteOffset).getUint32(0, true)
    if (given !== naiveCrc32(body)) throw new NaiveError('bad checksum')
  }
  if (body.length === 0) throw new NaiveError('empty')
  const cursor = new Cursor(body)
  const frames: Frame[] = []
  while (cursor.left > 0) frames.push(readFrame(cursor))
  return frames
}
