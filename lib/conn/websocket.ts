/**
 * A conn over a WebSocket of either end: `webSocketConn`. `connect-ws.ts` dials one.
 *
 * Binary messages, no compression. A message that breaks a rule of the transport is answered with its close code.
 */

import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { type RawData, WebSocket } from 'ws'
import { encodeText, printable } from '../base/text.ts'
import { aBoolean, anObject, aString, check, objectWith, optionsReader, required } from '../errors/check.ts'
import { DisconnectedError, ProtocolError } from '../errors/errors.ts'
import { systemText } from '../errors/failure.ts'
import { Rate } from '../time/rate.ts'
import { addReason, aHighWaterMark, CarrierConn, closeGraceMs, defaultHighWaterMarkBytes } from './carrier.ts'
import type { Conn } from './conn.ts'
import { onePiece } from './one-piece.ts'

export interface WebSocketConnInit {
  secure: boolean
  remoteAddress: string
  /** The socket of the WebSocket, which `ws` does not expose. Without it the conn has no `tls`, `limitInbound`, `arrivedBytes`. */
  socket?: Duplex
  /** As in `WebSocketOptions`. Default 128 KiB. */
  highWaterMarkBytes?: number
}

/**
 * For both ends. `ws` has no type for `closeTimeout`: without it a peer that never closes costs 30 s. Pings are answered
 * here, since `ws` silently drops a conn on which 60 of them arrive in one packet.
 *
 * A proxy may send a message in as many fragments and packets as it likes, so only bytes are limited. More fragments than
 * bytes are empty ones without an end.
 */
export function toWebSocketOptions(maxConnMessageBytes: number) {
  return {
    ...{ perMessageDeflate: false, autoPong: false, closeTimeout: closeGraceMs },
    ...{ maxPayload: maxConnMessageBytes, maxFragments: maxConnMessageBytes, maxBufferedChunks: 0 }
  }
}

/** The parts of `ws` that hold an incomplete message, piece by piece as it arrived: the current frame, and those before it. */
interface Receiver {
  readonly _buffers: Buffer[]
  readonly _fragments: Buffer[]
}

/** The part of `ws` that writes a frame: its head and its body, or both in one piece. The body of a ping may be a text. */
interface Sender {
  sendFrame(parts: readonly (Uint8Array | string)[], onWritten?: (error?: Error) => void): void
}

/** Of `ws`, without a type. What is not there in another version, or in another runtime, is not used. */
interface Inner {
  readonly _receiver?: Partial<Receiver> | null
  readonly _sender?: Partial<Sender> | null
}

/** A piece costs an object, and keeps alive the read that it came in: that is a hundred times the size of a byte. */
const maxSmallPieces = 16
const smallPieceBytes = 16 * 1024

/** RFC 6455 section 5.5: a control frame holds 125 bytes, of which 2 are the code. */
const maxCloseReasonBytes = 123
/** Each WebSocket ping costs a pong. We send none; a proxy sends a few a minute. */
const maxPingsPerSecond = 1_000

/** Close codes of RFC 6455 section 7.4.1 that mean a graceful end: normal, going away, none given. */
const gracefulCodes: ReadonlySet<number> = new Set([1000, 1001, 1005])
/** Close codes that say that we broke a rule: protocol error, unsupported data, policy, too big. */
const blamingCodes: ReadonlySet<number> = new Set([1002, 1003, 1007, 1008, 1009])

const binary = Object.freeze({ binary: true })

const readInit = optionsReader<WebSocketConnInit>('webSocketConn()', {
  secure: required(aBoolean),
  remoteAddress: required(aString),
  socket: anObject,
  highWaterMarkBytes: aHighWaterMark
})
const aWebSocket = objectWith('must be a WebSocket of the package ws', 'on', 'send', 'close', 'terminate')

/**
 * A `Conn` over an open WebSocket made with `toWebSocketOptions`, which must not be used for anything else from now on.
 *
 * @throws {InvalidOptionError} naming the argument or option that is wrong
 */
export function webSocketConn(ws: WebSocket, given: WebSocketConnInit): Conn {
  check('the first argument of webSocketConn()', ws, aWebSocket)
  const init = readInit(given)
  let released = 0
  const releases = init.socket instanceof Socket
  const onFlushed = (error?: Error | null): void => {
    // What failed makes no room: the conn is lost, and what is not written was not sent.
    if (error) return
    if (releases) released++
    conn.drained()
  }
  const { _receiver: receiver, _sender: sender } = ws as WebSocket & Inner
  sendInOnePiece(sender)
  let leftBytes = Infinity
  // Called behind the listener of `ws`, which has taken the chunk.
  init.socket?.on('data', (chunk: Buffer) => {
    leftBytes -= chunk.length
    if (leftBytes < 0) {
      conn.violated(new ProtocolError('too many bytes arrived before the handshake is done'))
      ws.terminate()
    } else {
      joinSmall(receiver?._buffers)
      joinSmall(receiver?._fragments)
    }
  })
  const options = {
    secure: init.secure,
    remoteAddress: init.remoteAddress,
    transport: ws,
    tls: init.socket instanceof TLSSocket ? init.socket : undefined,
    highWaterMarkBytes: init.highWaterMarkBytes ?? defaultHighWaterMarkBytes
  }
  const conn = new CarrierConn(options, {
    write(message) {
      // The remote end may have closed already, or the socket be lost: `ws` reports either with its `close` event only.
      if (ws.readyState !== WebSocket.OPEN || init.socket?.destroyed === true) return false
      ws.send(message, binary, onFlushed)
      return true
    },
    unsent: () => ws.bufferedAmount,
    pause: () => ws.pause(),
    resume: () => ws.resume(),
    arrivedBytes: () => (init.socket as Partial<Socket> | undefined)?.bytesRead ?? 0,
    releasedMessages: () => released,
    limitInbound(maxBytes) {
      leftBytes = maxBytes
    },
    close: (reason) => ws.close(1000, encodeText(reason, maxCloseReasonBytes)),
    abort: () => ws.terminate()
  })
  listen(ws, conn, options.highWaterMarkBytes)
  return conn
}

function sendInOnePiece(sender: Partial<Sender> | null | undefined): void {
  if (typeof sender?.sendFrame !== 'function') return
  const { sendFrame } = sender
  sender.sendFrame = (parts, onWritten) => {
    const [head, body] = parts
    const isPair = parts.length === 2 && head instanceof Uint8Array && body instanceof Uint8Array
    const whole = isPair ? onePiece(head, body) : undefined
    sendFrame.call(sender, whole === undefined ? parts : [whole], onWritten)
  }
}

/** Joins the small pieces at the end once there are many, so that memory and time are in proportion to the bytes. */
function joinSmall(pieces: Buffer[] | undefined): void {
  if (pieces === undefined || pieces.length < maxSmallPieces) return
  let from = pieces.length
  while (from > 0 && (pieces[from - 1] as Buffer).length < smallPieceBytes) from--
  if (pieces.length - from >= maxSmallPieces) pieces.push(Buffer.concat(pieces.splice(from)))
}

/** Tells `conn` what happens to `ws`, until it is closed. */
function listen(ws: WebSocket, conn: CarrierConn, highWaterMarkBytes: number): void {
  const violated = (code: number, text: string, reason: 'protocol' | 'flood' = 'protocol'): void => {
    conn.violated(new ProtocolError(text, { reason }))
    ws.close(code, encodeText(text, maxCloseReasonBytes))
  }
  const onMessage = (data: RawData, isBinary: boolean): void => {
    // `binaryType` is "nodebuffer" on all our WebSockets, so the data is one Buffer.
    const message = data as Buffer
    if (!isBinary) violated(1003, 'a text message arrived, all messages are binary')
    else if (message.length === 0) violated(1002, 'an empty message arrived')
    else conn.received(message)
  }
  const pings = new Rate(maxPingsPerSecond)
  const onPing = (data: Buffer): void => {
    if (ws.readyState !== WebSocket.OPEN) return
    if (!pings.count()) violated(1008, `more than ${maxPingsPerSecond} WebSocket pings in a second`, 'flood')
    // A peer that does not read its pongs gets no more of them: RFC 6455 section 5.5.3 allows that.
    else if (ws.bufferedAmount <= highWaterMarkBytes) ws.pong(data)
  }
  const onError = (error: Error): void => {
    // `ws` itself answers a bad frame with a close code.
    if (isFrameError(error)) conn.violated(new ProtocolError(`bad WebSocket message: ${error.message}`))
    else conn.lost(new DisconnectedError('lost', `connection lost: ${systemText(error)}`, { cause: error }))
  }
  const onClose = (code: number, reason: Buffer): void => {
    ws.off('message', onMessage).off('ping', onPing).off('error', onError).off('close', onClose)
    if (gracefulCodes.has(code)) conn.remoteClosed(printable(reason.toString()))
    else conn.lost(toCloseError(code, printable(reason.toString())))
    conn.closed()
  }
  ws.on('message', onMessage).on('ping', onPing).on('error', onError).on('close', onClose)
  if (ws.readyState === WebSocket.CLOSED) onClose(1006, Buffer.alloc(0))
}

function isFrameError(error: Error): boolean {
  return 'code' in error && typeof error.code === 'string' && error.code.startsWith('WS_ERR_')
}

function toCloseError(code: number, reason: string): DisconnectedError {
  if (code === 1006) return new DisconnectedError('lost', 'connection lost')
  const text = addReason(`the remote end closed the conn with code ${code}`, reason)
  return new DisconnectedError(blamingCodes.has(code) ? 'protocol' : 'lost', text)
}
