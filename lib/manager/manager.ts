/**
 * All connections of this server: its hosts, its handlers, which server dials, inbound conns, and the shutdown.
 *
 * It decides, and connects the parts: dialing, handshakes and connections are in the files that it imports. Knows no frames.
 */

import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { CallArguments } from '../call/callable.ts'
import type { Conn } from '../conn/conn.ts'
import type { Connection } from '../connection/connection.ts'
import type { AnyContract, HandlersOf } from '../contract/contract.ts'
import { implement, withdraw } from '../contract/implement.ts'
import { readTarget, register } from '../contract/register.ts'
import { aFunction, check } from '../errors/check.ts'
import { GridFigures } from '../figures/grid-figures.ts'
import type { AnyDefinition, AnySingle, PayloadOf, ResponseOf } from '../handler/definition.ts'
import type { HandlerOf } from '../handler/handler.ts'
import { type HandlerInfo, toHandlerInfo } from '../handler/info.ts'
import { Mismatches } from '../handler/mismatches.ts'
import { Mistakes } from '../handler/mistakes.ts'
import { createServing } from '../handler/serving.ts'
import { joinSubroute, LocalHandlers } from '../handler/table.ts'
import { serveIntrospection } from '../introspection/introspect.ts'
import type { HttpServer } from '../listen/http-server.ts'
import { type AllOptions, askAll } from '../many/ask-all.ts'
import { type AnyOptions, askAny } from '../many/ask-any.ts'
import { askQuorum, type QuorumOptions } from '../many/ask-quorum.ts'
import { Network } from '../network/network.ts'
import {
  type CloseOptions,
  type HandleOptions,
  type ManagerOptions,
  type PeerCount,
  type PeersWaitOptions,
  parseGraceMs,
  parseOptions,
  readHandleOptions,
  readUnhandleOptions,
  type Settings,
  type UnhandleOptions
} from '../network/options.ts'
import { createUnknownError } from '../network/selection.ts'
import { waitForPeers } from '../network/wait-for-peers.ts'
import { canonicalHost } from '../peer/hosts.ts'
import type { GridEvent } from '../report/events.ts'
import type { ManagerStats } from '../report/stats.ts'
import { Grace } from './grace.ts'
import { type Health, healthOf } from './health.ts'
import { readStats } from './stats.ts'

export class Manager {
  /** Canonical name of this server. */
  readonly local: string
  /** New at each start, in hex. */
  readonly instance: string
  readonly #startedAt = Date.now()
  readonly #settings: Settings
  readonly #handlers: LocalHandlers
  readonly #network: Network
  readonly #grace = new Grace()

  /** @throws {InvalidOptionError} naming the option that is wrong */
  constructor(options: ManagerOptions) {
    const settings = parseOptions(options)
    const { local, limits, logger, introspection: allowed = false } = settings
    const serving = createServing(local, settings.serveWhen, logger)
    this.#settings = settings
    this.#handlers = new LocalHandlers(limits.maxNameBytes, serving, new GridFigures(local))
    this.#handlers.mistakes = new Mistakes(logger, this.#handlers.figures.events)
    this.#handlers.mismatches = new Mismatches(logger, this.#handlers.figures)
    this.#network = new Network(settings, this.#handlers)
    this.local = local
    this.instance = this.#network.instance
    const guests = () => this.#network.guests.connections
    if (allowed === false) return
    const maxReaders = { host: limits.maxReaders, guest: settings.guests.limits.maxReaders }
    serveIntrospection(this, this.#handlers, settings.hooks.handler, allowed, guests, maxReaders)
  }

  /**
   * Resolves with the first list of hosts: at once, unless `hosts` is an async iterable; or when the manager is closed first.
   * Rejects with an `UnknownHostError` when the source of hosts throws, ends or yields an invalid list before the first valid
   * one. A later valid list still counts, and this resolves from then on.
   */
  get ready(): Promise<void> {
    return this.#network.hostLists.ready
  }

  /** The canonical names of the other servers. */
  get hosts(): string[] {
    return this.connections.map(({ host }) => host)
  }

  /** The connection to each other server. */
  get connections(): Connection[] {
    return this.#network.peers.connections
  }

  /**
   * The connection to a host, in any spelling of its name. The connection to this server itself calls its own handlers over
   * memory. It can be used at once, and it is neither among `connections` nor in `stats()`.
   *
   * @throws {InvalidOptionError} when `host` is not the name of a host
   * @throws {UnknownHostError} when the host is not among `hosts`, or there is no list of hosts yet; `cause` says why
   */
  connection(host: string): Connection {
    const name = canonicalHost(host)
    if (name === this.local) return this.#network.self()
    const connection = this.#network.peers.find(name)
    if (connection !== undefined) return connection
    throw createUnknownError(this.#network, name)
  }

  /**
   * Registers a handler, before or after connecting. A string id is a raw single handler: `Uint8Array` in and out.
   *
   * A raw handler may keep its payload. What it returns must not be changed before the call has ended.
   *
   * @throws {HandlerExistsError} when the id is already registered under this subroute
   * @throws {ClosedError} when the manager is closed
   */
  handle<D extends string | AnyDefinition>(definition: D, fn: HandlerOf<D>, options?: HandleOptions<PayloadOf<D>>): void
  handle(target: string | AnyDefinition, fn: unknown, options?: HandleOptions): void {
    const { subroute = '', interceptors = [] } = readHandleOptions(options)
    const definition = readTarget(target, subroute)
    check('the function of a handler', fn, aFunction)
    this.#network.throwIfClosed()
    const { local, interceptors: outer = [] } = this.#settings.hooks.handler
    register(this.#handlers, { local, definition, fn, subroute, interceptors: [...outer, ...interceptors] })
  }

  /**
   * Registers a handler for each definition of a contract: all of them, or none. `handlers` may be an instance of a class. A
   * `subroute` comes before that of the contract, joined with `/`.
   *
   * @throws {InvalidOptionError} when a handler is missing, or is of no definition
   * @throws the errors of `handle`
   */
  implement<C extends AnyContract>(
    contract: C,
    handlers: HandlersOf<C['definitions']>,
    options: HandleOptions = {}
  ): void {
    implement(this, contract, handlers, readHandleOptions(options) as HandleOptions)
  }

  /**
   * Withdraws a handler; returns false when there is none of this id under this subroute. Calls that run go on. New ones fail
   * at their callers as `notSent`: at once where they know that it is gone, or with `waitForReady` when it does not come back.
   * A handler may be registered again at any time. Of a contract it withdraws all, and returns false when there is none of them.
   *
   * @throws {InvalidOptionError} when an argument is wrong
   */
  unhandle(target: string | AnyDefinition | AnyContract, options?: UnhandleOptions): boolean {
    const { subroute = '' } = readUnhandleOptions(options)
    if (typeof target === 'object' && 'definitions' in target) return withdraw(this, target, subroute)
    return this.#handlers.remove(joinSubroute('', subroute), readTarget(target, subroute).id)
  }

  /**
   * The same call at many peers, by default at all other servers. Gives their answers and errors as they come; leaving the
   * loop cancels the rest. Of a streaming definition it gives the responses of all streams, fair between the peers, with
   * backpressure to each. A peer that is not connected is an error, unless `waitForReady`.
   *
   * @throws {InvalidOptionError} when an argument is wrong: `hosts` is empty, or has a host twice
   * @throws {UnknownHostError} when one of `hosts` is not in the grid, or there is no list of hosts yet
   * @throws {ClosedError} when the manager is closed
   * @throws `signal.reason`, at the next step, when the signal aborted
   */
  all<D extends string | AnyDefinition>(definition: D, ...args: CallArguments<PayloadOf<D>, AllOptions<D>>) {
    return askAll(this.#network, definition, args)
  }

  /**
   * The same call at many peers. Resolves at the `need`-th acceptable answer, and cancels the rest.
   *
   * @throws {QuorumError} as soon as `need` cannot be reached; its `answers` have each error so far
   * @throws the errors of `all`; {InvalidOptionError} also when `need` is above the number of peers
   */
  quorum<D extends string | AnySingle>(definition: D, payload: PayloadOf<D>, options: QuorumOptions<ResponseOf<D>>) {
    return askQuorum(this.#network, definition, payload, options)
  }

  /**
   * A call at one of the peers that are connected, do not drain and offer the handler. Where it was certainly not sent, or may
   * run twice (`idempotent`, `hedgeAfterMs`), it is made at another one.
   *
   * @throws the errors of `request`, and of `all`
   */
  any<D extends string | AnyDefinition>(definition: D, ...args: CallArguments<PayloadOf<D>, AnyOptions<D>>) {
    return askAny(this.#network, definition, args)
  }

  /** What this server offers. */
  get handlers(): readonly HandlerInfo[] {
    return this.#handlers.list().map(({ entry }) => toHandlerInfo(entry))
  }

  /**
   * Accepts conns that arrive at `server` on our path, before or after it listens. All else is left to the other listeners of
   * the server, as without us: other requests, also those that offer an upgrade, other upgrades, HTTP/2, idle sockets. Returns
   * a function that ends this. Takes `http2.createSecureServer()` with `allowHTTP1: true` too.
   *
   * @throws {InvalidOptionError} when `server` is no HTTP server, or `path` is already served on it
   * @throws {ClosedError} when the manager is closed
   */
  attach(server: HttpServer): () => void {
    this.#network.throwIfClosed()
    return this.#network.listener.attach(server)
  }

  /**
   * Handles one upgrade from a server whose 'upgrade' events you route yourself. Another path gets a 404.
   *
   * @throws {InvalidOptionError} when these are not the three arguments of an 'upgrade' event
   */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#network.listener.handleUpgrade(request, socket, head)
  }

  /** Accepts a conn that was dialed by its peer in any other way. Returns at once and never throws; refusals are logged. */
  incomingConn(conn: Conn): void {
    this.#network.establisher.accept(conn)
  }

  /**
   * Resolves when so many peers are connected: by default all other servers of the list. While it waits it warns every 5 s of
   * those that are missing, and why.
   *
   * @throws {QuorumError} at the timeout, with the same
   * @throws {InvalidOptionError} when an option is wrong, or `atLeast` is more than there are peers
   * @throws {UnknownHostError} when one of `hosts` is not in the grid
   * @throws {ClosedError} when the manager is or gets closed
   * @throws `signal.reason` when the signal aborted
   */
  async waitForPeers(options?: PeersWaitOptions): Promise<void> {
    this.#network.throwIfClosed()
    await waitForPeers(this.#network, options)
  }

  /**
   * The last events of this process, oldest first: slow turns of its event loop, mistakes of its handlers, refusals of peers that are
   * not in the list, all of guests. Those of a connection are its `recent`.
   */
  get recent(): readonly GridEvent[] {
    return this.#handlers.figures.events.recent
  }

  /**
   * Whether this server is live and ready, and why not, at once: for probes. It is ready when it has a list of hosts, `serveWhen`
   * has resolved, it does not close, and `atLeast` peers are connected: by default 0, or all of `hosts`. It is not live any more when
   * only another process helps: `serveWhen` has rejected, or this manager is closed.
   *
   * @throws {InvalidOptionError} when an option is wrong: `hosts` is empty, or has a host twice
   */
  health(options?: PeerCount): Health {
    return healthOf(this.#network, this.#grace.isOver, options)
  }

  /** Plain data, cheap to take. */
  stats(): ManagerStats {
    const { local, instance, keepAliveMs, handlers, establisher, peers, guests, loopback } = this.#network
    const names = { local, instance, startedAt: this.#startedAt, keepAliveMs }
    return readStats({ ...names, handlers, establisher, peers, guests, loopback })
  }

  /**
   * Refuses new calls at once, tells handlers (`context.draining`), lets running calls end within `timeout`, aborts the others,
   * and closes all conns. Resolves when this is done. It does not wait for handlers whose call is over already. May be called
   * again, and then the shorter time counts. It does not close your HTTP servers.
   */
  close(options?: CloseOptions): Promise<void> {
    const graceMs = parseGraceMs(options)
    this.#network.refuse()
    return this.#grace.end(graceMs, () => this.#network.close(graceMs))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
