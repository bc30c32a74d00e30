/**
 * Which requests that offer an upgrade are given to 'upgrade' listeners.
 *
 * As soon as a server has such a listener, Node gives it every request that offers any upgrade: `Upgrade: h2c` of curl and
 * Java clients, `Upgrade: TLS/1.0`. Most servers ignore those offers and answer the request. So requests that are neither
 * ours nor wanted by another listener stay what they are without us: requests.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { type HttpServer, toConnectionEvent } from './http-server.ts'

/** Whether a request that offers an upgrade shall be an 'upgrade' event. */
export type Wanted = (request: IncomingMessage) => boolean

/** Node from 22.21 and 24.9 on asks the server itself. */
interface AskingServer {
  shouldUpgradeCallback?: Wanted
}

/** In Node 20, the parser of a socket says whether a request offers an upgrade. */
interface ParsedSocket extends Duplex {
  /** The response that is being written. */
  _httpMessage?: ServerResponse | null
  parser?: { onIncoming?: ((request: ParsedRequest, keepAlive: boolean) => unknown) | null } | null
}

interface ParsedRequest extends IncomingMessage {
  upgrade: boolean
}

/**
 * Gives to 'upgrade' listeners what is `ours`, and what they are given without us while there are `others` of them. Returns
 * a function that ends this.
 */
export function filterUpgrades(server: HttpServer, ours: Wanted, others: () => boolean): () => void {
  const asking = server as AskingServer
  const theirs = asking.shouldUpgradeCallback
  if (typeof theirs !== 'function') return filterByParser(server, (request) => ours(request) || others())
  const wanted: Wanted = (request) => ours(request) || (others() && theirs.call(server, request))
  asking.shouldUpgradeCallback = wanted
  return () => {
    if (asking.shouldUpgradeCallback === wanted) asking.shouldUpgradeCallback = theirs
  }
}

function filterByParser(server: HttpServer, wanted: Wanted): () => void {
  const event = toConnectionEvent(server)
  const onConnection = ({ parser }: ParsedSocket): void => {
    const onIncoming = parser?.onIncoming
    if (parser === undefined || parser === null || typeof onIncoming !== 'function') return
    parser.onIncoming = (request, keepAlive) => {
      if (request.method !== 'CONNECT' && !wanted(request)) request.upgrade = false
      return onIncoming(request, keepAlive)
    }
  }
  server.on(event, onConnection)
  return () => server.off(event, onConnection)
}

/** Node took its own listener off. An error ends the socket in any case. */
function ignoreMeanwhile(): void {}

/**
 * Gives an upgrade that no listener takes back to the server, as a new conn that begins with the same request. Needed in Node
 * 20 only, for a socket that is older than the filter. Returns false where the server does not take it.
 */
export function handBack(server: HttpServer, request: IncomingMessage, socket: ParsedSocket, head: Buffer): boolean {
  if (socket.destroyed) return true
  // A new conn would not wait for the responses of the old one.
  const earlier = socket._httpMessage
  if (earlier !== undefined && earlier !== null) {
    socket.on('error', ignoreMeanwhile)
    earlier.once('close', () => {
      socket.off('error', ignoreMeanwhile)
      handBack(server, request, socket, head)
    })
    return true
  }
  const lines = [`${request.method} ${request.url} HTTP/${request.httpVersion}`]
  for (let n = 0; n < request.rawHeaders.length; n += 2) {
    lines.push(`${request.rawHeaders[n]}: ${request.rawHeaders[n + 1]}`)
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
  server.emit(toConnectionEvent(server), socket)
  return typeof socket.parser?.onIncoming === 'function'
}
