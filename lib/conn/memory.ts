/**
 * Conns inside one process: for specs, and for peers in the same process.
 *
 * Each message is copied, each direction holds a bounded number of them, and they are never delivered in the sender's turn:
 * code that works here does not depend on shared memory. A direction can be held, for exact schedules.
 */

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
  /** Delivers what was held, and all that follows. */
  release(): void
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

type Parcel = Uint8Array | 'close'

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
  #paused = false
  #scheduled = false

  constructor({ log = false, yields = false }: Own<MemoryPairOptions>) {
    this.#log = log
    this.#later = yields ? setImmediate : queueMicrotask
  }

  get inFlight(): number {
    return this.#parcels.length
  }

  send(message: Uint8Array): boolean {
    if (this.#closed) return false
    const copy = new Uint8Array(message)
    if (this.#log) this.sent.push(new Uint8Array(message))
    this.#parcels.push(copy)
    this.#schedule()
    return true
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#parcels.push('close')
    this.#schedule()
  }

  /** What is in flight is lost, as when a socket is destroyed. */
  abort(): void {
    if (this.#aborted) return
    this.#closed = true
    this.#aborted = true
    this.#parcels = []
    this.#schedule()
  }

  hold(): void {
    this.#held = true
  }

  release(): void {
    this.#held = false
    this.#schedule()
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
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
    while (!this.#held && this.#parcels.length > 0) {
      const parcel = this.#parcels[0] as Parcel
      if (parcel === 'close') {
        this.#parcels.shift()
        this.onClose?.()
        break
      }
      if (this.#paused) break
      this.#parcels.shift()
      this.delivered += 1
      this.onMessage?.(parcel)
    }
    if (this.#aborted && !this.#held) {
      const { onAbort } = this
      this.onAbort = undefined
      onAbort?.()
    }
    this.onDrained?.()
  }
}
