/**
 * A session of every kind of call over a real WebSocket, reset after any number of bytes; and what must be so then.
 *
 * Both ends call each other at once, and at last one of them goes away under running calls. Used by `cut-everywhere`,
 * as a spec and as a long run.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { type Pushable, pushable } from 'it-pushable'
import type { ConnDialer, Connection, Manager } from '../../../lib/index.ts'
import { paced } from '../clock/pace.ts'
import { dialerTo, namesInOrder, testManager } from '../grid/manager.ts'
import { assertIdle } from '../grid/nothing-left.ts'
import { TestServer } from '../grid/servers.ts'
import { type Direction, FaultProxy } from '../network/fault-proxy.ts'
import { until } from '../until.ts'
import { Book, Caller } from './book.ts'
import { serveCalls } from './call.ts'

export interface Cut {
  readonly direction: Direction
  /** Bytes of the session that pass in this direction before the reset. */
  readonly afterBytes: number
}

/** Bytes that had passed in each direction. */
type Passed = Readonly<Record<Direction, number>>

/** One session that nobody cut. */
export interface Measure {
  readonly shaken: Passed
  /** The message in fragments is under way from here ... */
  readonly bulkFrom: Passed
  /** ... to here. */
  readonly bulkTo: Passed
  readonly all: Passed
  readonly framesOut: Passed
}

interface End {
  readonly manager: Manager
  readonly hosts: Pushable<readonly string[]>
  readonly remote: string
}

const reconnect = { firstDelayMs: 1, baseDelayMs: 1, maxDelayMs: 1, stableAfterMs: 1 }
const hangsMs = 20_000

export class CutSession {
  readonly #server: TestServer
  readonly #proxy: FaultProxy
  readonly #dialer: End
  readonly #listener: End
  #book = new Book()

  private constructor(server: TestServer, proxy: FaultProxy) {
    const [dialerName, listenerName] = namesInOrder()
    const dial = dialerTo(() => proxy.url)
    this.#server = server
    this.#proxy = proxy
    this.#dialer = this.#end(dialerName, listenerName, dial)
    this.#listener = this.#end(listenerName, dialerName, dial)
    this.#listener.manager.attach(server.http)
  }

  static async start(): Promise<CutSession> {
    const server = await new TestServer().listen()
    return new CutSession(server, await FaultProxy.start(server.port))
  }

  /** Runs one session to its end, with nobody cutting. */
  async measure(leaver: Direction): Promise<Measure> {
    const start = this.#passed()
    const since = (): Passed => {
      const now = this.#passed()
      return { toDialer: now.toDialer - start.toDialer, toListener: now.toListener - start.toListener }
    }
    const marks: Passed[] = []
    const framesOut = await this.#session(
      leaver,
      () => false,
      () => marks.push(since())
    )
    const [shaken, bulkFrom, bulkTo, all] = marks as [Passed, Passed, Passed, Passed]
    return { shaken, bulkFrom, bulkTo, all, framesOut }
  }

  /**
   * Runs one session that is reset amid; the end whose bytes are cut is the one that goes away.
   *
   * @throws when anything is not as it must be, naming the cut
   */
  async cut({ direction, afterBytes }: Cut): Promise<void> {
    let isCut = false
    this.#proxy.resetAfter(afterBytes, direction).then(() => {
      isCut = true
    })
    const isOver = new AbortController()
    try {
      await Promise.race([this.#session(direction, () => isCut), this.#tooLate(isOver.signal)])
    } catch (cause) {
      throw new Error(`cut after ${afterBytes} bytes ${direction}: ${(cause as Error).message}`, { cause })
    } finally {
      isOver.abort()
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#dialer, this.#listener].map(({ manager }) => manager.close({ timeout: 1 })))
    await this.#proxy.close()
    await this.#server.stop()
  }

  /** Rejects when it takes so long that something must hang. */
  async #tooLate(signal: AbortSignal): Promise<void> {
    const hangs = await delay(paced(hangsMs), true, { signal }).catch(() => false)
    if (hangs) throw new Error(`it hangs, ${this.#book.settled} of ${this.#book.started} calls have settled`)
  }

  /** A session from its dial to its go-away, as far as it gets; then another one that works. Returns the frames sent. */
  async #session(leaver: Direction, isCut: () => boolean, mark = () => {}): Promise<Passed> {
    const book = new Book()
    this.#book = book
    const [there, back] = await this.#join()
    const callers = [new Caller(book, there, 'dialer'), new Caller(book, back, 'listener')]
    const connected = Promise.all([there.waitForConnect(), back.waitForConnect()]).then(mark)
    await Promise.all([connected, ...callers.map((caller) => caller.small())])
    mark()
    if (!isCut()) await Promise.all(callers.map((caller) => caller.large()))
    mark()
    if (!isCut()) await this.#farewell(callers, leaver)
    mark()
    const totals = [there, back].map((connection) => connection.stats().totals)
    this.#proxy.heal()
    await this.#recover(book)
    const wrongs = book.verdict()
    if (wrongs.length > 0) throw new Error(wrongs.join('; '))
    return { toListener: totals[0]?.framesOut ?? 0, toDialer: totals[1]?.framesOut ?? 0 }
  }

  /** One end goes away while calls run both ways; they end, and then the conn. */
  async #farewell(callers: readonly Caller[], direction: Direction): Promise<void> {
    const [leaver, stayer] =
      direction === 'toListener' ? [this.#dialer, this.#listener] : [this.#listener, this.#dialer]
    const late = Promise.all(callers.map((caller) => caller.late()))
    await until(() => callers.every((caller) => caller.isLate), 'the late calls run')
    const leaving = leaver.manager.connection(leaver.remote)
    const staying = stayer.manager.connection(stayer.remote)
    leaver.hosts.push([leaver.manager.local])
    await until(() => staying.state !== 'connected', 'the other end is told')
    this.#book.gate.open()
    await late
    await until(() => leaving.stats().session === undefined, 'the session has ended')
  }

  /** The pair connects again if it must, answers calls both ways, holds nothing, and parts. */
  async #recover(book: Book): Promise<void> {
    book.gate.open()
    const ends = await this.#join()
    await Promise.all(ends.map((connection) => connection.waitForConnect()))
    await Promise.all(ends.map((connection) => connection.request('again', Uint8Array.of(1))))
    await assertIdle([this.#dialer.manager, this.#listener.manager])
    await until(() => book.running === 0, 'no handler runs')
    for (const { hosts, manager } of [this.#dialer, this.#listener]) hosts.push([manager.local])
    await until(() => this.#proxy.size === 0 && this.#server.sockets.size === 0, 'no conn is left')
    await until(() => this.#listener.manager.stats().pendingHandshakes === 0, 'no handshake is left')
  }

  /** Both know each other; the listener first, so that it refuses nobody. */
  async #join(): Promise<[there: Connection, back: Connection]> {
    for (const { hosts, manager, remote } of [this.#listener, this.#dialer]) {
      hosts.push([manager.local, remote])
      await until(() => manager.hosts.includes(remote), 'the host is known')
    }
    return [
      this.#dialer.manager.connection(this.#dialer.remote),
      this.#listener.manager.connection(this.#listener.remote)
    ]
  }

  #passed(): Passed {
    return { toDialer: this.#proxy.passed('toDialer'), toListener: this.#proxy.passed('toListener') }
  }

  #end(local: string, remote: string, dialer: ConnDialer): End {
    const hosts = pushable<readonly string[]>({ objectMode: true })
    const manager = testManager({ local, hosts, dialer, reconnect })
    serveCalls(manager, () => this.#book)
    manager.handle('again', (payload) => payload)
    return { manager, hosts, remote }
  }
}

/** How many bytes to go on to the next cut. */
export interface Strides {
  readonly handshake: number
  /** Small frames, before the bulk and behind it. */
  readonly frames: number
  /** The message in fragments, and what is stopped meanwhile. */
  readonly bulk: number
}

/** Where to cut a session like the one that was measured. */
export function cutsOf({ shaken, bulkFrom, bulkTo, all }: Measure, direction: Direction, strides: Strides): Cut[] {
  const [framesFrom, bulk, bulkEnd, end] = [shaken, bulkFrom, bulkTo, all].map((passed) => passed[direction])
  return [
    ...range(0, framesFrom, strides.handshake),
    ...range(framesFrom, bulk, strides.frames),
    ...range(bulk, bulkEnd, strides.bulk),
    ...range(bulkEnd, end, strides.frames)
  ].map((afterBytes) => ({ direction, afterBytes }))
}

function range(from = 0, to = 0, stride = 1): number[] {
  return Array.from({ length: Math.ceil((to - from) / stride) }, (_, index) => from + index * stride)
}
