/**
 * Servers for specs: HTTP servers on port 0 of 127.0.0.1, managers behind names of the spec's choice, and their logs.
 *
 * Names need not resolve: the dialer of these managers looks the port up. When a spec ends all of it is closed, and the
 * spec fails if a socket is left.
 */

import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { type FaultProxy, faultProxy } from '../../../lib/extras/testing/index.ts'
import type { ConnDialer, ConnectionState, Manager, ManagerOptions, StateChange } from '../../../lib/index.ts'
import { until } from '../until.ts'
import { dialerTo, LogBook, namesInOrder, testManager } from './manager.ts'

/** An HTTP server that can die. */
export class TestServer {
  readonly http: Server
  readonly sockets = new Set<Socket>()
  /** Of all time. */
  accepted = 0
  upgrades = 0

  constructor(http: Server = createServer()) {
    this.http = http
    http.on('connection', (socket: Socket) => {
      this.accepted++
      this.sockets.add(socket)
      socket.once('close', () => this.sockets.delete(socket))
    })
    // A listener would make the server one that others serve, too.
    const emit = http.emit.bind(http)
    http.emit = (event: string, ...args: unknown[]) => {
      if (event === 'upgrade') this.upgrades++
      return emit(event, ...args)
    }
  }

  get port(): number {
    return (this.http.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  async listen(port = 0, host = '127.0.0.1'): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.http.once('error', reject)
      this.http.listen(port, host, resolve)
    })
    return this
  }

  /** Cuts every conn, as a process that is killed does. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy()
  }

  async stop(): Promise<void> {
    if (!this.http.listening) return
    const closed = new Promise((resolve) => this.http.close(resolve))
    this.cut()
    await closed
  }

  /** Stops listening, and resolves when the last conn has gone by itself. */
  async end(): Promise<void> {
    let closed = false
    this.http.close(() => {
      closed = true
    })
    await until(() => closed, 'the HTTP server has no conn left')
  }
}

/** One server of a grid. */
export type Node = ReturnType<Servers['serve']>

/** All that one spec opens. */
export class Servers {
  /** How many of them are open, in one spec or in specs that run at the same time. */
  static #open = 0
  readonly #managers: Manager[] = []
  readonly #servers: TestServer[] = []
  readonly #closers: (() => unknown)[] = []
  /** Where each name is served. */
  readonly urls = new Map<string, string>()
  readonly dialer: ConnDialer = dialerTo((name) => this.urls.get(name))

  constructor(test: TestContext) {
    Servers.#open++
    test.after(() => this.#close())
  }

  async listen(port = 0): Promise<TestServer> {
    return this.watch(await new TestServer().listen(port))
  }

  watch(server: TestServer): TestServer {
    this.#servers.push(server)
    return server
  }

  /** Called when the spec ends. */
  onEnd(close: () => unknown): void {
    this.#closers.push(close)
  }

  manager(options: Partial<ManagerOptions> & Pick<ManagerOptions, 'local' | 'hosts'>): Manager {
    const manager = testManager({ dialer: this.dialer, ...options })
    this.#managers.push(manager)
    return manager
  }

  /** A server under `name`, listening; its manager has not started when this resolves. */
  async node(name: string, hosts: ManagerOptions['hosts'], options: Partial<ManagerOptions> = {}, port = 0) {
    return this.serve(await this.listen(port), name, hosts, options)
  }

  serve(server: TestServer, name: string, hosts: ManagerOptions['hosts'], options: Partial<ManagerOptions> = {}) {
    this.urls.set(name, server.url)
    const log = new LogBook()
    const manager = this.manager({ local: name, hosts, logger: log, ...options })
    manager.attach(server.http)
    /** Cuts its conns and stops listening, as a process that is killed does. */
    const kill = async () => {
      await server.stop()
      await manager.close({ timeout: 1 })
    }
    return { name, manager, server, log, kill }
  }

  /** A proxy before a server: there the others dial it from now on. */
  async proxy({
    name,
    server
  }: {
    readonly name: string
    readonly server: { readonly port: number }
  }): Promise<FaultProxy> {
    const proxy = await faultProxy({ port: server.port })
    this.urls.set(name, proxy.url)
    this.onEnd(() => proxy.close())
    return proxy
  }

  /** Two servers, of which the first dials the second; neither has started when this resolves. */
  async pair(ofDialer: Partial<ManagerOptions> = {}, ofListener: Partial<ManagerOptions> = {}) {
    const hosts = namesInOrder()
    const [a, b] = hosts
    const [atA, atB] = [await this.listen(), await this.listen()]
    const listener = this.serve(atB, b, hosts, ofListener)
    const dialer = this.serve(atA, a, hosts, ofDialer)
    return { dialer, listener, there: dialer.manager.connection(b), back: listener.manager.connection(a) }
  }

  async #close(): Promise<void> {
    for (const close of this.#closers) await close()
    await Promise.all(this.#managers.map((manager) => manager.close({ timeout: 1 })))
    await Promise.all(this.#servers.map((server) => server.stop()))
    assert.deepEqual(
      this.#managers.map((manager) => manager.stats().pendingHandshakes),
      this.#managers.map(() => 0)
    )
    Servers.#open--
    const left = () => process.getActiveResourcesInfo().filter((kind) => /^(TCP|Pipe.*Server)/.test(kind))
    // Those that are open beside it look when they close.
    await until(() => Servers.#open > 0 || left().length === 0, `nothing is left, but there is ${left().join(', ')}`)
  }
}

/** Keeps the states that a connection enters from now on. */
export function statesOf(connection: { on(event: 'state', listener: (change: StateChange) => void): unknown }) {
  const states: ConnectionState[] = []
  connection.on('state', ({ state }) => states.push(state))
  return states
}

/** What a promise rejects with. */
export async function rejection(promise: PromiseLike<unknown>): Promise<Error & Record<string, unknown>> {
  try {
    await promise
  } catch (error) {
    return error as Error & Record<string, unknown>
  }
  return assert.fail('it did not reject')
}
