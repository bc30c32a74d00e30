/**
 * The default dialer: `connectWS` makes a conn over a WebSocket that it dials.
 *
 * No redirects, no `Origin`. It does not authenticate: each server that answers with a 101 and the subprotocol is accepted,
 * the handshake checks the rest.
 */

import {
  type Agent,
  type ClientRequest,
  type IncomingMessage,
  validateHeaderName,
  validateHeaderValue
} from 'node:http'
import type { LookupFunction } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ConnectionOptions } from 'node:tls'
import { WebSocket } from 'ws'
import { listenToAbort } from '../base/abort.ts'
import { describeValue, printable } from '../base/text.ts'
import { aBoolean, aFunction, aRecord, type Own, objectWith, optionsReader } from '../errors/check.ts'
import { DialError, InvalidOptionError } from '../errors/errors.ts'
import { causeOf, systemText } from '../errors/failure.ts'
import { subprotocol } from '../errors/options.ts'
import { setDeadline } from '../time/after-reading.ts'
import { addReason, aHighWaterMark, formatRemoteAddress } from './carrier.ts'
import type { Conn, ConnDialer, DialOptions } from './conn.ts'
import { toWebSocketOptions, webSocketConn } from './websocket.ts'

export interface WebSocketOptions {
  /** Sent with the upgrade, for proxies on the way. The peer does not look at them. */
  headers?: Record<string, string>
  /**
   * For `https` addresses: `ca`, `cert`, `key`, `servername`, `rejectUnauthorized`, ... as for `tls.connect`. A function is
   * called at each dial, so that certificates can be replaced while the grid runs.
   */
  tls?: ConnectionOptions | (() => ConnectionOptions | Promise<ConnectionOptions>)
  /**
   * Masks what is sent with a random key, RFC 6455 section 5.3. Default false: the key is zero, which is valid on the wire
   * and saves both ends the XOR of each byte. Masking protects proxies that inspect a conn from content that looks like HTTP
   * to them. Set it when plain `http` conns pass such a proxy.
   */
  mask?: boolean
  /** Bytes that the socket may hold unsent before `sink` waits, and bytes that may wait unread. Default 128 KiB. */
  highWaterMarkBytes?: number
  /** An HTTP agent for the upgrade, such as one for a proxy. */
  agent?: Agent
  /** Resolves host names instead of `dns.lookup`. */
  lookup?: LookupFunction
  /**
   * Where a host is reached, if that is not its name: behind a proxy with a path prefix, for one. Called at each dial with the
   * name and the `path` of the manager; gives a whole URL of `http`, `https`, `ws` or `wss`, path included. The name stays what
   * it is: the handshake proves it, and TLS verifies the host of the URL. Default: the path at the name.
   */
  url?: (host: string, path: string) => string | URL
}

/** A host, and where it is dialed. */
interface Target {
  readonly host: string
  readonly url: URL
  /** Behind errors: the place, if it does not follow from the name. */
  readonly at: string
}

const readOptions = optionsReader<WebSocketOptions>(
  'connectWS()',
  {
    headers: { must: 'must be an object of names and texts that HTTP allows', is: areHeaders },
    tls: {
      must: 'must be the options of tls.connect, or a function that gives them',
      is: (value) => aRecord.is(value) || aFunction.is(value)
    },
    mask: aBoolean,
    highWaterMarkBytes: aHighWaterMark,
    agent: objectWith('must be an http.Agent or an https.Agent', 'addRequest'),
    lookup: aFunction,
    url: aFunction
  },
  Object.fromEntries(
    ['ca', 'cert', 'key', 'pfx', 'passphrase', 'servername', 'rejectUnauthorized', 'secureContext', 'ciphers'].map(
      (name) => [name, `it belongs in tls: { ${name} }`]
    )
  )
)

/** Else the dial would ignore them, as those in a `Headers`, or fail. */
function areHeaders(value: unknown): boolean {
  if (!aRecord.is(value)) return false
  try {
    for (const [name, text] of Object.entries(value as object)) {
      if (typeof text !== 'string') return false
      validateHeaderName(name)
      validateHeaderValue(name, text)
    }
  } catch {
    return false
  }
  return true
}

/** How much of the body of a refusal is shown, and how long it is waited for. */
const maxRefusalChars = 256
const refusalBodyTimeoutMs = 500
/** How much is shown of what answered, as it calls itself. */
const maxServerChars = 64

/** Of an app whose server nobody attached a manager to, of one that serves another path, or of one that sees no upgrade. */
const answeredByApp = 'does it call attach(), with this path? does a proxy on the way drop the Upgrade header?'
/** What usually makes an upgrade end with a status; proxies answer with pages in HTML, of which we show nothing. */
const hints: Readonly<Record<number, string>> = {
  400: 'does a proxy on the way change the request, or speak the PROXY protocol?',
  ...{ 401: answeredByApp, 403: answeredByApp, 404: answeredByApp, 405: answeredByApp },
  426: 'does a proxy on the way drop the Upgrade header?',
  502: 'does a proxy on the way not reach the server?',
  503: 'has a proxy on the way no server for it?',
  504: 'did a proxy on the way wait in vain for the server?'
}
/** With these our own listener says why, in plain text. */
const saidByListener: ReadonlySet<number> = new Set([400, 403, 503])

/** `ws` reports an error after the dial was given up. */
function ignoreAfterGivingUp(): void {}

/** With a zero masking key `ws` skips the XOR on both ends. */
function zeroMask(key: Buffer): void {
  key[0] = key[1] = key[2] = key[3] = 0
}

/**
 * The default dialer: a WebSocket to `wss://` for an `https` host, `ws://` for `http`.
 *
 * Rejects with a `DialError` when the upgrade is not answered with a 101; its message has the status and the reason that the
 * listener gave. Rejects with `signal.reason` when the signal aborts.
 *
 * @throws {InvalidOptionError} naming the option that is wrong
 */
export function connectWS(given?: WebSocketOptions): ConnDialer {
  const options = readOptions(given)
  return async (host, dial) => {
    dial.signal.throwIfAborted()
    let target: Target
    let ws: WebSocket
    try {
      target = toTarget(host, dial.path, options.url)
      const tls = typeof options.tls === 'function' ? await options.tls() : options.tls
      dial.signal.throwIfAborted()
      ws = new WebSocket(target.url, subprotocol, { ...tls, ...toClientOptions(options, dial) })
    } catch (error) {
      dial.signal.throwIfAborted()
      throw new DialError(`cannot connect to ${host}: ${systemText(error)}`, causeOf(error))
    }
    return await whenOpen(ws, target, dial.signal, options.highWaterMarkBytes)
  }
}

function toClientOptions(options: Own<WebSocketOptions>, dial: DialOptions) {
  return {
    ...toWebSocketOptions(dial.maxConnMessageBytes),
    headers: options.headers,
    agent: options.agent,
    lookup: options.lookup,
    generateMask: options.mask === true ? undefined : zeroMask
  }
}

/** Waits for the upgrade. Leaves no listener behind. */
function whenOpen(ws: WebSocket, target: Target, signal: AbortSignal, highWaterMarkBytes?: number): Promise<Conn> {
  return new Promise((resolve, reject) => {
    let remoteAddress = target.host
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
    const onError = (error: Error): void => giveUp(toDialError(target, error))
    const onUpgrade = (response: IncomingMessage): void => {
      // The `ws` of Bun has none to show.
      socket = response.socket ?? undefined
      if (socket !== undefined) remoteAddress = formatRemoteAddress(response.socket)
    }
    const onRefused = (_request: ClientRequest, response: IncomingMessage): void => {
      readRefusal(response).then(
        (text) => giveUp(new DialError(addReason(describeStatus(target, response), text))),
        giveUp
      )
    }
    const onOpen = (): void => {
      leave()
      resolve(webSocketConn(ws, { secure: isSecure(target), remoteAddress, socket, highWaterMarkBytes }))
    }
    ws.on('upgrade', onUpgrade).on('open', onOpen).on('error', onError).on('unexpected-response', onRefused)
    unlisten = listenToAbort(signal, () => giveUp(signal.reason))
  })
}

function toTarget(host: string, path: string, map: WebSocketOptions['url']): Target {
  const url = map === undefined ? new URL(`${host}${path}`) : toUrl(map(host, path))
  url.protocol = url.protocol.replace('http', 'ws')
  return { host, url, at: map === undefined ? '' : ` (at ${url.host}${url.pathname})` }
}

/** @throws {InvalidOptionError} when it is none on which a WebSocket can be dialed; does not show it, as it may have credentials */
function toUrl(given: string | URL): URL {
  const url = URL.canParse(String(given)) ? new URL(given) : undefined
  if (url !== undefined && /^(http|ws)s?:$/.test(url.protocol)) return url
  const must = 'url of connectWS() must give a whole URL of http, https, ws or wss'
  throw new InvalidOptionError(`${must}; it gave ${url?.protocol ?? describeValue(given)}`)
}

function isSecure({ url }: Target): boolean {
  return url.protocol === 'wss:'
}

function toDialError(target: Target, error: Error): DialError {
  // When every address of a host name refused, Node reports an AggregateError with a code and an empty message.
  const code = 'code' in error ? String(error.code) : error.name
  const text = printable(systemText(error) || code).trim()
  const hint = hintOf(target, error, code)
  return new DialError(`cannot connect to ${target.host}: ${text}${hint}${target.at}`, { cause: error })
}

/** What usually makes a conn end before the upgrade is answered. */
function hintOf(target: Target, error: Error, code: string): string {
  // A server of TLS closes a conn that begins with plain text.
  if (!isSecure(target)) return code === 'ECONNRESET' ? ' (does it speak TLS there, so that its name is https?)' : ''
  // In TLS 1.3 a server can refuse our certificate only after the handshake has ended for us: it just closes the socket.
  // A proxy that passes TLS on does the same where it reaches nobody.
  if (code === 'ECONNRESET') return ' (has it refused our certificate, or does a proxy on the way not reach it?)'
  if (code !== 'EPROTO') return ''
  const reason = 'reason' in error ? printable(String(error.reason)) : ''
  // An alert is an answer in TLS, and says what it is about.
  return /alert/.test(reason) ? `, ${reason}` : ' (does it speak plain HTTP there, so that its name is http?)'
}

function describeStatus({ host, at }: Target, response: IncomingMessage): string {
  const { statusCode: status = 0, headers } = response
  const server = printable(String(headers.server ?? ''), maxServerChars).trim()
  const remarks = [server === '' ? '' : `server: ${server}`, hintAt(status, isPlainText(response))]
  const remark = remarks.filter((text) => text !== '').join('; ')
  return `${host} answered the upgrade with ${status}${remark === '' ? '' : ` (${remark})`}${at}`
}

/** What the status of an answer usually means, where its text does not say it. */
function hintAt(status: number, hasText: boolean): string {
  // An app that has a page for every path.
  if (status < 300) return answeredByApp
  if (status < 400) return 'redirects are not followed'
  return hasText && saidByListener.has(status) ? '' : (hints[status] ?? '')
}

function isPlainText({ headers }: IncomingMessage): boolean {
  return /^text\/plain\b/i.test(headers['content-type'] ?? '')
}

/** The first characters of a plain-text body, in which our own listener gives its reason. Never rejects. */
function readRefusal(response: IncomingMessage): Promise<string> {
  if (!isPlainText(response)) return Promise.resolve('')
  return new Promise((resolve) => {
    let text = ''
    const done = (): void => {
      clearTimeout(timer)
      resolve(printable(text, maxRefusalChars).replace(/ {2,}/g, ' ').trim())
    }
    const timer = setDeadline(done, refusalBodyTimeoutMs)
    response.setEncoding('utf8')
    response.on('data', (part: string) => {
      text += part
      if (text.length >= maxRefusalChars) done()
    })
    response.on('end', done).on('error', done).on('close', done)
  })
}
