/**
 * Frames to bytes: encodes into the buffer of the current batch.
 *
 * Knows the layout of docs/protocol.md, not the meaning of the frames. Batches follow each other in a buffer and are given
 * out as views of it, which are written again only once the conn has released them. A full buffer is followed by one whose
 * batches are all released, or by a new one. Buffers start small and grow with the traffic: an idle conn costs little.
 */

import { Buffer } from 'node:buffer'
import { byteLengthOf, viewPart } from '../base/bytes.ts'
import { encodeText } from '../base/text.ts'
import { crc32 } from './checksum.ts'
import { checksumBytes, Flag, FrameType, type HandlerEntry, maxFingerprintBytes, maxTextBytes } from './frame.ts'

const initialBytes = 512
/** A new buffer of any size costs 2 us, so a busy conn uses large ones. */
const maxBufferBytes = 256 * 1024
/** So many full buffers are kept to be used again: what a socket holds unsent by default reaches into no more. */
const maxFullBuffers = 2
/** So few frames between two beats are those of an idle conn. Pings and pongs are not counted: a peer sends as many as it likes. */
const idleFrames = 2
/** The most that a frame needs in addition to payload, metadata and text: its type, and five varints of up to 8 bytes. */
const headerBytes = 48

/** Of a conn that does not tell. */
const releasesNone = (): number => 0

export class FrameWriter {
  /** Whether batches have a checksum. Set after the handshake, before the first frame. */
  checksum = false
  /** Frames written since the start, for the stats. */
  frames = 0
  /** Messages in these frames, each counted once, for the stats. */
  messages = 0
  /** How many of the batches that were taken nobody reads any more. */
  released: () => number = releasesNone
  /** Called when frames are lost, since the conn gave the memory of a batch away. */
  onLost: (() => void) | undefined
  #buffer = Buffer.allocUnsafeSlow(initialBytes)
  /** The buffers before it, the oldest first, each with the number of its last batch. */
  readonly #full: { readonly buffer: Buffer<ArrayBuffer>; readonly batch: number }[] = []
  #batch = 0
  /** Where the current batch starts, with its checksum. */
  #start = 0
  #at = checksumBytes
  /** Frames since the last beat, without pings and pongs. */
  #framesSinceBeat = 0

  /** Bytes of frames in the current batch. */
  get length(): number {
    return this.#at - this.#start - checksumBytes
  }

  open(
    flags: number,
    streamId: number,
    handler: number,
    timeoutMs: number,
    metadata: Uint8Array | undefined,
    payload: Uint8Array,
    start: number,
    end: number
  ): void {
    this.#begin(
      FrameType.open | flags | (metadata === undefined ? 0 : Flag.metadata),
      end - start + (metadata?.length ?? 0)
    )
    if ((flags & Flag.more) === 0) this.messages++
    this.#varint(streamId)
    this.#varint(handler)
    this.#varint(timeoutMs)
    if (metadata !== undefined) this.#bytes(metadata, 0, metadata.length)
    this.#bytes(payload, start, end)
  }

  data(flags: number, streamId: number, payload: Uint8Array, start: number, end: number): void {
    this.#begin(FrameType.data | flags, end - start)
    if ((flags & Flag.more) === 0) this.messages++
    this.#varint(streamId)
    this.#bytes(payload, start, end)
  }

  /** The end of a half, without a message. */
  end(streamId: number): void {
    this.#begin(FrameType.data | Flag.end | Flag.bare, 0)
    this.#varint(streamId)
  }

  credit(streamId: number, messages: number, bytes: number): void {
    this.#begin(FrameType.credit, 0)
    this.#varint(streamId)
    this.#varint(messages)
    this.#varint(bytes)
  }

  reset(streamId: number, code: number, text: string): void {
    const bytes = encodeText(text, maxTextBytes)
    this.#begin(FrameType.reset, bytes.length)
    this.#varint(streamId)
    this.#varint(code)
    this.#bytes(bytes, 0, bytes.length)
  }

  ping(token: number): void {
    this.#beat(FrameType.ping, token)
  }

  pong(token: number): void {
    this.#beat(FrameType.pong, token)
  }

  handlers(flags: number, entries: readonly HandlerEntry[]): void {
    this.#begin(FrameType.handlers | flags, 0)
    this.#varint(entries.length)
    for (const entry of entries) {
      const subroute = Buffer.from(entry.subroute)
      const id = Buffer.from(entry.id)
      this.#reserve(headerBytes + subroute.length + id.length + maxFingerprintBytes)
      this.#buffer[this.#at++] = entry.kind
      this.#varint(entry.inCapacity)
      this.#varint(entry.outCapacity)
      this.#bytes(subroute, 0, subroute.length)
      this.#bytes(id, 0, id.length)
      if ((flags & Flag.fingerprints) === 0) continue
      const fingerprint = Buffer.from(entry.fingerprint ?? '', 'hex')
      this.#bytes(fingerprint, 0, fingerprint.length)
    }
  }

  /** Twice the index of each handler, plus 1 where it is offered again. */
  handlerChanges(changes: readonly number[]): void {
    this.#begin(FrameType.handlers | Flag.changes, 0)
    this.#varint(changes.length)
    for (const change of changes) {
      this.#reserve(headerBytes)
      this.#varint(change)
    }
  }

  goAway(code: number, lastStreamId: number, graceMs: number | undefined, text: string): void {
    const bytes = encodeText(text, maxTextBytes)
    this.#begin(FrameType.goAway | (graceMs === undefined ? 0 : Flag.grace), bytes.length)
    this.#varint(code)
    this.#varint(lastStreamId)
    if (graceMs !== undefined) this.#varint(graceMs)
    this.#bytes(bytes, 0, bytes.length)
  }

  /** The batch as one message of the conn, which is not changed until it is released; starts the next batch. */
  takeBatch(): Uint8Array {
    if (this.#buffer.length === 0) this.#onGone()
    this.#batch++
    const frames = this.#buffer.subarray(this.#start + checksumBytes, this.#at)
    const batch = this.checksum ? this.#buffer.subarray(this.#start, this.#at) : frames
    if (this.checksum) this.#buffer.writeUInt32LE(crc32(frames), this.#start)
    this.#start = this.#at
    this.#at += checksumBytes
    return batch
  }

  /** Called at a steady beat: releases the memory of a burst once there were hardly any frames between two beats. */
  shrink(): void {
    const isBusy = this.#framesSinceBeat > idleFrames
    this.#framesSinceBeat = 0
    if (isBusy || this.length > 0) return
    const released = this.released()
    for (const { buffer, batch } of this.#full.splice(0)) if (batch <= released) free(buffer)
    if (this.#buffer.length === initialBytes) return
    if (this.#batch <= released) free(this.#buffer)
    this.#startAnew()
  }

  #startAnew(): void {
    this.#buffer = Buffer.allocUnsafeSlow(initialBytes)
    this.#start = 0
    this.#at = checksumBytes
  }

  /**
   * The memory of a batch was given away, and with it the frames behind that. There are none where a stream within this process has
   * passed the memory on to the receiver of a message that fills it to its end.
   */
  #onGone(): void {
    const isLost = this.length > 0
    this.#startAnew()
    if (isLost) this.onLost?.()
  }

  #beat(head: number, token: number): void {
    this.#begin(head, 0)
    this.#framesSinceBeat--
    this.#varint(token)
  }

  #begin(head: number, variableBytes: number): void {
    this.#reserve(headerBytes + variableBytes)
    this.frames++
    this.#framesSinceBeat++
    this.#buffer[this.#at++] = head
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes > this.#buffer.length) this.#moveOn(bytes)
  }

  /** Moves the current batch to another buffer, as this one has no room for `bytes` more. */
  #moveOn(bytes: number): void {
    if (this.#buffer.length === 0) this.#onGone()
    const filled = this.#at - this.#start
    // It may be the same one, which this batch is moved to the start of.
    if (this.#buffer.length <= maxBufferBytes) this.#full.push({ buffer: this.#buffer, batch: this.#batch })
    const next = this.#reuse(filled + bytes) ?? Buffer.allocUnsafeSlow(this.#grown(filled + bytes))
    // Nothing to copy, not even a place for the checksum, when the batch before filled the buffer to its last byte.
    if (this.length > 0) this.#buffer.copy(next, 0, this.#start, this.#at)
    this.#buffer = next
    this.#start = 0
    this.#at = filled
  }

  #grown(bytes: number): number {
    let capacity = Math.min(this.#buffer.length * 2, maxBufferBytes)
    while (capacity < bytes) capacity *= 2
    return capacity
  }

  /** A buffer of at least so many bytes whose batches are all released. */
  #reuse(bytes: number): Buffer<ArrayBuffer> | undefined {
    const released = this.released()
    let reused: Buffer<ArrayBuffer> | undefined
    while (reused === undefined && (this.#full[0]?.batch ?? Infinity) <= released) {
      const buffer = this.#full.shift()?.buffer
      if (buffer !== undefined && buffer.length >= bytes) reused = buffer
    }
    if (this.#full.length > maxFullBuffers) this.#full.shift()
    return reused
  }

  /** Unsigned LEB128, docs/protocol.md, section "Varints". */
  #varint(value: number): void {
    if (value < 0x80) this.#buffer[this.#at++] = value
    else this.#longVarint(value)
  }

  #longVarint(value: number): void {
    const buffer = this.#buffer
    let left = value
    let at = this.#at
    while (left >= 0x80) {
      // Beyond 31 bits the shift operators no longer serve; such values are rare.
      buffer[at++] = (left % 0x80) | 0x80
      left = left > 0x7fffffff ? Math.floor(left / 0x80) : left >>> 7
    }
    buffer[at++] = left
    this.#at = at
  }

  #bytes(bytes: Uint8Array, start: number, end: number): void {
    this.#varint(end - start)
    // What is not there is not touched: its memory may be gone.
    if (end === start) return
    const isWhole = start === 0 && end === byteLengthOf(bytes)
    this.#buffer.set(isWhole ? bytes : viewPart(bytes, start, end), this.#at)
    this.#at += end - start
  }
}

/**
 * Frees the memory at once, by giving it away. V8 may hold a batch for as long as a conn lives: an async function that is
 * optimised while it runs keeps what it held when it was last suspended before.
 */
function free({ buffer }: Buffer<ArrayBuffer>): void {
  if (buffer.byteLength > 0) structuredClone(undefined, { transfer: [buffer] })
}
