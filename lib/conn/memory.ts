/**
 * Conns inside one process: for specs, and for peers in the same process.
 *
 * Each message is copied, each direction holds a bounded number of them, and they are never delivered in the sender's turn:
 * code that works here does not depend on shared memory. A direction can be held, stalled and delayed, for exact schedules.
 */

import { setImmediate } from 'node:timers'
import { soon } from '../base/promise.ts'
import { aBoolean, aWholeNumber, type Own, optionsReader } from '../errors/check.ts'
import { DisconnectedError } from '../errors/errors.ts'
import { maxLimit } from '../errors/options.ts'
import { CarrierConn } from './carrier.ts'
import type { Conn } from './conn.ts'

export interface MemoryPairOptions {
  /** Messages that one direction holds before its sender waits. Default 16. */
  capacity?: number
  /** `secure` of both conns. Default true. */
  secure?: boolean
  /** Keeps a copy of each sent message in `link.sent`. Default false. */
  log?: boolean
  /** Lets timers and sockets run before each delivery, as on a real network. Default false. */
  yields?: boolean
}

/** The direction from this conn to the other one. */
export interface MemoryLink {
  /** Delivers nothing any more: no message, no close, no abort. The sender is not told. */
  hold(): void
  /** Delivers no message any more, as when the other end reads nothing; but it is told that the conn is lost. */
  stall(): void
  /** Ends `hold` and `stall`: delivers what was held, and all that follows. */
  release(): void
  /**
   * Each message sent from now on arrives so many ms later, as do the end and the loss of the conn; in order. `delayMs` is
   * called for each. Those that are under way keep their time. Undefined ends it.
   */
  delay(delayMs: (() => number) | undefined): void
  /** No more is sent: this end has closed, or the conn is lost. */
  readonly ended: boolean
  /** Messages delivered to the other conn. */
  readonly delivered: number
  /** Messages sent and not delivered yet. */
  readonly inFlight: number
  /** All messages sent so far, with the option `log`. */
  readonly sent: readonly Uint8Array[]
}

export interface MemoryConn extends Conn {
  readonly link: MemoryLink
}

const readOptions = optionsReader<MemoryPairOptions>('memoryPair()', {
  capacity: aWholeNumber(1, maxLimit, '2^31-1'),
  secure: aBoolean,
  log: aBoolean,
  yields: aBoolean
})

/**
 * Two conns, each of which is the remote end of the other.
 *
 * @throws {InvalidOptionError} naming the option that is wrong
 */
export function memoryPair(given?: MemoryPairOptions): [MemoryConn, MemoryConn] {
  const options = readOptions(given)
  const aToB = new Link(options)
  const bToA = new Link(options)
  const a = createMemoryConn('memory:b', aToB, bToA, options)
  const b = createMemoryConn('memory:a', bToA, aToB, options)
  return [a, b]
}

function createMemoryConn(
  remoteAddress: string,
  outgoing: Link,
  incoming: Link,
  options: Own<MemoryPairOptions>
): MemoryConn {
  const capacity = options.capacity ?? 16
  let said = false
  let heard = false
  const carrierOptions = {
    secure: options.secure ?? true,
    remoteAddress,
    // One unread message pauses the link, so that only `capacity` limits how much waits.
    highWaterMarkBytes: 0,
    unsentLimit: 0
  }
  const conn = new CarrierConn(carrierOptions, {
    write: (message) => outgoing.send(message),
    // The sender waits from the message that fills the link.
    unsent: () => Math.max(0, outgoing.inFlight - capacity + 1),
    pause: () => incoming.pause(),
    resume: () => incoming.resume(),
    close() {
      if (said) return
      said = true
      outgoing.close()
      if (heard) conn.closed()
    },
    abort() {
      outgoing.abort()
      conn.closed()
    }
  })
  outgoing.onDrained = () => conn.drained()
  incoming.onMessage = (message) => conn.received(message)
  incoming.onClose = () => {
    heard = true
    conn.remoteClosed()
    if (said) conn.closed()
  }
  incoming.onAbort = () => {
    conn.lost(new DisconnectedError('lost', 'connection lost'))
    outgoing.abort()
    conn.closed()
  }
  return Object.assign(conn, { link: outgoing })
}

/**
 * In the next turn of the event loop, also while fake timers stand still. Where they are moved it may be in their next turn, so that no
 * timer of theirs fires before it.
 */
function nextTurn(run: () => void): void {
  if (globalThis.setImmediate === setImmediate) return void setImmediate(run)
  let hasRun = false
  const once = (): void => {
    if (hasRun) return
    hasRun = true
    run()
  }
  setImmediate(once)
  // Missing in the DOM of jest.
  globalThis.setImmediate?.(once)
}

type Parcel = Uint8Array | 'close' | 'abort'

class Link implements MemoryLink {
  readonly sent: Uint8Array[] = []
  delivered = 0
  onMessage: ((message: Uint8Array) => void) | undefined
  onClose: (() => void) | undefined
  onAbort: (() => void) | undefined
  onDrained: (() => void) | undefined
  readonly #log: boolean
  readonly #later: (run: () => void) => void
  #parcels: Parcel[] = []
  #closed = false
  #aborted = false
  #held = false
  #stalled = false
  #paused = false
  #scheduled = false
  #delayMs: (() => number) | undefined
  /** When each parcel arrives, of `performance.now()`; undefined until there is a delay. */
  #dueMs: number[] | undefined
  #timer: NodeJS.Timeout | undefined

  constructor({ log = false, yields = false }: Own<MemoryPairOptions>) {
    this.#log = log
    this.#later = yields ? nextTurn : soon
  }

  get inFlight(): number {
    return this.#parcels.length
  }

  get ended(): boolean {
    return this.#closed
  }

  send(message: Uint8Array): boolean {
    if (this.#closed) return false
    const copy = new Uint8Array(message)
    if (this.#log) this.sent.push(new Uint8Array(message))
    this.#put(copy)
    return true
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#put('close')
  }

  /** What is in flight is lost, as when a socket is destroyed. */
  abort(): void {
    if (this.#aborted) return
    this.#closed = true
    this.#aborted = true
    this.#parcels = []
    if (this.#dueMs !== undefined) this.#dueMs = []
    clearTimeout(this.#timer)
    this.#put('abort')
  }

  hold(): void {
    this.#held = true
  }

  stall(): void {
    this.#stalled = true
  }

  release(): void {
    this.#held = false
    this.#stalled = false
    this.#schedule()
  }

  delay(delayMs: (() => number) | undefined): void {
    this.#delayMs = delayMs
    if (delayMs !== undefined) this.#dueMs ??= this.#parcels.map(() => 0)
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#schedule()
  }

  #put(parcel: Parcel): void {
    this.#parcels.push(parcel)
    // What is not late goes by no clock: that may be another one by then.
    this.#dueMs?.push(this.#delayMs === undefined ? 0 : performance.now() + this.#delayMs())
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#later(() => {
      this.#scheduled = false
      this.#deliver()
    })
  }

  #deliver(): void {
    for (let parcel = this.#next(); parcel !== undefined; parcel = this.#next()) {
      this.#parcels.shift()
      this.#dueMs?.shift()
      if (parcel === 'abort') this.onAbort?.()
      else if (parcel === 'close') this.onClose?.()
      else {
        this.delivered += 1
        this.onMessage?.(parcel)
      }
    }
    this.onDrained?.()
  }

  /** What can be delivered now. */
  #next(): Parcel | undefined {
    const parcel = this.#parcels[0]
    if (parcel === undefined || this.#held) return undefined
    const leftMs = this.#dueMs === undefined ? 0 : (this.#dueMs[0] ?? 0) - performance.now()
    if (leftMs > 0) return this.#waitFor(leftMs)
    const isMessage = typeof parcel !== 'string'
    if (parcel !== 'abort' && (this.#stalled || (this.#paused && isMessage))) return undefined
    return parcel
  }

  #waitFor(leftMs: number): undefined {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#deliver(), Math.ceil(leftMs))
  }
}
