/**
 * Bytes to frames: reads the frames of a batch and checks each number.
 *
 * It is a cursor, not a parser: `next()` moves to the next frame, whose fields are valid until the next call. So a frame
 * costs no object. Whether a frame is allowed at this moment is decided by the session.
 */

import { Buffer, isUtf8 } from 'node:buffer'
import { ProtocolError } from '../errors/errors.ts'
import { maxCapacity, maxTimeoutMs } from '../errors/options.ts'
import { crc32 } from './checksum.ts'
import { checksumBytes, Flag, FrameType, type HandlerEntry, maxFingerprintBytes, maxTextBytes } from './frame.ts'
import { findWrong, isRight } from './head.ts'
import { allocatePayload } from './payload-memory.ts'

const noBytes = Buffer.alloc(0)

export class FrameReader {
  type = 0
  flags = 0
  streamId = 0
  /** Of open: the index in the handler table of this side. */
  handler = 0
  /** Of open: remaining time in ms, 0 for none. */
  timeoutMs = 0
  /** Of credit. */
  messages = 0
  /** Of credit. */
  bytes = 0
  /** Of reset and go-away. */
  code = 0
  /** Of go-away: how long running calls may take, in ms; undefined where the remote end does not say. */
  graceMs: number | undefined
  /** Of ping and pong. */
  token = 0
  #batch: Buffer = noBytes
  /** The buffer of the batch, its size, and where the batch starts in it: reading these from a view or buffer is a call. */
  #memory: ArrayBufferLike = noBytes.buffer
  #memoryBytes = 0
  #offset = 0
  #length = 0
  #at = 0
  #payloadStart = 0
  #payloadEnd = 0
  #metadataStart = 0
  #metadataEnd = 0

  /**
   * Starts on a batch.
   *
   * @throws {ProtocolError} when the batch is empty, or its checksum does not match
   */
  load(batch: Uint8Array, checksum: boolean): void {
    this.#memory = batch.buffer
    this.#memoryBytes = this.#memory.byteLength
    this.#offset = batch.byteOffset
    this.#batch = Buffer.isBuffer(batch) ? batch : Buffer.from(this.#memory, this.#offset, batch.length)
    this.#length = batch.length
    this.#at = 0
    if (checksum) {
      if (batch.length < checksumBytes) throw new ProtocolError('a batch without its checksum', { reason: 'checksum' })
      this.#at = checksumBytes
      if (crc32(this.#batch.subarray(checksumBytes)) !== this.#batch.readUInt32LE(0)) {
        throw new ProtocolError('the checksum of a batch does not match', { reason: 'checksum' })
      }
    }
    if (this.#at === this.#length) throw new ProtocolError('an empty batch')
  }

  /**
   * Moves to the next frame; returns false at the end of the batch.
   *
   * @throws {ProtocolError} that says what is wrong with the frame
   */
  next(): boolean {
    if (this.#at === this.#length) {
      // An idle conn must not keep the last batch alive.
      this.#batch = noBytes
      this.#memory = noBytes.buffer
      return false
    }
    const head = this.#batch[this.#at++] as number
    this.type = head & 0x0f
    this.flags = head & 0xf0
    if (isRight[head] === 0) throw new ProtocolError(findWrong(this.type, this.flags) as string)
    // Nearly all frames are one of the first two. What is apart from here costs them no place in what V8 optimises as one.
    if (this.type === FrameType.data) {
      this.streamId = this.#id()
      if ((this.flags & Flag.bare) === 0) this.#payload()
      else this.#payloadStart = this.#payloadEnd = this.#at
    } else if (this.type === FrameType.open) this.#open()
    else this.#other()
    return true
  }

  /** Bytes of the batch that were read. */
  get position(): number {
    return this.#at
  }

  /** Bytes of the payload of open and data, or of the text of reset and go-away. */
  get payloadLength(): number {
    return this.#payloadEnd - this.#payloadStart
  }

  /** The payload as a view of the batch, valid until the next batch is read. */
  viewPayload(): Uint8Array {
    return this.#batch.subarray(this.#payloadStart, this.#payloadEnd)
  }

  /**
   * The payload for a receiver that may keep and change it. It keeps at most twice its size alive or, below 4 KiB, 8 KiB that
   * it shares with other payloads.
   *
   * The last payload of a batch is not copied when it is most of its buffer: that memory is not read again.
   */
  takePayload(): Uint8Array {
    const start = this.#payloadStart
    const end = this.#payloadEnd
    const length = end - start
    const arrived = new Uint8Array(this.#memory, this.#offset + start, length)
    if (this.#offset + end === this.#memoryBytes && length * 2 >= this.#memoryBytes) return arrived
    const payload = allocatePayload(length)
    payload.set(arrived)
    return payload
  }

  /** Bytes of the metadata of an open frame. */
  get metadataLength(): number {
    return this.#metadataEnd - this.#metadataStart
  }

  /** A copy of the metadata of an open frame. */
  copyMetadata(): Uint8Array | undefined {
    return this.#metadataEnd === 0 ? undefined : this.#copyMetadata()
  }

  #copyMetadata(): Uint8Array {
    return Buffer.from(this.#batch.subarray(this.#metadataStart, this.#metadataEnd))
  }

  /** The text of a reset or go-away frame. */
  readText(): string {
    return this.#batch.toString('utf8', this.#payloadStart, this.#payloadEnd)
  }

  /**
   * The entries of a handlers frame; must be called before `next()` goes on.
   *
   * @param room how many of the `maxHandlers` entries the sender may still advertise
   * @throws {ProtocolError} when there are more, or a name is longer than `maxNameBytes` or none
   */
  readHandlers(room: number, maxNameBytes: number, maxHandlers = room): HandlerEntry[] {
    const count = this.#varint()
    if (count > room) throw new ProtocolError(`a handler table of more than the ${maxHandlers} entries allowed`)
    const entries: HandlerEntry[] = []
    for (let i = 0; i < count; i++) {
      const kind = this.#batch[this.#at++]
      if (kind === undefined) throw this.#truncated()
      if (kind > 1) throw new ProtocolError(`a handler of unknown kind ${kind}`)
      const inCapacity = this.#capacity()
      const outCapacity = this.#capacity()
      const subroute = this.#name(maxNameBytes)
      const id = this.#name(maxNameBytes)
      if (id === '') throw new ProtocolError('a handler without an id')
      const fingerprint = (this.flags & Flag.fingerprints) === 0 ? undefined : this.#fingerprint()
      entries.push({ kind, inCapacity, outCapacity, subroute, id, ...(fingerprint && { fingerprint }) })
    }
    return entries
  }

  /**
   * The changes of a handlers frame with that flag; must be called before `next()` goes on.
   *
   * @throws {ProtocolError} when there are more than handlers may be
   */
  readChanges(maxHandlers: number): number[] {
    const count = this.#varint()
    if (count > maxHandlers) throw new ProtocolError(`changes of more than the ${maxHandlers} handlers allowed`)
    // One by one: no memory for numbers that are not there.
    const changes: number[] = []
    while (changes.length < count) changes.push(this.#varint())
    return changes
  }

  #open(): void {
    this.streamId = this.#id()
    this.handler = this.#varint()
    this.timeoutMs = this.#varint()
    this.#metadataStart = this.#metadataEnd = 0
    if ((this.flags & Flag.metadata) !== 0) this.#metadata()
    this.#payload()
  }

  #metadata(): void {
    this.#metadataStart = this.#bytes()
    this.#metadataEnd = this.#at
  }

  #other(): void {
    switch (this.type) {
      case FrameType.credit:
        this.streamId = this.#id()
        this.messages = this.#varint()
        this.bytes = this.#varint()
        break
      case FrameType.reset:
        this.streamId = this.#id()
        this.code = this.#varint()
        this.#text()
        break
      case FrameType.goAway:
        this.code = this.#varint()
        this.streamId = this.#varint()
        this.graceMs = (this.flags & Flag.grace) === 0 ? undefined : this.#grace()
        this.#text()
        break
      case FrameType.handlers:
        break
      default:
        this.token = this.#varint()
    }
  }

  #payload(): void {
    this.#payloadStart = this.#bytes()
    this.#payloadEnd = this.#at
  }

  #text(): void {
    this.#payload()
    if (this.payloadLength > maxTextBytes) throw new ProtocolError(`a text of more than ${maxTextBytes} bytes`)
  }

  #name(maxNameBytes: number): string {
    const start = this.#bytes()
    if (this.#at - start > maxNameBytes) throw new ProtocolError(`a handler name of more than ${maxNameBytes} bytes`)
    const bytes = this.#batch.subarray(start, this.#at)
    if (bytes.includes(0) || !isUtf8(bytes))
      throw new ProtocolError('a handler name that has NUL in it or is not UTF-8')
    return bytes.toString()
  }

  /** In hex; undefined for none. */
  #fingerprint(): string | undefined {
    const start = this.#bytes()
    if (this.#at - start > maxFingerprintBytes)
      throw new ProtocolError(`a fingerprint of more than ${maxFingerprintBytes} bytes`)
    return this.#batch.toString('hex', start, this.#at) || undefined
  }

  #capacity(): number {
    const capacity = this.#varint()
    if (capacity > maxCapacity) throw new ProtocolError(`a handler capacity of more than ${maxCapacity}`)
    return capacity
  }

  #grace(): number {
    const graceMs = this.#varint()
    if (graceMs > maxTimeoutMs) throw new ProtocolError(`a grace of more than ${maxTimeoutMs} ms`)
    return graceMs
  }

  #id(): number {
    const id = this.#varint()
    if (id === 0) throw new ProtocolError('stream id 0')
    return id
  }

  /** Skips a length and that many bytes; returns where they start. */
  #bytes(): number {
    const length = this.#varint()
    const start = this.#at
    if (length > this.#length - start) throw new ProtocolError('a length beyond the end of the batch')
    this.#at = start + length
    return start
  }

  /** Unsigned LEB128 of at most 2^53-1 in its shortest form. docs/protocol.md, section "Varints". */
  #varint(): number {
    const first = this.#batch[this.#at++]
    return first !== undefined && first < 0x80 ? first : this.#longVarint(first)
  }

  #longVarint(first: number | undefined): number {
    if (first === undefined) throw this.#truncated()
    let value = first & 0x7f
    let scale = 0x80
    for (let i = 1; i < 8; i++) {
      const byte = this.#batch[this.#at++]
      if (byte === undefined) throw this.#truncated()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (byte === 0) throw new ProtocolError('a varint that is longer than it needs to be')
        if (value > Number.MAX_SAFE_INTEGER) break
        return value
      }
      scale *= 0x80
    }
    throw new ProtocolError('a varint beyond 2^53-1')
  }

  #truncated(): ProtocolError {
    this.#at = this.#length
    return new ProtocolError('a frame that is cut short')
  }
}
