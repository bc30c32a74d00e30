/**
 * Shared by all listeners on one HTTP server: one set of event listeners, which routes WebSocket upgrades by path.
 *
 * All else is left to the other listeners of the server, as it would be without us: requests to its 'request' listeners, also
 * those that merely offer an upgrade, and upgrades on other paths to its 'upgrade' listeners. Decides nothing about a peer.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { STATUS_CODES } from 'node:http'
import { nextTick } from 'node:process'
import type { Duplex } from 'node:stream'
import { InvalidOptionError } from '../errors/errors.ts'
import { subprotocol } from '../errors/options.ts'
import { setDeadline } from '../time/after-reading.ts'
import { type HttpServer, isHttp2 } from './http-server.ts'
import { SilentSockets } from './silent-sockets.ts'
import { filterUpgrades, handBack } from './upgrade-offers.ts'

/** Time that a refused peer has to read the answer before its socket is destroyed. */
const refusalGraceMs = 1_000

/** How one path of a server is served. */
export interface Route {
  onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Another 'upgrade' listener of the server has answered an upgrade on the path. */
  onAnsweredByOther(): void
}

/** Where one of these is listened to, others serve the server. */
const servingEvents = ['request', 'upgrade', 'checkContinue', 'checkExpectation', 'connect']

/** Of the whole process: two copies of this package would take each other for foreign listeners. */
const registry: unique symbol = Symbol.for('it-grid.upgradeHubs')
const shared = globalThis as { [registry]?: WeakMap<HttpServer, Pick<UpgradeHub, 'add' | 'remove'>> }
shared[registry] ??= new WeakMap()
/** Kept when the last path is left: sockets from before may still ask it. */
const hubs = shared[registry]

/**
 * Serves `path` on `server`. Returns a function that ends this; after the last one the server has no listener of ours.
 *
 * @throws {InvalidOptionError} when the path is already served
 */
export function serveUpgrades(server: HttpServer, path: string, route: Route): () => void {
  const hub = hubs.get(server) ?? new UpgradeHub(server)
  hub.add(path, route)
  hubs.set(server, hub)
  return () => hub.remove(path, route)
}

export function getPath(request: IncomingMessage): string {
  // A proxy may name the whole URL.
  const url = (request.url ?? '/').replace(/^https?:\/\/[^/?]*/i, '')
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
  /** Sockets that were given back. Where that does not help, they are refused. */
  readonly #givenBack = new WeakSet<Duplex>()
  /** Upgrades that are ours. A listener that has taken over our listener may pass one on a second time. */
  readonly #taken = new WeakSet<IncomingMessage>()
  #silent: SilentSockets | undefined
  #unfilter: (() => void) | undefined

  constructor(server: HttpServer) {
    this.#server = server
  }

  add(path: string, route: Route): void {
    if (this.#routes.has(path)) throw new InvalidOptionError(`path "${path}" is already served on this HTTP server`)
    this.#routes.set(path, route)
    if (this.#routes.size > 1) return
    this.#unfilter = filterUpgrades(
      this.#server,
      (request) => this.#findRoute(request) !== undefined,
      () => this.#othersListenTo('upgrade', this.#onUpgrade)
    )
    // First, to see whether another listener answers too.
    this.#server.prependListener('upgrade', this.#onUpgrade)
    // With its first 'request' listener an HTTP/2 server changes how it serves streams. So there others must serve requests.
    if (isHttp2(this.#server)) return
    this.#silent = new SilentSockets(this.#server)
    // First, for a listener that is there once only is no longer counted once it was called.
    this.#server.prependListener('request', this.#onRequest)
  }

  remove(path: string, route: Route): void {
    if (this.#routes.get(path) !== route) return
    this.#routes.delete(path)
    if (this.#routes.size > 0) return
    this.#server.off('upgrade', this.#onUpgrade)
    this.#server.off('request', this.#onRequest)
    this.#unfilter?.()
    const silent = this.#silent?.stop() ?? []
    // Nobody would answer them, and they would keep the process from exiting.
    if (!servingEvents.some((event) => this.#othersListenTo(event))) for (const socket of silent) socket.destroy()
  }

  /**
   * Looked up by identity, not counted: a listener may have taken ours off the server, to call it itself beside those of the
   * app. engine.io, and so Socket.IO, does so.
   */
  #othersListenTo(event: string, ours?: unknown): boolean {
    return this.#server.listeners(event).some((listener) => listener !== ours)
  }

  #findRoute(request: IncomingMessage): Route | undefined {
    return offersWebSocket(request) ? this.#routes.get(getPath(request)) : undefined
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    this.#silent?.heard(request.socket)
    const route = this.#findRoute(request)
    if (route === undefined) {
      if (!this.#othersListenTo('upgrade', this.#onUpgrade)) this.#giveBack(request, socket, head)
    } else if (this.#taken.has(request)) {
      return
    } else if (this.#othersListenTo('upgrade', this.#onUpgrade)) {
      this.#onContested(route, request, socket, head)
    } else {
      route.onUpgrade(request, socket, head)
    }
  }

  /** Lets the other listeners go first: two that write to one socket make a conn that neither end can read. */
  #onContested(route: Route, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#taken.add(request)
    const { bytesWritten } = request.socket
    nextTick(() => {
      const isFree = socket.writable && request.socket.bytesWritten === bytesWritten
      if (isFree) route.onUpgrade(request, socket, head)
      else route.onAnsweredByOther()
    })
  }

  #giveBack(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const isFirst = !this.#givenBack.has(socket)
    this.#givenBack.add(socket)
    if (isFirst && handBack(this.#server, request, socket, head)) return
    refuseUpgrade(socket, 404, 'nothing is served on this path')
  }

  /** Answers only where nobody else can: not from inside another listener, nor what is answered already. */
  readonly #onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    this.#silent?.heard(request.socket)
    if (this.#othersListenTo('request', this.#onRequest) || response.headersSent) return
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

/** HTTP/1.0 knows no upgrades: RFC 9110 section 7.8. */
function offersWebSocket({ headers, httpVersion }: IncomingMessage): boolean {
  return httpVersion !== '1.0' && /(^|,)\s*websocket\s*(,|$)/i.test(headers.upgrade ?? '')
}
