/**
 * Conns over WebSockets: `connectWS` dials one, `webSocketConn` makes a `Conn` of either end.
 *
 * The only file beside `listen/listener.ts` that knows `ws`. Binary messages, no compression, no redirects, no `Origin`. It
 * authenticates nobody: whoever answers with a 101 and the subprotocol is taken, the handshake above finds out.
 */

import type { Agent, ClientRequest, IncomingMessage } from 'node:http'
import type { LookupFunction } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, TLSSocket } from 'node:tls'
import { type RawData, WebSocket } from 'ws'
import { listenToAbort } from '../base/abort.ts'
import { afterReading } from '../base/after-reading.ts'
import { DialError, DisconnectedError, ProtocolError } from '../base/errors.ts'
import { subprotocol } from '../base/options.ts'
import { Rate } from '../base/rate.ts'
import { encodeText, errorText, printable } from '../base/text.ts'
import { CarrierConn, closeGraceMs, defaultHighWaterMarkBytes, remoteAddressOf, withReason } from './carrier.ts'
import type { Conn, ConnDialer, DialOptions } from './conn.ts'

export interface WebSocketOptions {
  /** Sent with the upgrade, for proxies on the way. They prove nothing to the peer. */
  headers?: Record<string, string>
  /**
   * For `https` addresses: `ca`, `cert`, `key`, `servername`, `rejectUnauthorized`, ... as of `tls.connect`. A function is
   * called at each dial, so that certificates can be replaced while the grid runs.
   */
  tls?: ConnectionOptions | (() => ConnectionOptions | Promise<ConnectionOptions>)
  /**
   * Mask what is sent with a random key, as RFC 6455 section 5.3 has it. Default false: the key is zero, which is valid
   * on the wire and spares both ends the XOR of every byte. Masking protects proxies that guess at the content of a
   * conn from content that looks like HTTP to them; switch it on where plain `http` conns cross such a proxy.
   */
  mask?: boolean
  /** Bytes the socket may hold unsent until `sink` waits, and bytes that may wait unread. Default 128 KiB. */
  highWaterMarkBytes?: number
  /** An HTTP agent for the upgrade, such as one that goes through a proxy. */
  agent?: Agent
  /** Resolves host names in place of `dns.lookup`. */
  lookup?: LookupFunction
}

export interface WebSocketConnInit {
  secure: boolean
  remoteAddress: string
  /** What `ws` reads from; `ws` itself does not tell. Without it the conn has neither `tls` nor `limitInbound`. */
  socket?: Duplex
  /** As of `WebSocketOptions`. Default 128 KiB. */
  highWaterMarkBytes?: number
}

/**
 * Common to both ends. `ws` has no type for `closeTimeout`: without it a peer that never closes costs 30 s. Pings are
 * answered here, as `ws` silently cuts off whoever sends 60 of them in one packet.
 */
export const webSocketDefaults = {
  perMessageDeflate: false,
  autoPong: false,
  closeTimeout: closeGraceMs,
  maxFragments: 16,
  // Of a message that is not whole. Each keeps an object, so a message that comes byte by byte costs a hundred times its size.
  maxBufferedChunks: 16 * 1024
}

/** How much of the body of a refusal is shown, and how long it may take to arrive. */
const maxRefusalChars = 256
const refusalBodyTimeoutMs = 500
/** RFC 6455 section 5.5: a control frame holds 125 bytes, two are the code. */
const maxCloseReasonBytes = 123
/** WebSocket pings cost a pong each and are not used by us; a proxy sends a few a minute. */
const maxPingsPerSecond = 1_000

/** Close codes of RFC 6455 section 7.4.1 that mean an orderly end: normal, going away, none given. */
const orderlyCodes: ReadonlySet<number> = new Set([1000, 1001, 1005])
/** Close codes by which the remote end says that we broke a rule: protocol error, unsupported data, policy, too big. */
const blamingCodes: ReadonlySet<number> = new Set([1002, 1003, 1007, 1008, 1009])

const binary = Object.freeze({ binary: true })

/** After a dial was given up, `ws` still reports that. */
function ignoreAfterGivingUp(): void {}

/** A zero masking key: `ws` then skips the XOR on both ends. */
function zeroMask(key: Buffer): void {
  key[0] = key[1] = key[2] = key[3] = 0
}

/**
 * The default dialer: a WebSocket to `wss://` for an `https` address, `ws://` for `http`.
 *
 * Rejects with `DialError` when the upgrade is not answered with a 101, whose text has the status and the reason the
 * listener gave; with `signal.reason` when the signal aborts.
 */
export function connectWS(options: WebSocketOptions = {}): ConnDialer {
  return async (address, dial) => {
    dial.signal.throwIfAborted()
    const url = `${address.replace(/^http/, 'ws')}${dial.path}`
    let ws: WebSocket
    try {
      const tls = typeof options.tls === 'function' ? await options.tls() : options.tls
      dial.signal.throwIfAborted()
      ws = new WebSocket(url, subprotocol, { ...tls, ...clientOptions(options, dial) })
    } catch (error) {
      dial.signal.throwIfAborted()
      throw new DialError(`cannot dial ${address}: ${errorText(error)}`, { cause: error })
    }
    return await opened(ws, address, dial.signal, options.highWaterMarkBytes)
  }
}

function clientOptions(options: WebSocketOptions, dial: DialOptions) {
  return {
    ...webSocketDefaults,
    headers: options.headers,
    agent: options.agent,
    lookup: options.lookup,
    maxPayload: dial.maxConnMessageBytes,
    generateMask: options.mask === true ? undefined : zeroMask
  }
}

/** Waits for the upgrade, and leaves no listener of its own behind. */
function opened(ws: WebSocket, address: string, signal: AbortSignal, highWaterMarkBytes?: number): Promise<Conn> {
  return new Promise((resolve, reject) => {
    let remoteAddress = address
    let socket: Duplex | undefined
    let unlisten = (): void => undefined
    const leave = (): void => {
      unlisten()
      ws.off('upgrade', onUpgrade).off('open', onOpen).off('error', onError).off('unexpected-response', onRefused)
    }
    const giveUp = (error: unknown): void => {
      leave()
      ws.on('error', ignoreAfterGivingUp)
      ws.terminate()
      reject(error)
    }
    const onError = (error: Error): void => giveUp(dialError(address, error))
    const onUpgrade = (response: IncomingMessage): void => {
      socket = response.socket
      remoteAddress = remoteAddressOf(response.socket)
    }
    const onRefused = (_request: ClientRequest, response: IncomingMessage): void => {
      refusalText(response).then((text) => giveUp(new DialError(withReason(refusal(address, response), text))), giveUp)
    }
    const onOpen = (): void => {
      leave()
      resolve(webSocketConn(ws, { secure: address.startsWith('https:'), remoteAddress, socket, highWaterMarkBytes }))
    }
    ws.on('upgrade', onUpgrade).on('open', onOpen).on('error', onError).on('unexpected-response', onRefused)
    unlisten = listenToAbort(signal, () => giveUp(signal.reason))
  })
}

function dialError(address: string, error: Error): DialError {
  // When every address of a name refused, Node gives an AggregateError with a code and an empty message.
  const code = 'code' in error ? String(error.code) : error.name
  // A server that refuses our certificate in TLS 1.3 does so when the handshake is over for us: it just hangs up.
  const hint = code === 'ECONNRESET' && address.startsWith('https:') ? ' (has it refused our certificate?)' : ''
  const text = printable(errorText(error) || code).trim()
  return new DialError(`cannot connect to ${address}: ${text}${hint}`, { cause: error })
}

function refusal(address: string, response: IncomingMessage): string {
  const status = response.statusCode ?? 0
  const redirect = status >= 300 && status < 400 ? ' (redirects are not followed)' : ''
  return `${address} answered the upgrade with ${status}${redirect}`
}

/** The first characters of a plain-text body, where our own listener says why; never rejects. */
function refusalText(response: IncomingMessage): Promise<string> {
  if (!/^text\/plain\b/i.test(response.headers['content-type'] ?? '')) return Promise.resolve('')
  return new Promise((resolve) => {
    let text = ''
    const done = (): void => {
      clearTimeout(timer)
      resolve(printable(text, maxRefusalChars).replace(/ {2,}/g, ' ').trim())
    }
    const timer = setTimeout(() => afterReading(done), refusalBodyTimeoutMs)
    response.setEncoding('utf8')
    response.on('data', (part: string) => {
      text += part
      if (text.length >= maxRefusalChars) done()
    })
    response.on('end', done).on('error', done).on('close', done)
  })
}

/** A `Conn` over an open WebSocket that was made with `webSocketDefaults`, and is used for nothing else from now on. */
export function webSocketConn(ws: WebSocket, init: WebSocketConnInit): Conn {
  const onFlushed = (): void => conn.drained()
  let leftBytes = Infinity
  const onBytes = (chunk: Buffer): void => {
    leftBytes -= chunk.length
    if (leftBytes >= 0) return
    conn.violated(new ProtocolError('too many bytes arrived from whom nobody knows yet'))
    ws.terminate()
  }
  const options = {
    secure: init.secure,
    remoteAddress: init.remoteAddress,
    transport: ws,
    tls: init.socket instanceof TLSSocket ? init.socket : undefined,
    highWaterMarkBytes: init.highWaterMarkBytes ?? defaultHighWaterMarkBytes
  }
  const conn = new CarrierConn(options, {
    write(message) {
      // The remote end may have closed already: `ws` says so with its `close` event only.
      if (ws.readyState !== WebSocket.OPEN) return false
      ws.send(message, binary, onFlushed)
      return true
    },
    unsent: () => ws.bufferedAmount,
    pause: () => ws.pause(),
    resume: () => ws.resume(),
    limitInbound(maxBytes) {
      leftBytes = maxBytes
      init.socket?.off('data', onBytes)
      if (maxBytes < Infinity) init.socket?.on('data', onBytes)
    },
    finish: (reason) => ws.close(1000, encodeText(reason, maxCloseReasonBytes)),
    destroy: () => ws.terminate()
  })
  listen(ws, conn, options.highWaterMarkBytes)
  return conn
}

/** Tells `conn` what happens to `ws`, until it is closed. */
function listen(ws: WebSocket, conn: CarrierConn, highWaterMarkBytes: number): void {
  const violated = (code: number, text: string, reason: 'protocol' | 'flood' = 'protocol'): void => {
    conn.violated(new ProtocolError(text, { reason }))
    ws.close(code, encodeText(text, maxCloseReasonBytes))
  }
  const onMessage = (data: RawData, isBinary: boolean): void => {
    // `binaryType` is "nodebuffer" on every WebSocket of ours, so it is one Buffer.
    const message = data as Buffer
    if (!isBinary) violated(1003, 'a text message arrived, all messages are binary')
    else if (message.length === 0) violated(1002, 'an empty message arrived')
    else conn.received(message)
  }
  const pings = new Rate(maxPingsPerSecond)
  const onPing = (data: Buffer): void => {
    if (ws.readyState !== WebSocket.OPEN) return
    if (!pings.count()) violated(1008, `more than ${maxPingsPerSecond} WebSocket pings in a second`, 'flood')
    // A peer that does not read its pongs gets no more of them, RFC 6455 section 5.5.3 allows to leave some out.
    else if (ws.bufferedAmount <= highWaterMarkBytes) ws.pong(data)
  }
  const onError = (error: Error): void => {
    // `ws` itself answers a bad frame with the fitting close code.
    if (isFrameError(error)) conn.violated(new ProtocolError(`bad WebSocket message: ${error.message}`))
    else conn.lost(new DisconnectedError('lost', `connection lost: ${errorText(error)}`, { cause: error }))
  }
  const onClose = (code: number, reason: Buffer): void => {
    ws.off('message', onMessage).off('ping', onPing).off('error', onError).off('close', onClose)
    if (orderlyCodes.has(code)) conn.remoteClosed(printable(reason.toString()))
    else conn.lost(closeError(code, printable(reason.toString())))
    conn.closed()
  }
  ws.on('message', onMessage).on('ping', onPing).on('error', onError).on('close', onClose)
  if (ws.readyState === WebSocket.CLOSED) onClose(1006, Buffer.alloc(0))
}

function isFrameError(error: Error): boolean {
  return 'code' in error && typeof error.code === 'string' && error.code.startsWith('WS_ERR_')
}

function closeError(code: number, reason: string): DisconnectedError {
  if (code === 1006) return new DisconnectedError('lost', 'connection lost')
  const text = withReason(`the remote end closed the conn with code ${code}`, reason)
  return new DisconnectedError(blamingCodes.has(code) ? 'protocol' : 'lost', text)
}
