/**
 * The sockets of an HTTP server on which no request has arrived yet.
 *
 * They are only known here, not bounded in time: who opens a socket ahead of a request is none of our business. With TLS a
 * raw socket is accepted and a TLSSocket carries the request: the two are matched by their address.
 */

import type { Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import type { HttpServer } from './http-server.ts'

export class SilentSockets {
  readonly #server: HttpServer
  /** Each with what takes it out when it is closed. */
  readonly #sockets = new Map<unknown, { socket: Socket; onClose: () => void }>()

  constructor(server: HttpServer) {
    this.#server = server
    server.on('connection', this.#onConnection)
  }

  /** A request arrived on `socket`. */
  heard(socket: Socket): void {
    this.#forget(toKey(socket))
  }

  /** Knows no sockets from now on. Returns those that are silent. */
  stop(): Socket[] {
    this.#server.off('connection', this.#onConnection)
    const silent = [...this.#sockets.values()].map(({ socket }) => socket)
    for (const key of [...this.#sockets.keys()]) this.#forget(key)
    return silent
  }

  readonly #onConnection = (socket: Socket): void => {
    // A Unix socket has no address by which to find its TLSSocket.
    if (this.#server instanceof TlsServer && socket.remotePort === undefined) return
    // Taken now, since a closed socket no longer knows its address.
    const key = toKey(socket)
    const onClose = (): void => {
      // Another socket may have the same address by now.
      if (this.#sockets.get(key)?.socket === socket) this.#forget(key)
    }
    socket.once('close', onClose)
    this.#sockets.set(key, { socket, onClose })
  }

  #forget(key: unknown): void {
    const known = this.#sockets.get(key)
    known?.socket.off('close', known.onClose)
    this.#sockets.delete(key)
  }
}

function toKey(socket: Socket): unknown {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  return remotePort === undefined ? socket : `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
