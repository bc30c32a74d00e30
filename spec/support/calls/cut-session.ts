/**
 * A session of every kind of call over a real WebSocket, reset after any number of bytes; and what must be so then.
 *
 * Both ends call each other at once, and at last one of them goes away under running calls. Used by `cut-everywhere`,
 * as a spec and as a long run.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { pushable } from 'it-pushable'
import { type Direction, faultProxy } from '../../../lib/extras/testing/index.ts'
import type { Connection } from '../../../lib/index.ts'
import { paced } from '../clock/pace.ts'
import { dialerTo, namesInOrder, testManager } from '../grid/manager.ts'
import { assertIdle } from '../grid/nothing-left.ts'
import { TestServer } from '../grid/servers.ts'
import { until } from '../until.ts'
import { Book, type Caller, callerOf } from './book.ts'
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

const reconnect = { firstDelayMs: 1, baseDelayMs: 1, maxDelayMs: 1, stableAfterMs: 1 }
const hangsMs = 20_000

/** Two managers with a proxy between them, which know each other only while a session lasts. */
export async function openCutSession() {
  const server = await new TestServer().listen()
  const proxy = await faultProxy({ port: server.port })
  let book = new Book()
  const newEnd = (local: string, remote: string) => {
    const hosts = pushable<readonly string[]>({ objectMode: true })
    const manager = testManager({ local, hosts, dialer: dialerTo(() => proxy.url), reconnect })
    serveCalls(manager, () => book)
    manager.handle('again', (payload) => payload)
    return { manager, hosts, remote, connection: () => manager.connection(remote) }
  }
  const [dialerName, listenerName] = namesInOrder()
  const [dialer, listener] = [newEnd(dialerName, listenerName), newEnd(listenerName, dialerName)]
  const ends = [dialer, listener]
  listener.manager.attach(server.http)

  const passed = (): Passed => ({ outbound: proxy.passed('outbound'), inbound: proxy.passed('inbound') })

  /** Both know each other; the listener first, so that it refuses nobody. */
  async function join(): Promise<Connection[]> {
    for (const { hosts, manager, remote } of [listener, dialer]) {
      hosts.push([manager.local, remote])
      await until(() => manager.hosts.includes(remote), 'the host is known')
    }
    return ends.map(({ connection }) => connection())
  }

  /** One end goes away while calls run both ways; they end, and then the conn. */
  async function farewell(callers: readonly Caller[], direction: Direction): Promise<void> {
    const [leaver, stayer] = direction === 'inbound' ? [dialer, listener] : [listener, dialer]
    const late = Promise.all(callers.map((caller) => caller.late()))
    await until(() => callers.every((caller) => caller.isLate()), 'the late calls run')
    const [leaving, staying] = [leaver.connection(), stayer.connection()]
    leaver.hosts.push([leaver.manager.local])
    await until(() => staying.state !== 'connected', 'the other end is told')
    book.gate.open()
    await late
    await until(() => leaving.stats().session === undefined, 'the session has ended')
  }

  /** The pair connects again if it must, answers calls both ways, holds nothing, and parts. */
  async function recover(): Promise<void> {
    book.gate.open()
    const connections = await join()
    await Promise.all(connections.map((connection) => connection.waitForConnect()))
    await Promise.all(connections.map((connection) => connection.request('again', Uint8Array.of(1))))
    await assertIdle(ends.map(({ manager }) => manager))
    await until(() => book.running === 0, 'no handler runs')
    for (const { hosts, manager } of ends) hosts.push([manager.local])
    await until(() => proxy.size === 0 && server.sockets.size === 0, 'no conn is left')
    await until(() => listener.manager.stats().pendingHandshakes === 0, 'no handshake is left')
  }

  /** A session from its dial to its go-away, as far as it gets; then another one that works. Returns the frames sent. */
  async function session(leaver: Direction, isCut: () => boolean, mark = () => {}): Promise<Passed> {
    book = new Book()
    const connections = await join()
    const callers = connections.map((connection, at) => callerOf(book, connection, at === 0 ? 'dialer' : 'listener'))
    const connected = Promise.all(connections.map((connection) => connection.waitForConnect())).then(mark)
    await Promise.all([connected, ...callers.map((caller) => caller.small())])
    mark()
    if (!isCut()) await Promise.all(callers.map((caller) => caller.large()))
    mark()
    if (!isCut()) await farewell(callers, leaver)
    mark()
    const [there, back] = connections.map((connection) => connection.stats().totals.framesOut)
    proxy.heal()
    await recover()
    const wrongs = book.verdict()
    if (wrongs.length > 0) throw new Error(wrongs.join('; '))
    return { inbound: there ?? 0, outbound: back ?? 0 }
  }

  return {
    /** Runs one session to its end, with nobody cutting. */
    async measure(leaver: Direction): Promise<Measure> {
      const start = passed()
      const marks: Passed[] = []
      const mark = () => {
        const now = passed()
        marks.push({ outbound: now.outbound - start.outbound, inbound: now.inbound - start.inbound })
      }
      const framesOut = await session(leaver, () => false, mark)
      const [shaken, bulkFrom, bulkTo, all] = marks as [Passed, Passed, Passed, Passed]
      return { shaken, bulkFrom, bulkTo, all, framesOut }
    },

    /**
     * Runs one session that is reset amid; the end whose bytes are cut is the one that goes away.
     *
     * @throws when anything is not as it must be, naming the cut
     */
    async cut({ direction, afterBytes }: Cut): Promise<void> {
      let isCut = false
      proxy.resetAfter(afterBytes, direction).then(() => {
        isCut = true
      })
      const over = new AbortController()
      // So long that something must hang.
      const tooLate = delay(paced(hangsMs), undefined, { signal: over.signal }).then(() => {
        throw new Error(`it hangs, ${book.settled} of ${book.started} calls have settled`)
      })
      try {
        await Promise.race([session(direction, () => isCut), tooLate])
      } catch (cause) {
        throw new Error(`cut after ${afterBytes} bytes ${direction}: ${(cause as Error).message}`, { cause })
      } finally {
        tooLate.catch(() => undefined)
        over.abort()
      }
    },

    async close(): Promise<void> {
      await Promise.all(ends.map(({ manager }) => manager.close({ timeout: 1 })))
      await proxy.close()
      await server.stop()
    }
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
