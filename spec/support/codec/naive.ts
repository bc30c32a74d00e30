/**
 * A second codec of the frames, written from docs/protocol.md alone: slow, obvious, and sharing no code with lib/.
 *
 * Numbers are literals and varints are BigInts on purpose, so that a slip in lib/ cannot hide here too. It decodes into
 * plain objects and does not name what is wrong with bad bytes: it only refuses them.
 */

import { isUtf8 } from 'node:buffer'
import type { Frame } from '../../../lib/wire/frame.ts'

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
        return within(0, Number.MAX_SAFE_INTEGER, Number(value))
      }
      if (place >= 49n) throw new NaiveError('too large')
    }
  }

  bytes(maxLength: number): Uint8Array {
    const length = within(0, maxLength, this.varint())
    return Uint8Array.from({ length: within(0, this.left, length) }, () => this.byte())
  }
}

function within(least: number, most: number, value: number): number {
  if (value < least || value > most) throw new NaiveError('a number out of its range')
  return value
}

/** How a field is written and read. */
interface Field {
  write(value: never): number[]
  read(cursor: Cursor): unknown
}

function numeric(least = 0, most = Number.MAX_SAFE_INTEGER): Field {
  return { write: naiveVarint, read: (cursor) => within(least, most, cursor.varint()) }
}

const byteString = {
  write: (value: Uint8Array) => [...naiveVarint(value.length), ...value],
  read: (cursor: Cursor) => cursor.bytes(Number.MAX_SAFE_INTEGER)
}

function text(maxBytes: number): Field {
  return {
    write: (value: string) => byteString.write(new TextEncoder().encode(value)),
    read: (cursor) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(cursor.bytes(maxBytes))
  }
}

function name(leastBytes: number): Field {
  const read = (cursor: Cursor) => {
    const bytes = cursor.bytes(256)
    if (bytes.length < leastBytes || bytes.includes(0) || !isUtf8(bytes)) throw new NaiveError('no name')
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  }
  return { write: text(256).write, read }
}

type Fields = Readonly<Record<string, Field>>

const id = numeric(1)
const number = numeric()
const capacity = numeric(0, 65_535)
const kind: Field = { write: (value) => [value], read: (cursor) => within(0, 1, cursor.byte()) }
const entry: Fields = { kind, inCapacity: capacity, outCapacity: capacity, subroute: name(0), id: name(1) }
const listOf = (each: Fields): Field => ({
  write: (list: object[]) => [...naiveVarint(list.length), ...list.flatMap((values) => write(each, values))],
  read: (cursor) =>
    Array.from({ length: within(0, 4096, cursor.varint()) }, () => fill(each, (_name, field) => field.read(cursor)))
})
const entries = listOf(entry)
/** None is left out. */
const fingerprint: Field = {
  write: (hex: string | undefined) => byteString.write(Uint8Array.from(Buffer.from(hex ?? '', 'hex'))),
  read: (cursor) => Buffer.from(cursor.bytes(32)).toString('hex') || undefined
}

const changes: Field = {
  write: (list: number[]) => [list.length, ...list].flatMap(naiveVarint),
  read: (cursor) => Array.from({ length: within(0, 4096, cursor.varint()) }, () => cursor.varint())
}
const noEntries: Field = { write: () => [], read: () => [] }

/** The fields of each frame type behind the first byte, in the order of the page. */
const layouts: Readonly<Record<number, Fields>> = {
  1: { streamId: id, handler: number, timeoutMs: number, metadata: byteString, payload: byteString },
  2: { streamId: id, payload: byteString },
  3: { streamId: id, messages: number, bytes: number },
  4: { streamId: id, code: number, text: text(1024) },
  5: { token: number },
  6: { token: number },
  7: { entries },
  8: { code: number, lastStreamId: number, graceMs: numeric(0, 2_147_483_647), text: text(1024) }
}

/** The fields behind this first byte. */
function layoutOf(head: number): Fields {
  if (head === 0x47 || head === 0x67) return { entries: listOf({ ...entry, fingerprint }) }
  return head === 0x87 ? { entries: noEntries, changes } : (layouts[head & 0x0f] as Fields)
}

/** Every first byte that the tables of the page allow. */
export const naiveHeads: ReadonlySet<number> = new Set([
  // OPEN: end or more or neither, with and without metadata.
  ...[0x01, 0x11, 0x21, 0x81, 0x91, 0xa1],
  // DATA: nothing, end, more, end+error, end+bare.
  ...[0x02, 0x12, 0x22, 0x52, 0x92],
  ...[0x03, 0x04, 0x05, 0x06],
  // HANDLERS: with and without more, also with fingerprints; changes.
  ...[0x07, 0x27, 0x47, 0x67, 0x87],
  // GOAWAY: without and with a grace.
  ...[0x08, 0x88]
])

function write(fields: Fields, values: object, absent?: string): number[] {
  const present = Object.entries(fields).filter(([name]) => name !== absent)
  return present.flatMap(([name, field]) => field.write((values as Record<string, never>)[name] as never))
}

function fill(fields: Fields, value: (name: string, field: Field) => unknown): object {
  const all = Object.entries(fields).map(([name, field]) => [name, value(name, field)])
  return Object.fromEntries(all.filter(([name, given]) => name !== 'fingerprint' || given !== undefined))
}

/** The field that the flags of a frame leave out: metadata or grace without its flag, the payload with `bare`. */
function absentIn(head: number): string | undefined {
  const isMarked = (head & 0x80) !== 0
  const absent: Readonly<Record<number, string>> = isMarked ? { 2: 'payload' } : { 1: 'metadata', 8: 'graceMs' }
  return absent[head & 0x0f]
}

/** The frame that begins with `head`, with these values in its fields. The flags of an OPEN include `metadata`. */
export function naiveFrame(head: number, value: (name: string, field: Field) => unknown): Frame {
  const absent = absentIn(head)
  const nothing = absent === 'payload' ? new Uint8Array() : undefined
  const valueIn = (name: string, field: Field) => (name === absent ? nothing : value(name, field))
  return { type: head & 0x0f, flags: head & 0xf0, ...fill(layoutOf(head), valueIn) } as Frame
}

/** The bytes of one frame. The flags `metadata` and `grace` are set where there is such a field. */
export function naiveEncode(frame: Frame): Uint8Array {
  const hasMetadata = frame.type === 1 && frame.metadata !== undefined
  const hasGrace = frame.type === 8 && frame.graceMs !== undefined
  const head = frame.type | frame.flags | (hasMetadata || hasGrace ? 0x80 : 0)
  return Uint8Array.from([head, ...write(layoutOf(head), frame, absentIn(head))])
}

/** One batch. */
export function naiveBatch(frames: readonly Frame[], checksum: boolean): Uint8Array {
  const body = Buffer.concat(frames.map(naiveEncode))
  if (!checksum) return body
  const crc = naiveCrc32(body)
  return Buffer.concat([Uint8Array.of(crc & 0xff, (crc >>> 8) & 0xff, (crc >>> 16) & 0xff, crc >>> 24), body])
}

/** The frames of one batch. */
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
  while (cursor.left > 0) {
    const head = cursor.byte()
    if (!naiveHeads.has(head)) throw new NaiveError('unknown type or flags')
    frames.push(naiveFrame(head, (_name, field) => field.read(cursor)))
  }
  return frames
}
