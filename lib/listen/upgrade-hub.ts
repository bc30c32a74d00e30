/**
 * Shared by all listeners on one HTTP server: one set of event listeners, which routes upgrades by path.
 *
 * Upgrades of other paths are left to the other 'upgrade' listeners of the server, plain requests to its other 'request'
 * listeners. Decides nothing about a peer.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { setDeadline } from '../base/after-reading.ts'
import { InvalidOptionError } from '../base/errors.ts'
import { subprotocol } from '../base/options.ts'
import { HeadDeadline, type HttpServer } from './head-deadline.ts'

/** Time that a refused peer has to read the answer before its socket is destroyed. */
const refusalGraceMs = 1_000

/** How one path of a server is served. */
export interface Route {
  handshakeTimeoutMs: number
  onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer, acceptedAtMs: number): void
}

const hubs = new WeakMap<HttpServer, UpgradeHub>()

/**
 * Serves `path` on `server`. Returns a function that ends this; after the last one the server has no listener of ours.
 *
 * @throws {InvalidOptionError} when the path is already served
 */
export function serveUpgrades(server: HttpServer, path: string, route: Route): () => void {
  const hub = hubs.get(server) ?? new UpgradeHub(server)
  hub.add(path, route)
  hubs.set(server, hub)
  return () => {
    if (hub.remove(path, route)) hubs.delete(server)
  }
}

export function getPath(request: IncomingMessage): string {
  const url = request.url ?? '/'
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}

/** A refused socket may fail while the answer is sent: it ends in any case. */
function ignoreOnRefused(): void {}

/** Answers an upgrade with an error, and destroys the socket once the answer is flushed, or after a short grace. */
export function refuseUpgrade(socket: Duplex, status: number, text: string): void {
  const body = `${text}\n`
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`
  ]
  const timer = setDeadline(() => socket.destroy(), refusalGraceMs)
  timer.unref()
  socket.on('error', ignoreOnRefused)
  socket.once('close', () => clearTimeout(timer))
  socket.once('finish', () => socket.destroy())
  // With unread bytes the close would become a TCP reset, which can overtake the answer.
  socket.resume()
  if (socket.writable) socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  else socket.destroy()
}

class UpgradeHub {
  readonly #server: HttpServer
  readonly #routes = new Map<string, Route>()
  #headDeadline: HeadDeadline | undefined

  constructor(server: HttpServer) {
    this.#server = server
  }

  add(path: string, route: Route): void {
    if (this.#routes.has(path)) throw new InvalidOptionError(`path "${path}" is already served on this HTTP server`)
    this.#routes.set(path, route)
    if (this.#routes.size > 1) return
    this.#headDeadline = new HeadDeadline(this.#server, () => this.#handshakeTimeoutMs())
    this.#server.on('upgrade', this.#onUpgrade)
    this.#server.on('request', this.#onRequest)
  }

  /** Returns true when that was the last route. */
  remove(path: string, route: Route): boolean {
    if (this.#routes.get(path) !== route) return false
    this.#routes.delete(path)
    if (this.#routes.size > 0) return false
    this.#server.off('upgrade', this.#onUpgrade)
    this.#server.off('request', this.#onRequest)
    this.#headDeadline?.stop()
    return true
  }

  /** The path is not known at accept, so the longest timeout counts. Each route applies its own after the head. */
  #handshakeTimeoutMs(): number {
    let longestMs = 0
    for (const route of this.#routes.values()) longestMs = Math.max(longestMs, route.handshakeTimeoutMs)
    return longestMs
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const acceptedAtMs = this.#headDeadline?.headArrived(socket) ?? performance.now()
    const route = this.#routes.get(getPath(request))
    if (route !== undefined) route.onUpgrade(request, socket, head, acceptedAtMs)
    else if (this.#server.listenerCount('upgrade') === 1) refuseUpgrade(socket, 404, 'nothing is served on this path')
  }

  readonly #onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    this.#headDeadline?.headArrived(request.socket)
    if (this.#server.listenerCount('request') > 1) return
    const headers = { Connection: 'close', 'Content-Type': 'text/plain; charset=utf-8' }
    if (!this.#routes.has(getPath(request))) {
      response.writeHead(404, headers).end('nothing is served on this path\n')
      return
    }
    response
      .writeHead(426, { ...headers, Connection: 'Upgrade, close', Upgrade: 'websocket' })
      .end(`this path is for WebSocket upgrades with the subprotocol ${subprotocol} only\n`)
  }
}
