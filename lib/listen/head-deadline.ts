/**
 * The deadline of an HTTP server's sockets from TCP accept to the first whole request head.
 *
 * It knows when each socket was accepted, and destroys those that stay silent or stop half-way. What comes after the
 * head is not its business. With TLS the raw socket is what is accepted, and another object carries the request: the
 * two are matched by their addresses.
 */

import type * as http from 'node:http'
import type * as https from 'node:https'
import type { Socket } from 'node:net'
import { type TLSSocket, Server as TlsServer } from 'node:tls'
import { JudgeTimer } from '../base/after-reading.ts'

export type HttpServer = http.Server | https.Server

interface Accepted {
  socket: Socket
  tlsSocket: TLSSocket | undefined
  /** Kept, for a socket that closed no longer knows it. */
  address: string
  acceptedAt: number
  timer: JudgeTimer
  onClose: () => void
}

/**
 * A server with one of these listeners takes request heads that we are not told of: there the deadline is not held
 * against a socket, for it may be in the middle of a request.
 */
const otherHeadEvents = ['checkContinue', 'checkExpectation', 'connect']

export class AcceptWatch {
  readonly #server: HttpServer
  readonly #timeoutMs: () => number
  readonly #bySocket = new WeakMap<object, Accepted>()
  readonly #waiting = new Set<Accepted>()
  /** Raw sockets of a TLS server that have no TLSSocket yet. */
  readonly #byAddress = new Map<string, Accepted>()

  /** `timeoutMs` is asked at each accept. */
  constructor(server: HttpServer, timeoutMs: () => number) {
    this.#server = server
    this.#timeoutMs = timeoutMs
    server.on('connection', this.#onConnection)
    server.on('secureConnection', this.#onSecureConnection)
  }

  /** A request head arrived on `socket`: when that was accepted, if it was its first. Its deadline is met. */
  headArrived(socket: object): number | undefined {
    const accepted = this.#bySocket.get(socket)
    if (accepted === undefined) return undefined
    this.#forget(accepted)
    return accepted.acceptedAt
  }

  /**
   * Whoever has not said yet what he wants is cut, unless somebody else serves the server: nobody would answer him, and he would
   * keep a process from its exit for as long as he waits.
   */
  stop(): void {
    this.#server.off('connection', this.#onConnection)
    this.#server.off('secureConnection', this.#onSecureConnection)
    const isServed = [...otherHeadEvents, 'request', 'upgrade'].some((event) => this.#server.listenerCount(event) > 0)
    for (const accepted of this.#waiting) {
      this.#forget(accepted)
      if (!isServed) this.#cut(accepted)
    }
  }

  readonly #onConnection = (socket: Socket): void => {
    const isTls = this.#server instanceof TlsServer
    // Over a Unix socket there is no address to find the TLSSocket by: it is watched from its handshake on.
    if (isTls && socket.remotePort === undefined) return
    const accepted = this.#watch(socket)
    if (isTls) this.#byAddress.set(accepted.address, accepted)
  }

  readonly #onSecureConnection = (tlsSocket: TLSSocket): void => {
    const accepted = this.#byAddress.get(addressesOf(tlsSocket))
    if (accepted === undefined) {
      if (tlsSocket.remotePort === undefined) this.#watch(tlsSocket)
      return
    }
    this.#byAddress.delete(accepted.address)
    accepted.tlsSocket = tlsSocket
    this.#bySocket.set(tlsSocket, accepted)
  }

  #watch(socket: Socket): Accepted {
    const acceptedAt = performance.now()
    const accepted: Accepted = {
      socket,
      tlsSocket: undefined,
      address: addressesOf(socket),
      acceptedAt,
      timer: new JudgeTimer(acceptedAt + this.#timeoutMs(), () => this.#onDeadline(accepted)).unref(),
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
    this.#cut(accepted)
  }

  #cut({ socket, tlsSocket }: Accepted): void {
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

function addressesOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`
}
