/**
 * The ways between this server and the others, put together and ended together: the list of hosts, conns that arrive and that
 * are dialed, their handshakes, the connections that take them, and the one of this server to itself.
 */

import type { Connection } from '../connection/connection.ts'
import { ClosedError } from '../errors/errors.ts'
import type { Logger } from '../errors/logger.ts'
import { maxConnMessageBytes } from '../errors/options.ts'
import type { LocalHandlers } from '../handler/table.ts'
import { Listener } from '../listen/listener.ts'
import { Establisher } from '../peer/establish.ts'
import { createInstance, type Refusal } from '../peer/handshake.ts'
import { Beat } from '../session/beat.ts'
import type { SessionEnd } from '../session/end.ts'
import type { SessionInit } from '../session/session.ts'
import { Guests } from './guests.ts'
import { followHosts, type HostLists } from './host-lists.ts'
import { Loopback } from './loopback.ts'
import type { Settings } from './options.ts'
import { Peers } from './peers.ts'
import type { PeersPort } from './selection.ts'

export class Network implements PeersPort {
  readonly local: string
  /** In hex. */
  readonly instance: string
  readonly logger: Logger
  readonly handlers: LocalHandlers
  readonly establisher: Establisher
  readonly listener: Listener
  readonly peers: Peers
  readonly guests: Guests
  readonly hostLists: HostLists
  readonly keepAliveMs: number
  /** Created on first use. */
  loopback: Loopback | undefined
  readonly #settings: Settings
  /** What all sessions have in common. */
  readonly #session: Pick<SessionInit, 'limits' | 'beat' | 'handlers'>
  /** Set first: code that learns of the end must find the manager closed. */
  #isClosing = false

  constructor(settings: Settings, handlers: LocalHandlers) {
    const { local, hosts, auth, path, limits, keepAlive, checksum, allowOrigin, logger } = settings
    const instance = createInstance()
    this.#settings = settings
    this.local = local
    this.instance = Buffer.from(instance).toString('hex')
    this.logger = logger
    this.handlers = handlers
    this.keepAliveMs = keepAlive.intervalMs
    this.#session = { limits, beat: new Beat(keepAlive.intervalMs), handlers }
    const largest = maxConnMessageBytes(limits)
    const goingAway = (): Refusal | undefined =>
      this.#isClosing ? { reason: 'goingAway', message: `${local} is shutting down` } : undefined
    this.guests = new Guests({
      ...{ local, logger, handlers, goingAway },
      ...{ reconnect: settings.reconnect, settings: settings.guests }
    })
    this.establisher = new Establisher({
      ...{ local, instance, auth, checksum, logger, session: this.#session },
      connect: (host, signal) => settings.dialer(host, { signal, path, maxConnMessageBytes: largest }),
      hosts: {
        admit: (host, from) => goingAway() ?? this.peers.admit(host, from),
        onAccepted: (established, host) => this.peers.adopt(host, established)
      },
      guests: this.guests
    })
    this.listener = new Listener({
      ...{ path, allowOrigin, logger, maxConnMessageBytes: largest },
      onConn: (conn) => this.establisher.accept(conn),
      onTlsRefused: (code, remoteAddress) => this.establisher.refusedByTls(code, remoteAddress),
      onListening: () => this.peers.hurry()
    })
    this.peers = new Peers({
      ...{ local, logger, establisher: this.establisher, hooks: settings.hooks.caller },
      isAttached: () => this.listener.isAttached,
      reconnect: settings.reconnect,
      figures: handlers.figures
    })
    this.hostLists = followHosts(hosts, local, (names) => this.#setHosts(names), logger)
  }

  missingList(): Error | undefined {
    return this.hostLists.missing
  }

  get isClosing(): boolean {
    return this.#isClosing
  }

  throwIfClosed(): void {
    if (this.#isClosing) throw new ClosedError('the manager is closed')
  }

  self(): Connection {
    if (this.loopback === undefined) {
      const { local, instance } = this
      const { reconnect, logger, hooks } = this.#settings
      const session = this.#session
      this.loopback = new Loopback({ local, instance, session, reconnect, logger, hooks: hooks.caller })
      if (!this.#isClosing) this.loopback.connection.start()
      else this.loopback.close(this.#shutdown, 0)
    }
    return this.loopback.connection
  }

  /** Nothing new from now on, on any connection, before a call of any is told. */
  refuse(): void {
    if (this.#isClosing) return
    this.#isClosing = true
    this.hostLists.stop()
    this.listener.refuse()
    this.establisher.close()
    this.peers.refuse(this.#shutdown)
    this.guests.refuse(this.#shutdown)
    this.loopback?.connection.refuse(this.#shutdown)
  }

  /** Running calls may end within `graceMs`. */
  async close(graceMs: number): Promise<void> {
    await Promise.all([this.peers, this.guests, this.loopback].map((each) => each?.close(this.#shutdown, graceMs)))
    this.listener.close()
  }

  get #shutdown(): SessionEnd {
    return { reason: 'shutdown', text: `${this.local} is shutting down` }
  }

  #setHosts(names: Set<string>): void {
    names.add(this.local)
    this.handlers.running.forgetOthers(new Set([...names, ...this.guests.runningKeys]))
    this.handlers.figures.forgetOthers(names)
    names.delete(this.local)
    this.peers.set(names)
  }
}
