/** Servers of a grid in virtual time: the managers are real, the conns are in memory, and the network has no delays. */

import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { virtualTime } from '../../../lib/extras/testing/index.ts'
import { type ConnDialer, DialError, insecure, Manager, type ManagerOptions, silentLogger } from '../../../lib/index.ts'
import { randomFrom, seed } from '../random.ts'
import { LeanConn } from './lean-conn.ts'

/** A thousand peers may start in one moment; pings would only take time. */
const options = {
  ...{ limits: { maxPendingHandshakes: 1000 }, keepAlive: { intervalMs: 600_000 } },
  ...{ auth: insecure(), logger: silentLogger }
}
const handshakeTurns = 12

/** Servers that can be started and stopped, on a network that has no delays. */
export class World implements AsyncDisposable {
  readonly clock = virtualTime(randomFrom(seed))
  readonly servers = new Map<string, Manager>()
  /** Says of two servers that nothing gets from one to the other. */
  #isParted = (_one: string, _other: string): boolean => false
  /** The last conn of each server to each that it has dialed. */
  readonly #open = new Map<string, Map<string, LeanConn>>()
  readonly #arrivals = new Map<string, number[]>()

  readonly #options: Partial<ManagerOptions>

  /** @param given of all servers, beside the usual ones */
  constructor(given: Partial<ManagerOptions> = {}) {
    this.#options = given
  }

  start(local: string, hosts: ManagerOptions['hosts'], dialer = this.dialerFrom(local)): Manager {
    const manager = new Manager({ ...options, ...this.#options, local, hosts, dialer })
    this.servers.set(local, manager)
    return manager
  }

  /** As a process that is killed: its conns are lost at once. */
  async kill(local: string): Promise<void> {
    const manager = this.servers.get(local)
    this.servers.delete(local)
    await manager?.close({ timeout: 0 })
  }

  /** All conns of the server are lost, and there are no others until `heal()`. */
  cut(name: string): void {
    this.part((one, other) => one === name || other === name)
  }

  /** The conns of all pairs that are parted are lost, and there are no others between them until `heal()`. */
  part(isParted: (one: string, other: string) => boolean): void {
    this.#isParted = isParted
    for (const [local, conns] of this.#open) {
      for (const [name, conn] of conns) {
        if (!isParted(local, name)) continue
        conns.delete(name)
        conn.abort(new Error('the network is away'))
      }
    }
  }

  heal(): void {
    this.#isParted = () => false
  }

  dialerFrom(local: string): ConnDialer {
    const conns = new Map<string, LeanConn>()
    this.#open.set(local, conns)
    return async (name) => {
      const manager = this.servers.get(name)
      if (manager === undefined || this.#isParted(local, name)) throw new DialError(`no way to ${name}`)
      const arrivals = this.#arrivals.get(name) ?? []
      this.#arrivals.set(name, arrivals)
      arrivals.push(this.clock.nowMs)
      const [mine, theirs] = LeanConn.pair()
      conns.set(name, mine)
      manager.incomingConn(theirs)
      return mine
    }
  }

  /** Each handshake is over before time moves on. What is due in the same moment fires in one turn, as in Node. */
  async run(forMs: number, isDone: () => boolean = () => false): Promise<void> {
    const untilMs = this.clock.nowMs + forMs
    do for (let n = 0; n < handshakeTurns; n++) await turn()
    while (!isDone() && this.#fireAll(untilMs))
  }

  #fireAll(untilMs: number): boolean {
    const hasFired = this.clock.fireNext(untilMs)
    if (hasFired) while (this.clock.fireNext(this.clock.nowMs));
    return hasFired
  }

  /** Runs until all connections of `managers` are there; returns how long it took, or fails. */
  async untilWhole(managers: readonly Manager[], forMs = 20_000): Promise<number> {
    const fromMs = this.clock.nowMs
    const connections = managers.flatMap((manager) => manager.connections)
    let missing = connections
    const isWhole = () => {
      missing = missing.filter(({ state }) => state !== 'connected')
      return missing.length === 0
    }
    await this.run(forMs, isWhole)
    await this.run(0)
    assert.ok(
      connections.every(({ state }) => state === 'connected'),
      `whole within ${forMs} ms`
    )
    return this.clock.nowMs - fromMs
  }

  /** When conns arrived at a server, since `fromMs`. */
  arrivals(name: string, fromMs = 0): number[] {
    return (this.#arrivals.get(name) ?? []).filter((atMs) => atMs >= fromMs)
  }

  /** The most conns that arrived at a server within 100 ms, since `fromMs`. */
  busiest(name: string, fromMs: number): number {
    const counts = new Map<number, number>()
    for (const atMs of this.arrivals(name, fromMs)) {
      const slot = Math.floor(atMs / 100)
      counts.set(slot, (counts.get(slot) ?? 0) + 1)
    }
    return Math.max(0, ...counts.values())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = Promise.all([...this.servers.values()].map((manager) => manager.close({ timeout: 0 })))
    let isClosed = false
    closed.then(() => {
      isClosed = true
    })
    await this.run(60_000, () => isClosed)
    this.clock[Symbol.dispose]()
  }
}
