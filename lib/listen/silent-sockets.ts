/**
 * The sockets of an HTTP server on which no request has arrived yet.
 *
 * They are only known here, not bounded in time: who opens a socket ahead of a request is none of our business. With TLS a
 * raw socket is accepted and a TLSSocket carries the request: the two are matched by their address.
 */

import type { Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import type { HttpServer } from './http-server.ts'

/** With TLS the addresses, which a raw socket and its TLSSocket have in common; undefined where there are none. */
type Key = Socket | string | undefined

export class SilentSockets {
  readonly #server: HttpServer
  readonly #isTls: boolean
  /** Each with what takes it out when it is closed. */
  readonly #sockets = new Map<Key, { socket: Socket; onClose: () => void }>()

  constructor(server: HttpServer) {
    this.#server = server
    this.#isTls = server instanceof TlsServer
    server.on('connection', this.#onConnection)
  }

  /** A request arrived on `socket`. */
  heard(socket: Socket): void {
    this.#forget(this.#toKey(socket))
  }

  /** Knows no sockets from now on. Returns those that are silent. */
  stop(): Socket[] {
    this.#server.off('connection', this.#onConnection)
    const silent = [...this.#sockets.values()].map(({ socket }) => socket)
    for (const key of [...this.#sockets.keys()]) this.#forget(key)
    return silent
  }

  readonly #onConnection = (socket: Socket): void => {
    // Taken now, since a closed socket no longer knows its address.
    const key = this.#toKey(socket)
    // A Unix socket has no address by which to find its TLSSocket.
    if (key === undefined) return
    const onClose = (): void => {
      // Another socket may have the same address by now.
      if (this.#sockets.get(key)?.socket === socket) this.#forget(key)
    }
    socket.once('close', onClose)
    this.#sockets.set(key, { socket, onClose })
  }

  #toKey(socket: Socket): Key {
    if (!this.#isTls) return socket
    const { remoteAddress, remotePort, localAddress, localPort } = socket
    return remotePort === undefined ? undefined : `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
  }

  #forget(key: Key): void {
    const known = this.#sockets.get(key)
    known?.socket.off('close', known.onClose)
    this.#sockets.delete(key)
  }
}
