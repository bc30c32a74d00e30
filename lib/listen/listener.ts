/**
 * Accepts conns: refuses or completes the WebSocket upgrades that arrive on one path.
 *
 * It refuses by what a request shows: path, `Origin`, subprotocol. Who the peer is, the handshake on the conn
 * finds out. The HTTP server is the user's: it is never closed here, nor are conns that were handed on.
 */

import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Logger } from '../base/logger.ts'
import { type Limits, subprotocol } from '../base/options.ts'
import { errorText } from '../base/text.ts'
import { formatRemoteAddress } from '../conn/carrier.ts'
import type { Conn } from '../conn/conn.ts'
import { webSocketConn, webSocketDefaults } from '../conn/websocket.ts'
import type { HttpServer } from './head-deadline.ts'
import { pathOf, type Route, refuseUpgrade, serveUpgrades } from './upgrade-hub.ts'

export interface ListenerOptions {
  /** The path that is served, compared without the query. */
  path: string
  limits: Pick<Limits, 'handshakeTimeoutMs'> & {
    /** The largest message of a conn; a larger one ends it. */
    maxConnMessageBytes: number
  }
  /** Which browsers may connect. Default: none, for a request with an `Origin` comes from a page, not from a peer. */
  allowOrigin?: (origin: string) => boolean
  /** As of `WebSocketOptions`. */
  highWaterMarkBytes?: number
  /** Takes each new conn; `acceptedAt` (of `performance.now()`) is when its TCP conn was accepted, where that is known. */
  onConn: (conn: Conn, acceptedAt: number) => void
  /** TLS has refused the certificate of a conn, or that it has none; nobody else says so. */
  onTlsRefused: (code: string, remoteAddress: string) => void
  logger: Logger
}

/** Codes of OpenSSL and Node. Other errors of TLS are the noise of any open port. */
const aboutCertificates = /CERT|ISSUER|SIGNED|SIGNATURE|PURPOSE/

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
      ...webSocketDefaults,
      noServer: true,
      clientTracking: false,
      maxPayload: options.limits.maxConnMessageBytes,
      handleProtocols: () => subprotocol
    })
  }

  /**
   * Serves the upgrades of `server` on our path, beside whatever else it serves. Returns what ends that.
   *
   * From now on every socket of the server has to deliver one whole request head within `handshakeTimeoutMs` of its
   * accept, or it is destroyed: silence on a port of ours costs nothing for longer than that.
   *
   * @throws {InvalidOptionError} when the path is served on this server already
   */
  attach(server: HttpServer): () => void {
    const route: Route = {
      handshakeTimeoutMs: this.#options.limits.handshakeTimeoutMs,
      onUpgrade: (request, socket, head, acceptedAt) => this.#onUpgrade(request, socket, head, acceptedAt)
    }
    const leave = serveUpgrades(server, this.#options.path, route)
    const onTlsError = (error: NodeJS.ErrnoException, socket: TLSSocket): void => {
      // Node cuts a peer whose certificate is not trusted without an error of its own.
      const code = String(socket.authorizationError ?? error.code)
      if (aboutCertificates.test(code)) this.#options.onTlsRefused(code, formatRemoteAddress(socket))
    }
    server.on('tlsClientError', onTlsError)
    const detach = (): void => {
      leave()
      server.off('tlsClientError', onTlsError)
      this.#detachers.delete(detach)
    }
    this.#detachers.add(detach)
    return detach
  }

  /** Takes one upgrade of an HTTP server whose 'upgrade' events you route yourself. Another path gets a 404. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (pathOf(request) === this.#options.path) this.#onUpgrade(request, socket, head, performance.now())
    else refuseUpgrade(socket, 404, 'nothing is served on this path')
  }

  /** From now on every upgrade on our path gets a 503: better than the silence of a server that serves no upgrades. */
  refuse(): void {
    this.#refusing = true
  }

  /** Detaches from all servers and refuses what still comes. Conns that were handed on are not touched. */
  close(): void {
    this.refuse()
    for (const detach of this.#detachers) detach()
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, acceptedAt: number): void {
    const remoteAddress = formatRemoteAddress(request.socket)
    const refusal = this.#refusalOf(request)
    if (refusal !== undefined) {
      this.#options.logger.debug(`upgrade from ${remoteAddress} refused with ${refusal.status}: ${refusal.text}`)
      refuseUpgrade(socket, refusal.status, refusal.text)
      return
    }
    // Method, key and version are checked by `ws`, which answers with a 4xx itself.
    this.#webSockets.handleUpgrade(request, socket, head, (ws: WebSocket) => {
      const secure = 'encrypted' in request.socket && request.socket.encrypted === true
      const { highWaterMarkBytes } = this.#options
      this.#options.onConn(webSocketConn(ws, { secure, remoteAddress, socket, highWaterMarkBytes }), acceptedAt)
    })
  }

  #refusalOf(request: IncomingMessage): Refusal | undefined {
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

  /** A function of the user that throws has not allowed it. */
  #originAllowed(origin: string): boolean {
    try {
      return this.#options.allowOrigin?.(origin) === true
    } catch (error) {
      this.#options.logger.error(`allowOrigin failed, the upgrade is refused: ${errorText(error)}`)
      return false
    }
  }
}

function offersSubprotocol(request: IncomingMessage): boolean {
  const offered = request.headers['sec-websocket-protocol'] ?? ''
  return offered.split(',').some((name) => name.trim() === subprotocol)
}
