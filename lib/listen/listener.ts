/**
 * Accepts conns: refuses or completes the WebSocket upgrades that arrive on one path.
 *
 * It checks the request only: path, `Origin`, subprotocol. The handshake on the conn proves the identity of the peer. The
 * HTTP server belongs to the user: it is never closed here, nor are conns given to `onConn`.
 */

import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { type WebSocket, WebSocketServer } from 'ws'
import { isBytes } from '../base/bytes.ts'
import { formatRemoteAddress } from '../conn/carrier.ts'
import type { Conn } from '../conn/conn.ts'
import { toWebSocketOptions, webSocketConn } from '../conn/websocket.ts'
import { anObject, check, type Kind, objectWith } from '../errors/check.ts'
import { type Logger, logThrown } from '../errors/logger.ts'
import { subprotocol } from '../errors/options.ts'
import { checkHttpServer, type HttpServer } from './http-server.ts'
import { getPath, type Route, refuseUpgrade, serveUpgrades } from './upgrade-hub.ts'

export interface ListenerOptions {
  /** The path to serve. The query of a request is ignored. */
  path: string
  /** The largest message of a conn, in bytes. A larger one ends the conn. */
  maxConnMessageBytes: number
  /** Which origins may connect. Default: none, since a request with an `Origin` comes from a browser, not from a peer. */
  allowOrigin?: (origin: string) => boolean
  /** As in `WebSocketOptions`. */
  highWaterMarkBytes?: number
  /** Receives each new conn, in the turn of the event loop in which its upgrade request arrived. */
  onConn: (conn: Conn) => void
  /** TLS has refused the certificate of a peer, or a peer without one. Node reports this nowhere else. */
  onTlsRefused: (code: string, remoteAddress: string) => void
  /** A server of ours can be dialed from now on. */
  onListening: () => void
  logger: Logger
}

/**
 * Codes of OpenSSL and Node for a certificate that this end refuses. Other TLS errors occur on every open port: an alert says
 * that the other end, such as a browser, does not trust this server.
 */
const refusedCertificate = /^(?!.*ALERT).*(CERT|ISSUER|SIGNED|SIGNATURE|PURPOSE)/

/** What an 'upgrade' event gives. */
const aRequest: Kind = {
  must: 'must be the request of an upgrade',
  is: (value) =>
    anObject.is(value) && ['headers', 'socket'].every((name) => anObject.is(Reflect.get(Object(value), name)))
}
const aSocket = objectWith('must be the socket of an upgrade', 'on', 'unshift', 'end', 'destroy')
const aHead: Kind = { must: 'must be the bytes behind the head of an upgrade', is: isBytes }

interface Refusal {
  status: number
  text: string
}

export class Listener {
  readonly #options: ListenerOptions
  readonly #webSockets: WebSocketServer
  readonly #detachers = new Set<() => void>()
  #refusing = false

  constructor(options: ListenerOptions) {
    this.#options = options
    this.#webSockets = new WebSocketServer({
      ...toWebSocketOptions(options.maxConnMessageBytes),
      noServer: true,
      clientTracking: false,
      handleProtocols: () => subprotocol
    })
  }

  /**
   * Serves the WebSocket upgrades of `server` on our path, beside everything else that it serves. Returns a function that ends
   * this.
   *
   * @throws {InvalidOptionError} when `server` is no HTTP server, or the path is already served on it
   */
  attach(server: HttpServer): () => void {
    checkHttpServer(server)
    const leave = serveUpgrades(server, this.#options.path, this.#createRoute())
    const onTlsError = (error: NodeJS.ErrnoException, socket: TLSSocket): void => {
      // Node reports a peer whose certificate is not trusted without a code of its own.
      const code = String(socket.authorizationError ?? error.code)
      if (refusedCertificate.test(code)) this.#options.onTlsRefused(code, formatRemoteAddress(socket))
    }
    const { onListening } = this.#options
    server.on('tlsClientError', onTlsError)
    server.on('listening', onListening)
    if (server.listening) onListening()
    const detach = (): void => {
      leave()
      server.off('tlsClientError', onTlsError)
      server.off('listening', onListening)
      this.#detachers.delete(detach)
    }
    this.#detachers.add(detach)
    return detach
  }

  #createRoute(): Route {
    let isTold = false
    return {
      onUpgrade: (request, socket, head) => this.#onUpgrade(request, socket, head),
      onAnsweredByOther: () => {
        if (!isTold) this.#options.logger.warn(answeredByOther(this.#options.path))
        isTold = true
      }
    }
  }

  get isAttached(): boolean {
    return this.#detachers.size > 0
  }

  /** Handles one upgrade of an HTTP server whose 'upgrade' events you route yourself. Another path gets a 404. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    check('the first argument of handleUpgrade()', request, aRequest)
    check('the second argument of handleUpgrade()', socket, aSocket)
    check('the third argument of handleUpgrade()', head, aHead)
    if (getPath(request) === this.#options.path) this.#onUpgrade(request, socket, head)
    else refuseUpgrade(socket, 404, 'nothing is served on this path')
  }

  /** From now on each upgrade on our path gets a 503: a server that no longer serves upgrades would not answer at all. */
  refuse(): void {
    this.#refusing = true
  }

  /** Detaches from all servers and refuses later upgrades. Conns given to `onConn` stay open. */
  close(): void {
    this.refuse()
    for (const detach of this.#detachers) detach()
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const remoteAddress = formatRemoteAddress(request.socket)
    const refusal = this.#check(request)
    if (refusal !== undefined) {
      this.#options.logger.debug(`upgrade from ${remoteAddress} refused with ${refusal.status}: ${refusal.text}`)
      refuseUpgrade(socket, refusal.status, refusal.text)
      return
    }
    // `ws` checks method, key and version, and answers with a 4xx itself.
    this.#webSockets.handleUpgrade(request, socket, head, (ws: WebSocket) => {
      const secure = 'encrypted' in request.socket && request.socket.encrypted === true
      const { highWaterMarkBytes } = this.#options
      this.#options.onConn(webSocketConn(ws, { secure, remoteAddress, socket, highWaterMarkBytes }))
    })
  }

  /** Why a request is refused; undefined when it is not. */
  #check(request: IncomingMessage): Refusal | undefined {
    const { origin } = request.headers
    if (this.#refusing) return { status: 503, text: 'this server is shutting down' }
    if (origin !== undefined && !this.#originAllowed(origin)) {
      return { status: 403, text: 'requests with this Origin are not accepted: peers send none' }
    }
    if (!offersSubprotocol(request)) {
      return { status: 400, text: `the subprotocol ${subprotocol} must be offered` }
    }
    return undefined
  }

  /** When the user's function throws, the origin is not allowed. */
  #originAllowed(origin: string): boolean {
    try {
      return this.#options.allowOrigin?.(origin) === true
    } catch (error) {
      logThrown(this.#options.logger, 'allowOrigin failed, the upgrade is refused', error)
      return false
    }
  }
}

function answeredByOther(path: string): string {
  return `another 'upgrade' listener of this HTTP server answered, or cut, an upgrade on ${path}, so no peer can connect: a WebSocketServer with { server } answers the upgrades of all paths, also with { path }; make it with { noServer: true } and hand it its own ones`
}

function offersSubprotocol(request: IncomingMessage): boolean {
  const offered = request.headers['sec-websocket-protocol'] ?? ''
  return offered.split(',').some((name) => name.trim() === subprotocol)
}
