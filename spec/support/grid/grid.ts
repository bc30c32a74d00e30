/**
 * A grid of n managers on real HTTP servers on loopback, which can be stopped, restarted and cut; and the end of it:
 * closed, with nothing left.
 */

import type { Manager, ManagerOptions } from '../../../lib/index.ts'
import { testManager } from './manager.ts'
import { assertIdle, closeManagers } from './nothing-left.ts'
import { TestServer } from './servers.ts'

export interface GridOptions extends Partial<Omit<ManagerOptions, 'local' | 'hosts'>> {
  /** Wait until every pair is connected. Default true. */
  readonly connect?: boolean
  /** Registers the handlers of a manager that starts. */
  readonly serve?: (manager: Manager, index: number) => void
}

export class TestGrid implements AsyncDisposable {
  readonly managers: Manager[] = []
  /** The canonical names, in the order of `managers`. */
  readonly hosts: readonly string[]
  readonly #servers: readonly TestServer[]
  readonly #options: GridOptions
  readonly #stopped = new Set<Manager>()

  private constructor(servers: readonly TestServer[], options: GridOptions) {
    this.#servers = servers
    this.#options = options
    this.hosts = servers.map(({ url }) => url)
    for (const index of servers.keys()) this.#start(index)
  }

  static async open(size: number, options: GridOptions = {}): Promise<TestGrid> {
    const servers = await Promise.all(Array.from({ length: size }, () => new TestServer().listen()))
    const grid = new TestGrid(servers, options)
    if (options.connect !== false) await grid.connected()
    return grid
  }

  get running(): Manager[] {
    return this.managers.filter((manager) => !this.#stopped.has(manager))
  }

  /** Manager number `index`. */
  at(index: number): Manager {
    return this.managers[index] as Manager
  }

  /** Resolves when every manager that runs is connected to every other one. */
  async connected(): Promise<void> {
    const names = new Set(this.running.map(({ local }) => local))
    const connections = this.running.flatMap((manager) => manager.connections).filter(({ host }) => names.has(host))
    await Promise.all(connections.map((connection) => connection.waitForConnect()))
  }

  async stop(index: number): Promise<void> {
    this.#stopped.add(this.at(index))
    await this.at(index).close({ timeout: 1 })
  }

  /** A new process, as far as others can tell: another instance. */
  async restart(index: number): Promise<void> {
    await this.stop(index)
    this.#start(index)
    await this.connected()
  }

  /** Cuts all conns. */
  cut(): void {
    for (const server of this.#servers) server.cut()
  }

  /** Asserts that no stream and no handler is left, and closes everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await assertIdle(this.running)
      await closeManagers(this.managers)
    } finally {
      await Promise.all(this.managers.map((manager) => manager.close({ timeout: 1 })))
      await Promise.all(this.#servers.map((server) => server.end()))
    }
  }

  #start(index: number): void {
    const { connect: _, serve, ...options } = this.#options
    const manager = testManager({ ...options, local: this.hosts[index] as string, hosts: this.hosts })
    serve?.(manager, index)
    manager.attach((this.#servers[index] as TestServer).http)
    this.managers[index] = manager
  }
}
