/**
 * The default dialer: `connectWS` makes a conn over a WebSocket that it dials.
 *
 * No redirects, no `Origin`. It authenticates nobody: whoever answers with a 101 and the subprotocol is taken, the
 * handshake above finds out.
 */

import type { Agent, ClientRequest, IncomingMessage } from 'node:http'
import type { LookupFunction } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ConnectionOptions } from 'node:tls'
import { WebSocket } from 'ws'
import { listenToAbort } from '../base/abort.ts'
import { afterReading } from '../base/after-reading.ts'
import { DialError } from '../base/errors.ts'
import { subprotocol } from '../base/options.ts'
import { errorText, printable } from '../base/text.ts'
import { remoteAddressOf, withReason } from './carrier.ts'
import type { Conn, ConnDialer, DialOptions } from './conn.ts'
import { webSocketConn, webSocketDefaults } from './websocket.ts'

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

/** How much of the body of a refusal is shown, and how long it may take to arrive. */
const maxRefusalChars = 256
const refusalBodyTimeoutMs = 500

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
