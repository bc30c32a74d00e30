/**
 * All connections of this server: its hosts, its handlers, who dials whom, what arrives, and the shutdown of it all.
 *
 * Decides and wires; how conns are made, shaken hands with and kept is in the files it imports. Knows no frames.
 */

import type { Server as HttpServer, IncomingMessage } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import type { Auth } from './auth.ts'
import type { Conn, ConnDialer } from './conn.ts'
import { Connection } from './connection.ts'
import {
  rawSingle,
  type SingleDefinition,
  type SingleHandler,
  type StreamingDefinition,
  type StreamingHandler
} from './definition.ts'
import { ClosedError, errorText, InvalidOptionError, UnknownHostError } from './errors.ts'
import { Establisher } from './establish.ts'
import { entryOf, joinSubroute, type LocalHandler, LocalHandlers } from './handlers.ts'
import { newInstance, type Refusal } from './handshake.ts'
import { followHosts, type HostLists, type Hosts } from './host-lists.ts'
import { canonicalHost, dialerOf } from './hosts.ts'
import { Listener } from './listener.ts'
import { defaultLogger, type Logger } from './logger.ts'
import {
  defaultCloseTimeoutMs,
  defaultKeepAlive,
  defaultLimits,
  defaultPath,
  defaultReconnect,
  type KeepAliveOptions,
  type Limits,
  maxConnMessageBytes,
  type ReconnectOptions,
  withDefaults
} from './options.ts'
import { addTotals, type ManagerStats, newTotals } from './stats.ts'
import { connectWS } from './websocket.ts'

export interface ManagerOptions {
  /** The name of this server: an origin such as `https://node-1:9000`. */
  readonly local: string
  /**
   * Every server of the grid, this one included. An async iterable gives the whole list anew each time it changes: a
   * host that appears gets a connection, one that goes is drained and closed.
   */
  readonly hosts: Hosts
  /** How servers prove who they are: `sharedSecret(...)`, `insecure()`, or an `Auth` of your own. */
  readonly auth: Auth
  /** The HTTP path of the upgrade, the same on every server. Default `/grid/v1`. */
  readonly path?: string
  /** Makes conns. Default `connectWS()`. */
  readonly dialer?: ConnDialer
  /** Default: warnings and errors to the console. */
  readonly logger?: Logger
  /** What one peer may cost; see `Limits`. */
  readonly limits?: Partial<Limits>
  /** See `KeepAliveOptions`. */
  readonly keepAlive?: Partial<KeepAliveOptions>
  /** See `ReconnectOptions`. */
  readonly reconnect?: Partial<ReconnectOptions>
  /** A checksum with each batch. Default: on conns that are not protected by TLS. Both ends have it as soon as one wants it. */
  readonly checksum?: boolean
  /** Which `Origin` headers may upgrade. Default none: browsers are not peers. */
  readonly allowOrigin?: (origin: string) => boolean
}

export interface HandleOptions {
  /** Registers under a static subroute, which the caller names with `connection.subroute(name)`. Default none. */
  readonly subroute?: string
}

export interface CloseOptions {
  /** Time for running calls to end, in ms; then they are aborted. Default 10 000. */
  readonly timeout?: number
}

export class Manager {
  /** Canonical name of this server. */
  readonly local: string
  /** New at each start, in hex. */
  readonly instance: string
  /** Resolves with the first list of hosts: at once, unless `hosts` is an async iterable. */
  readonly ready: Promise<void>
  readonly #reconnect: Readonly<ReconnectOptions>
  readonly #logger: Logger
  readonly #handlers: LocalHandlers
  readonly #listener: Listener
  readonly #establisher: Establisher
  readonly #connections = new Map<string, Connection>()
  readonly #hostLists: HostLists
  #closed: Promise<void> | undefined

  /** @throws {InvalidOptionError} naming the option that is wrong */
  constructor(options: ManagerOptions) {
    const { auth, path = defaultPath, checksum, logger = defaultLogger } = options
    if (typeof auth?.prove !== 'function' || typeof auth.verify !== 'function') {
      throw new InvalidOptionError('auth is required: sharedSecret(...), insecure(), or an Auth of your own')
    }
    if (typeof path !== 'string' || !path.startsWith('/')) throw new InvalidOptionError('path must start with a slash')
    const limits = withDefaults('limits', defaultLimits, options.limits)
    const keepAlive = withDefaults('keepAlive', defaultKeepAlive, options.keepAlive)
    const instance = newInstance()
    this.#reconnect = withDefaults('reconnect', defaultReconnect, options.reconnect)
    this.#logger = logger
    this.local = canonicalHost(options.local)
    this.instance = Buffer.from(instance).toString('hex')
    this.#handlers = new LocalHandlers(limits.maxNameBytes)
    this.#establisher = new Establisher({
      ...{ local: this.local, instance, auth, path, limits, keepAlive, checksum, logger },
      dialer: options.dialer ?? connectWS(),
      handlers: this.#handlers,
      admit: (host) => this.#refusalFor(host),
      onAccepted: (host, established) => this.#connections.get(host)?.adopt(established)
    })
    this.#listener = new Listener({
      path,
      limits: { ...limits, maxConnMessageBytes: maxConnMessageBytes(limits) },
      allowOrigin: options.allowOrigin,
      onConn: (conn, acceptedAtMs) => this.#establisher.accept(conn, acceptedAtMs),
      pending: () => this.#establisher.pending,
      logger
    })
    this.#hostLists = followHosts(options.hosts, (hosts) => this.#setHosts(hosts), logger)
    this.ready = this.#hostLists.ready
  }

  /** The canonical names of the other servers. */
  get hosts(): string[] {
    return [...this.#connections.keys()]
  }

  /** The connection to each other server. */
  get connections(): Connection[] {
    return [...this.#connections.values()]
  }

  /**
   * The connection to a host, in any spelling of its name.
   *
   * @throws {UnknownHostError} when it is not among `hosts`, or is this server
   */
  connection(host: string): Connection {
    const name = canonicalHost(host)
    const connection = this.#connections.get(name)
    if (connection !== undefined) return connection
    const problem = name === this.local ? 'is this server' : 'is not among the hosts of this grid'
    throw new UnknownHostError(`${name} ${problem}`, { delivery: 'notSent' })
  }

  /**
   * Registers a handler, before or after connecting. A string id is a raw single handler: `Uint8Array` in and out.
   *
   * A raw payload that the handler gets is its to keep; one that it returns must not be changed before the call is over.
   *
   * @throws {HandlerExistsError} when the id is taken under this subroute
   */
  handle<Req, Res>(definition: SingleDefinition<Req, Res>, fn: SingleHandler<Req, Res>, options?: HandleOptions): void
  handle<Payload, Req, Res>(
    definition: StreamingDefinition<Payload, Req, Res>,
    fn: StreamingHandler<Payload, Req, Res>,
    options?: HandleOptions
  ): void
  handle(id: string, fn: SingleHandler<Uint8Array, Uint8Array>, options?: HandleOptions): void
  handle(
    target: string | SingleDefinition<unknown, unknown> | StreamingDefinition<unknown, unknown, unknown>,
    fn: unknown,
    options: HandleOptions = {}
  ): void {
    if (typeof fn !== 'function') throw new InvalidOptionError('a handler must be a function')
    const definition = typeof target === 'string' ? rawSingle(target) : target
    const entry = entryOf(definition, joinSubroute('', options.subroute ?? ''))
    this.#handlers.add({ entry, definition, fn } as LocalHandler)
  }

  /**
   * Accepts conns that arrive at `server` on our path; other upgrades and requests are left to others. Returns what
   * ends that. From now on a socket of the server has to deliver a whole request head within the handshake timeout.
   */
  attach(server: HttpServer | HttpsServer): () => void {
    if (this.#closed !== undefined) throw new ClosedError('the manager is closed')
    return this.#listener.attach(server)
  }

  /** Takes one upgrade from a server whose 'upgrade' events you route yourself. Another path gets a 404. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#listener.handleUpgrade(request, socket, head)
  }

  /** Takes a conn that arrived in any other way: its peer dialed. Returns at once; refusals are logged. */
  incomingConn(conn: Conn): void {
    this.#establisher.accept(conn, performance.now())
  }

  /** Plain data, cheap to take. */
  stats(): ManagerStats {
    const connections = this.connections.map((connection) => connection.stats())
    const totals = newTotals()
    for (const connection of connections) {
      addTotals(totals, connection.totals)
    }
    return {
      local: this.local,
      instance: this.instance,
      handlers: this.#handlers.size,
      pendingHandshakes: this.#establisher.pending,
      refusedHandshakes: this.#establisher.refused,
      connections,
      totals
    }
  }

  /**
   * Refuses new work at once, lets running calls end within `timeout`, aborts the rest, closes all conns. Idempotent.
   * Resolves when all of that is done. The HTTP servers are yours to close.
   */
  close(options: CloseOptions = {}): Promise<void> {
    this.#closed ??= this.#close(options.timeout ?? defaultCloseTimeoutMs)
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(graceMs: number): Promise<void> {
    this.#hostLists.stop()
    this.#listener.close()
    this.#establisher.close()
    const end = { reason: 'shutdown', text: `${this.local} is shutting down` } as const
    await Promise.all(this.connections.map((connection) => connection.close(end, graceMs)))
  }

  #setHosts(hosts: Iterable<string>): void {
    const names = new Set([...hosts].map(canonicalHost))
    names.delete(this.local)
    for (const [name, connection] of this.#connections) {
      if (names.has(name)) continue
      this.#connections.delete(name)
      const end = { reason: 'hostRemoved', text: `${name} is no longer among the hosts of ${this.local}` } as const
      connection.close(end, defaultCloseTimeoutMs).catch((error) => this.#logger.error(errorText(error)))
    }
    for (const name of names) {
      if (this.#connections.has(name)) continue
      const connection = new Connection({
        host: name,
        dials: dialerOf(this.local, name) === this.local,
        dial: (host, signal) => this.#establisher.dial(host, signal),
        reconnect: this.#reconnect,
        logger: this.#logger
      })
      this.#connections.set(name, connection)
      // A turn later, so that handlers registered in this one are in the first table.
      setImmediate(() => connection.start())
    }
  }

  /** Why a peer that has proved its name is not let in. */
  #refusalFor(host: string): Refusal | undefined {
    if (this.#closed !== undefined) return { reason: 'goingAway', message: `${this.local} is shutting down` }
    if (!this.#connections.has(host)) {
      return { reason: 'unknownHost', message: `${host} is not among the hosts of ${this.local}` }
    }
    if (dialerOf(this.local, host) === this.local) {
      return { reason: 'wrongDirection', message: `${this.local} dials ${host}, not the other way round` }
    }
    return undefined
  }
}
