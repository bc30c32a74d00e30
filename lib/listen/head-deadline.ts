/**
 * The deadline for the sockets of an HTTP server, from TCP accept to the first complete request head.
 *
 * It knows when each socket was accepted, and destroys those that send no complete head in time. With TLS, a raw socket is
 * accepted and a TLSSocket carries the request: the two are matched by their addresses.
 */

import type * as http from 'node:http'
import type * as https from 'node:https'
import type { Socket } from 'node:net'
import { type TLSSocket, Server as TlsServer } from 'node:tls'
import { DeadlineTimer } from '../base/after-reading.ts'

export type HttpServer = http.Server | https.Server

interface Accepted {
  socket: Socket
  tlsSocket: TLSSocket | undefined
  /** Kept, since a closed socket no longer knows it. */
  address: string
  acceptedAtMs: number
  timer: DeadlineTimer
  onClose: () => void
}

/**
 * A server with one of these listeners receives request heads that we do not see. Its sockets are not destroyed at the
 * deadline: they may be in the middle of a request.
 */
const otherHeadEvents = ['checkContinue', 'checkExpectation', 'connect']

export class HeadDeadline {
  readonly #server: HttpServer
  readonly #timeoutMs: () => number
  readonly #bySocket = new WeakMap<object, Accepted>()
  readonly #waiting = new Set<Accepted>()
  /** Raw sockets of a TLS server whose TLSSocket is not known yet. */
  readonly #byAddress = new Map<string, Accepted>()

  /** `timeoutMs` is called at each accept. */
  constructor(server: HttpServer, timeoutMs: () => number) {
    this.#server = server
    this.#timeoutMs = timeoutMs
    server.on('connection', this.#onConnection)
    server.on('secureConnection', this.#onSecureConnection)
  }

  /** A request head arrived on `socket`. Returns when the socket was accepted, if this is its first head. */
  headArrived(socket: object): number | undefined {
    const accepted = this.#bySocket.get(socket)
    if (accepted === undefined) return undefined
    this.#forget(accepted)
    return accepted.acceptedAtMs
  }

  /**
   * Destroys sockets that sent no complete request head, unless another listener serves this server. They would get no answer
   * and keep the process from exiting.
   */
  stop(): void {
    this.#server.off('connection', this.#onConnection)
    this.#server.off('secureConnection', this.#onSecureConnection)
    const isServed = [...otherHeadEvents, 'request', 'upgrade'].some((event) => this.#server.listenerCount(event) > 0)
    for (const accepted of this.#waiting) {
      this.#forget(accepted)
      if (!isServed) this.#destroy(accepted)
    }
  }

  readonly #onConnection = (socket: Socket): void => {
    const isTls = this.#server instanceof TlsServer
    // A Unix socket has no address by which to find its TLSSocket: that is watched from its own handshake on.
    if (isTls && socket.remotePort === undefined) return
    const accepted = this.#watch(socket)
    if (isTls) this.#byAddress.set(accepted.address, accepted)
  }

  readonly #onSecureConnection = (tlsSocket: TLSSocket): void => {
    const accepted = this.#byAddress.get(formatAddresses(tlsSocket))
    if (accepted === undefined) {
      if (tlsSocket.remotePort === undefined) this.#watch(tlsSocket)
      return
    }
    this.#byAddress.delete(accepted.address)
    accepted.tlsSocket = tlsSocket
    this.#bySocket.set(tlsSocket, accepted)
  }

  #watch(socket: Socket): Accepted {
    const acceptedAtMs = performance.now()
    const accepted: Accepted = {
      socket,
      tlsSocket: undefined,
      address: formatAddresses(socket),
      acceptedAtMs,
      timer: new DeadlineTimer(acceptedAtMs + this.#timeoutMs(), () => this.#onDeadline(accepted)).unref(),
      onClose: () => this.#forget(accepted)
    }
    socket.once('close', accepted.onClose)
    this.#bySocket.set(socket, accepted)
    this.#waiting.add(accepted)
    return accepted
  }

  #onDeadline(accepted: Accepted): void {
    this.#forget(accepted)
    if (otherHeadEvents.some((event) => this.#server.listenerCount(event) > 0)) return
    this.#destroy(accepted)
  }

  #destroy({ socket, tlsSocket }: Accepted): void {
    tlsSocket?.destroy()
    socket.destroy()
  }

  #forget(accepted: Accepted): void {
    accepted.timer.clear()
    accepted.socket.off('close', accepted.onClose)
    this.#waiting.delete(accepted)
    this.#bySocket.delete(accepted.socket)
    if (accepted.tlsSocket !== undefined) this.#bySocket.delete(accepted.tlsSocket)
    // Another socket may have the same address by now.
    if (this.#byAddress.get(accepted.address) === accepted) this.#byAddress.delete(accepted.address)
  }
}

function formatAddresses(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`
}
