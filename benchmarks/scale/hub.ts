/** A manager in this process whose connections all go to another process; see `leaves.ts`. */

import { createServer } from 'node:http'
import type { ConnDialer, Manager } from '../../lib/index.ts'
import { CommandedProcess } from '../harness/commands.ts'
import { auth, grid, listen, logger } from './grid.ts'
import type { LeafCommands } from './leaves.ts'

export type Role = 'accepting' | 'dialing'

export class Hub {
  readonly leaves: CommandedProcess<LeafCommands>
  readonly manager: Manager
  readonly #name: string
  readonly #role: Role
  readonly #urls: Map<string, string>
  readonly #setHosts: (hosts: readonly string[]) => void

  static async start(role: Role): Promise<Hub> {
    const server = createServer()
    return new Hub(role, await listen(server), server)
  }

  private constructor(role: Role, address: string, server: ReturnType<typeof createServer>) {
    this.#name = address
    this.#role = role
    const urls = new Map<string, string>()
    this.#urls = urls
    const dialer: ConnDialer = (name, options) => grid.connectWS()(urls.get(name) ?? name, options)
    const { lists, push } = hostLists()
    this.#setHosts = push
    this.manager = new grid.Manager({ local: address, hosts: lists, auth, logger, dialer })
    this.manager.handle('echo', (payload) => payload)
    this.manager.attach(server)
    this.leaves = new CommandedProcess<LeafCommands>(new URL('./leaves.ts', import.meta.url))
    server.unref()
  }

  /** Adds `count` leaves; resolves when all are connected. */
  async grow(count: number): Promise<void> {
    const hubUrl = this.#role === 'accepting' ? this.#name : undefined
    const added = await this.leaves.ask('grow', { hub: this.#name, hubUrl, count })
    for (const { name, url } of added) this.#urls.set(name, url ?? '')
    this.#setHosts([...this.#urls.keys()])
    await this.leaves.ask('connected')
    await Promise.all(this.manager.connections.map((connection) => connection.waitForConnect()))
  }

  async close(): Promise<void> {
    await this.manager.close({ timeout: 100 })
    await this.leaves.stop()
  }
}

/** Lists of hosts as a manager follows them, given one after the other. */
function hostLists(): { lists: AsyncIterable<readonly string[]>; push: (hosts: readonly string[]) => void } {
  const waiting: (readonly string[])[] = []
  let wake = () => {}
  async function* lists() {
    for (;;) {
      const hosts = waiting.shift()
      if (hosts !== undefined) yield hosts
      else
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
  }
  const push = (hosts: readonly string[]) => {
    waiting.push(hosts)
    wake()
  }
  return { lists: lists(), push }
}
