/**
 * `testGrid`: servers of a grid in one process, over memory, with faults that a test chooses.
 *
 * All is as in production but for the sockets: names decide who dials, handshakes prove a secret, values pass the codecs,
 * frames have checksums. What lies between the servers is in `network.ts`, what they have open in `ledger.ts`.
 */

import { AssertionError } from 'node:assert'
import { ClosedError, type Connection, Manager } from '../../index.ts'
import { Ledger } from './ledger.ts'
import { Links } from './links.ts'
import { TestNetwork } from './network.ts'
import {
  checkIndexes,
  checkOptions,
  setByDefault,
  type TestGridOptions,
  toDelay,
  toGroups,
  toHosts
} from './options.ts'
import { newSeed, randomFrom } from './random.ts'
import { advanceBy, until } from './waiting.ts'

/** Of the servers of all grids that are not closed: their calls are told apart by them. */
const namesInUse = new Set<string>()

/** Faults are named by the index of the server that they act at, and of its peer. `heal` ends all but `cut` and `kill`. */
export class TestGrid {
  readonly seed: number
  readonly #given: TestGridOptions
  readonly #hosts: readonly string[]
  readonly #grids: Manager[] = []
  /** Indexes of servers that were killed, or are between two instances. */
  readonly #dead = new Set<number>()
  readonly #network: TestNetwork
  readonly #links: Links
  readonly #ledger = new Ledger()
  readonly #random: () => number
  readonly #ending = new Set<Promise<void>>()
  #closed: Promise<void> | undefined

  /** @internal by `testGrid` */
  constructor(hosts: readonly string[], given: TestGridOptions) {
    this.seed = given.seed ?? newSeed()
    this.#given = given
    this.#hosts = hosts
    for (const host of hosts) namesInUse.add(host)
    this.#random = randomFrom(this.seed)
    this.#network = new TestNetwork(this.#hosts)
    this.#links = new Links(this.#grids, this.#dead, this.#network)
  }

  /** The servers; one that was restarted is a new one at its place. */
  get grids(): readonly Manager[] {
    return this.#grids
  }

  /**
   * The connection of one server to another, or to itself.
   *
   * @throws {InvalidOptionError} when there is no such server
   */
  peer(from: number, to: number): Connection {
    checkIndexes('peer()', this.#hosts.length, from, to)
    return this.#at(from).connection(this.#hosts[to] as string)
  }

  /**
   * Resolves when all living servers are connected to each other.
   *
   * @throws when they are not within 15 s, or 120 s of fake timers: it names who is not, and why
   */
  async ready(): Promise<void> {
    this.#throwIfClosed('ready()')
    await this.#until(
      () => this.#closed !== undefined || this.#links.missing().length === 0,
      () => `not connected: ${this.#links.missing().join('; ')}`
    )
    this.#throwIfClosed('ready()')
  }

  /** The conn between two servers is lost, once; both are told. They connect again by themselves. */
  cut(a: number, b: number): void {
    this.#check('cut()', a, b)
    this.#network.cut(a, b)
  }

  /** From now on nothing gets through from one to the other, and neither is told; that of a dial neither. */
  hold(from: number, to: number): void {
    this.#check('hold()', from, to)
    this.#network.impair(from, to, { isHeld: true })
  }

  /**
   * From now on each message of this direction is late by so much, or by a random time of the range; in order. A sender waits
   * when 16 are under way.
   */
  delay(from: number, to: number, ms: number | readonly [least: number, most: number]): void {
    this.#check('delay()', from, to)
    this.#network.impair(from, to, { delayMs: toDelay(ms, this.#random) })
  }

  /** From now on the server reads nothing of its peer, which has to wait when what lies between is full. */
  stall(at: number, from: number): void {
    this.#check('stall()', at, from)
    this.#network.impair(from, at, { isStalled: true })
  }

  /**
   * From now on nothing gets through between these groups of servers, and nobody is told. Servers that are in none of them are
   * one more group. A second partition takes the place of the first.
   */
  partition(...groups: readonly (readonly number[])[]): void {
    this.#throwIfClosed('partition()')
    const groupOf = toGroups(groups, this.#hosts.length)
    for (const a of this.#hosts.keys()) {
      for (const b of this.#hosts.keys()) {
        if (a !== b) this.#network.impair(a, b, { isParted: groupOf[a] !== groupOf[b] })
      }
    }
  }

  /** Ends `hold`, `delay`, `stall` and `partition`; resolves when all living servers are connected, as `ready` does. */
  async heal(): Promise<void> {
    this.#throwIfClosed('heal()')
    this.#network.heal()
    await this.ready()
  }

  /**
   * The process of a server is gone, as by SIGKILL: its conns are lost, without a goodbye, and nobody answers its peers. What
   * it was doing is not counted by `assertNothingLeft`, though code of its handlers runs on: nobody hears of it.
   *
   * @throws {ClosedError} when it is dead already
   */
  kill(index: number): void {
    this.#check('kill()', index)
    if (this.#dead.has(index))
      throw new ClosedError(`${this.#hosts[index]} is dead already: restart(${index}) starts it`)
    const manager = this.#at(index)
    this.#dead.add(index)
    this.#ledger.forget(manager)
    this.#network.kill(index)
    this.#end(manager)
  }

  /**
   * Starts a server under its old name, as a new instance. One that lives is closed first, with a goodbye. Resolves with it once
   * `setup` has run; `ready` waits until it is connected.
   *
   * @throws {ClosedError} when it is being restarted already
   */
  async restart(index: number): Promise<Manager> {
    this.#check('restart()', index)
    if (this.#restarting.has(index)) throw new ClosedError(`${this.#hosts[index]} is being restarted already`)
    this.#restarting.add(index)
    try {
      if (!this.#dead.has(index)) {
        this.#dead.add(index)
        await this.#wait(this.#end(this.#at(index)), 'close')
        this.#network.leave(index)
      }
      this.#throwIfClosed('restart()')
      return await this.#start(index)
    } finally {
      this.#restarting.delete(index)
    }
  }

  readonly #restarting = new Set<number>()

  /**
   * Moves the fake timers, and lets happen what is due by then.
   *
   * @throws {InvalidOptionError} without the option `advance`, or when it moves no time
   */
  async advance(ms: number): Promise<void> {
    this.#throwIfClosed('advance()')
    await advanceBy(ms, this.#given.advance)
  }

  /**
   * Calls, streams, handlers and listeners: everything that is open is a failure. See `settled`, which waits for what is about
   * to end.
   *
   * @throws {AssertionError} that names each of them, with the line that made it
   */
  assertNothingLeft(): void {
    const message = this.#describeLeft()
    if (message !== '') throw new AssertionError({ message })
  }

  /**
   * Resolves when nothing is left: the last frames of a call may still be under way. Warns of what is left after a second, as a
   * runner may give up before this does.
   *
   * @throws as `assertNothingLeft`, after some 15 s
   */
  async settled(): Promise<void> {
    const left = () => this.#describeLeft()
    await until(() => left() === '', left, this.#given.advance).catch(() => this.assertNothingLeft())
  }

  #describeLeft(): string {
    const left = this.#ledger.describe()
    if (left.length === 0) return ''
    const are = left.length === 1 ? 'something is left' : `${left.length} things are left`
    return `${are} in the test grid (seed ${this.seed}):${left.map((text) => `\n- ${text}`).join('')}`
  }

  /** Closes all servers, at once; what is still open is aborted. It asserts nothing, so it hides no failure. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @internal by `testGrid` */
  async startAll(): Promise<this> {
    try {
      for (const index of this.#hosts.keys()) await this.#start(index)
      return this
    } catch (error) {
      await this.close()
      throw error
    }
  }

  async #start(index: number): Promise<Manager> {
    const { options, setup } = this.#given
    const manager = new Manager({
      ...{ ...setByDefault, ...options },
      ...{ local: this.#hosts[index] as string, hosts: this.#hosts, dialer: this.#network.dialerOf(index) }
    })
    this.#ledger.watch(manager)
    this.#grids[index] = manager
    try {
      await setup?.(manager, index)
    } catch (error) {
      this.#dead.add(index)
      this.#ledger.forget(manager)
      this.#end(manager)
      throw error
    }
    this.#dead.delete(index)
    this.#network.accept(index, (conn) => manager.incomingConn(conn))
    return manager
  }

  #end(manager: Manager): Promise<void> {
    const ended = manager.close({ timeout: 0 }).finally(() => this.#ending.delete(ended))
    this.#ending.add(ended)
    return ended
  }

  async #close(): Promise<void> {
    this.#network.heal()
    for (const manager of this.#grids) this.#end(manager)
    try {
      await this.#wait(Promise.all(this.#ending), 'close')
    } finally {
      // A goodbye may wait behind what is late.
      for (const index of this.#hosts.keys()) this.#network.kill(index)
      this.#ledger[Symbol.dispose]()
      for (const host of this.#hosts) namesInUse.delete(host)
    }
  }

  /** Awaits what may need fake timers to go on. */
  async #wait(work: Promise<unknown>, what: string): Promise<void> {
    let isDone = false
    const done = work.finally(() => {
      isDone = true
    })
    await this.#until(
      () => isDone,
      () => `the servers do not ${what}`
    )
    await done
  }

  async #until(condition: () => boolean, missing: () => string): Promise<void> {
    await until(condition, () => `${missing()} (seed ${this.seed})`, this.#given.advance)
  }

  #at(index: number): Manager {
    return this.#grids[index] as Manager
  }

  #check(what: string, ...indexes: readonly number[]): void {
    this.#throwIfClosed(what)
    checkIndexes(what, this.#hosts.length, ...indexes)
    if (indexes.length > 1 && indexes[0] === indexes[1]) {
      checkIndexes(`${what} between two servers`, this.#hosts.length, `${indexes[0]} twice`)
    }
  }

  #throwIfClosed(what: string): void {
    if (this.#closed !== undefined) throw new ClosedError(`${what}: the test grid is closed`)
  }
}

/**
 * Servers in memory, each connected to all others. Resolves when they are made; `ready` waits until they are connected.
 *
 * @param servers how many, or their names: the names decide who dials
 * @throws {InvalidOptionError} naming the argument or option that is wrong
 */
export async function testGrid(servers: number | readonly string[], options: TestGridOptions = {}): Promise<TestGrid> {
  checkOptions(options)
  return await new TestGrid(toHosts(servers, namesInUse), options).startAll()
}
