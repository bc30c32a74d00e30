/** A manager in this process whose connections all go to another process; see `leaves.ts`. */

import { createServer } from 'node:http'
import { type Pushable, pushable } from 'it-pushable'
import type { Manager } from '../../lib/index.ts'
import { Child } from '../harness/commands.ts'
import { listen } from '../harness/http.ts'
import { dialerBy, grid, options } from './grid.ts'
import type { LeafCommands } from './leaves.ts'

export type Role = 'accepting' | 'dialing'

export class Hub {
  readonly leaves = new Child<LeafCommands>(new URL('./leaves.ts', import.meta.url))
  readonly manager: Manager
  readonly #role: Role
  readonly #urls = new Map<string, string>()
  readonly #hosts: Pushable<readonly string[]> = pushable({ objectMode: true })

  static async start(role: Role): Promise<Hub> {
    const server = createServer()
    return new Hub(role, await listen(server), server)
  }

  private constructor(role: Role, local: string, server: ReturnType<typeof createServer>) {
    this.#role = role
    const dialer = dialerBy((name) => this.#urls.get(name) ?? name)
    this.manager = new grid.Manager({ ...options, local, hosts: this.#hosts, dialer })
    this.manager.handle('echo', (payload) => payload)
    this.manager.attach(server)
    server.unref()
  }

  /** Adds `count` leaves; resolves when all are connected. */
  async grow(count: number): Promise<void> {
    const hub = this.manager.local
    const hubUrl = this.#role === 'accepting' ? hub : undefined
    for (const { name, url } of await this.leaves.ask('grow', { hub, hubUrl, count })) this.#urls.set(name, url ?? '')
    this.#hosts.push([...this.#urls.keys()])
    await this.leaves.ask('connected')
    await Promise.all(this.manager.connections.map((connection) => connection.waitForConnect()))
  }

  async close(): Promise<void> {
    await this.manager.close({ timeout: 100 })
    await this.leaves.stop()
  }
}
