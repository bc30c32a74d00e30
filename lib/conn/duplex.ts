/**
 * A conn over any ordered stream of bytes: TCP, TLS, Unix sockets, the stdio of a child process. `connect-duplex.ts` dials
 * one.
 *
 * A message is its length as 4 bytes, little-endian, and that many bytes. The length 0x80000000 is the goodbye of a graceful
 * end. A stream that ends without it is a lost conn, since the sockets of a killed process end in the same way. Neither
 * authenticates nor encrypts.
 */

import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { aBoolean, aString, aWholeNumber, check, type Kinds, objectWith, optionsReader } from '../errors/check.ts'
import { DisconnectedError, ProtocolError } from '../errors/errors.ts'
import { systemText } from '../errors/failure.ts'
import { defaultLimits, maxConnMessageBytes as largestConnMessageBytes, maxLimit } from '../errors/options.ts'
import { aHighWaterMark, CarrierConn, defaultHighWaterMarkBytes, formatRemoteAddress } from './carrier.ts'
import type { Conn } from './conn.ts'
import { onePiece } from './one-piece.ts'

const headerBytes = 4
/** Cannot be the length of a message: those are below 2 ** 31. */
const goodbye = 0x80000000
/** So many bytes are allocated for a message by its length, which spares usual ones a copy; the rest as its bytes arrive. */
const reservedBytes = largestConnMessageBytes(defaultLimits)

export interface DuplexConnOptions {
  /** The largest message that is accepted, in bytes. Default: the largest that a session sends. */
  maxConnMessageBytes?: number
  /** Whether the stream itself protects integrity. Default: true for a `TLSSocket`, else false. */
  secure?: boolean
  /** For logs. Default: that of the stream, else `local`. */
  remoteAddress?: string
  /** Bytes that the stream may hold unsent before `sink` waits, and bytes that may wait unread. Default 128 KiB. */
  highWaterMarkBytes?: number
}

/** What a `net.Socket` or `TLSSocket` has in addition to a `Duplex`. */
interface SocketLike {
  remoteAddress?: string
  remotePort?: number
  encrypted?: boolean
  setNoDelay?(noDelay: boolean): unknown
}

export const duplexKinds: Kinds<DuplexConnOptions> = {
  maxConnMessageBytes: aWholeNumber(1, maxLimit, '2^31-1'),
  secure: aBoolean,
  remoteAddress: aString,
  highWaterMarkBytes: aHighWaterMark
}
const readOptions = optionsReader<DuplexConnOptions>('duplexConn()', duplexKinds)
const aDuplex = objectWith('must be a Duplex of Node', 'on', 'read', 'write', 'end', 'destroy')

/**
 * A `Conn` over an open stream, which must not be used for anything else from now on.
 *
 * @throws {InvalidOptionError} naming the argument or option that is wrong
 */
export function duplexConn(stream: Duplex, given?: DuplexConnOptions): Conn {
  check('the first argument of duplexConn()', stream, aDuplex)
  const options = readOptions(given)
  const socket = stream as Duplex & SocketLike
  // The outbox has batched already: waiting for more would only add delay.
  socket.setNoDelay?.(true)
  let released = 0
  // Any other stream may have passed the memory on.
  const releases = stream instanceof Socket
  const onFlushed = (error?: Error | null): void => {
    // What failed makes no room: the conn is lost, and what is not written was not sent.
    if (error) return
    if (releases) released++
    conn.drained()
  }
  let saidGoodbye = false
  const carrierOptions = {
    secure: options.secure ?? socket.encrypted === true,
    remoteAddress: options.remoteAddress ?? formatRemoteAddress(socket),
    transport: stream,
    tls: stream instanceof TLSSocket ? stream : undefined,
    highWaterMarkBytes: options.highWaterMarkBytes ?? defaultHighWaterMarkBytes
  }
  const conn = new CarrierConn(carrierOptions, {
    write(message) {
      if (!stream.writable) return false
      const length = encodeLength(message.byteLength)
      const whole = onePiece(length, message)
      if (whole !== undefined) stream.write(whole, onFlushed)
      else writeBoth(stream, length, message, onFlushed)
      return true
    },
    unsent: () => stream.writableLength,
    pause: () => stream.pause(),
    resume: () => stream.resume(),
    arrivedBytes: () => reader.arrivedBytes,
    releasedMessages: () => released,
    limitInbound(maxBytes) {
      reader.leftBytes = maxBytes
    },
    close() {
      if (saidGoodbye || !stream.writable) return
      saidGoodbye = true
      stream.end(encodeLength(goodbye))
    },
    abort: () => stream.destroy()
  })
  const maxBytes = options.maxConnMessageBytes ?? largestConnMessageBytes(defaultLimits)
  const reader = new MessageReader(maxBytes, (message) => conn.received(message))
  listen(stream, conn, reader)
  return conn
}

function writeBoth(
  stream: Duplex,
  head: Uint8Array,
  body: Uint8Array,
  onFlushed: (error?: Error | null) => void
): void {
  stream.cork()
  stream.write(head)
  stream.write(body, onFlushed)
  stream.uncork()
}

function encodeLength(length: number): Buffer {
  const field = Buffer.allocUnsafe(headerBytes)
  field.writeUInt32LE(length)
  return field
}

/** Tells `conn` what happens to `stream`, until it is closed. */
function listen(stream: Duplex, conn: CarrierConn, reader: MessageReader): void {
  const onData = (chunk: Buffer): void => {
    try {
      if (!reader.push(chunk)) return
      stream.off('data', onData)
      conn.remoteClosed()
      // Only the end of the stream is left to read. It must be read even when the inbox is full.
      stream.resume()
    } catch (error) {
      conn.lost(error as ProtocolError)
      stream.destroy()
    }
  }
  const onEnd = (): void => {
    if (reader.sawGoodbye) return
    conn.lost(new DisconnectedError('lost', 'connection lost: the stream ended without a goodbye'))
    stream.destroy()
  }
  const onError = (error: Error): void => {
    conn.lost(new DisconnectedError('lost', `connection lost: ${systemText(error)}`, { cause: error }))
  }
  const onClose = (): void => {
    stream.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose)
    conn.closed()
  }
  stream.on('error', onError).on('close', onClose).on('end', onEnd).on('data', onData)
  if (stream.readableEnded) stream.destroy()
  // A stream that is destroyed but not yet closed may still report an error.
  if (stream.closed) onClose()
}

/** Splits a stream of bytes into messages. A message inside one chunk is a view of it; others are copied together. */
class MessageReader {
  /** Bytes that may still arrive. */
  leftBytes = Infinity
  arrivedBytes = 0
  readonly #maxBytes: number
  readonly #deliver: (message: Uint8Array) => void
  readonly #field = Buffer.alloc(headerBytes)
  #fieldFilled = 0
  /** What has arrived of a message that is not whole, and room for more. */
  #body: Buffer | undefined
  #bodyLength = 0
  #bodyFilled = 0
  #sawGoodbye = false

  constructor(maxBytes: number, deliver: (message: Uint8Array) => void) {
    this.#maxBytes = maxBytes
    this.#deliver = deliver
  }

  get sawGoodbye(): boolean {
    return this.#sawGoodbye
  }

  /**
   * Takes the next chunk. Returns true once the goodbye was read.
   *
   * @throws {ProtocolError} on a length that no message may have, and on more bytes than may arrive
   */
  push(chunk: Buffer): boolean {
    this.arrivedBytes += chunk.length
    this.leftBytes -= chunk.length
    let at = 0
    while (at < chunk.length && !this.#sawGoodbye) {
      at = this.#body === undefined ? this.#readMessage(chunk, at) : this.#fillBody(this.#body, chunk, at)
    }
    return this.#sawGoodbye
  }

  #readMessage(chunk: Buffer, start: number): number {
    let at = start
    let length: number
    if (this.#fieldFilled === 0 && chunk.length - at >= headerBytes) {
      length = chunk.readUInt32LE(at)
      at += headerBytes
    } else {
      this.#field[this.#fieldFilled] = chunk[at] as number
      this.#fieldFilled += 1
      at += 1
      if (this.#fieldFilled < headerBytes) return at
      this.#fieldFilled = 0
      length = this.#field.readUInt32LE(0)
    }
    if (length === goodbye) {
      this.#sawGoodbye = true
      return at
    }
    this.#check(length, chunk.length - at)
    if (chunk.length - at >= length) {
      this.#deliver(chunk.subarray(at, at + length))
      return at + length
    }
    this.#body = Buffer.allocUnsafe(Math.min(length, reservedBytes))
    this.#bodyLength = length
    this.#bodyFilled = 0
    return at
  }

  #check(length: number, here: number): void {
    if (length === 0) throw new ProtocolError('an empty message arrived')
    if (length > this.#maxBytes) {
      throw new ProtocolError(`a message of ${length} bytes arrived, ${this.#maxBytes} are allowed`)
    }
    if (length - here > this.leftBytes || this.leftBytes < 0) {
      throw new ProtocolError(`a message of ${length} bytes arrived, too large before the handshake is done`)
    }
  }

  #fillBody(given: Buffer, chunk: Buffer, at: number): number {
    const count = Math.min(this.#bodyLength - this.#bodyFilled, chunk.length - at)
    const filled = this.#bodyFilled + count
    const body = filled <= given.length ? given : this.#grow(given, filled)
    chunk.copy(body, this.#bodyFilled, at, at + count)
    this.#bodyFilled = filled
    if (filled === this.#bodyLength) {
      this.#body = undefined
      this.#deliver(body)
    }
    return at + count
  }

  #grow(body: Buffer, needed: number): Buffer {
    const grown = Buffer.allocUnsafe(Math.min(this.#bodyLength, Math.max(needed, 2 * body.length)))
    body.copy(grown, 0, 0, this.#bodyFilled)
    this.#body = grown
    return grown
  }
}
