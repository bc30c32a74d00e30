/**
 * Conns inside one process: for specs, and for peers that share one.
 *
 * Each message is copied, each direction holds a bounded number of them, and delivery is never in the turn of the
 * sender: what works here does not rest on sharing memory. A direction can be held, for exact schedules.
 */

import { DisconnectedError } from '../base/errors.ts'
import { CarrierConn } from './carrier.ts'
import type { Conn } from './conn.ts'

export interface MemoryPairOptions {
  /** Messages one direction holds until its sender waits. Default 16. */
  capacity?: number
  /** What `secure` of both conns says. Default true. */
  secure?: boolean
  /** Keep a copy of every message that was sent in `link.sent`. Default false. */
  log?: boolean
  /** Timers and sockets get their turn before each delivery, as with a real network. Default false. */
  yields?: boolean
}

/** The direction from the conn that has it to the other one. */
export interface MemoryLink {
  /** Nothing gets through any more: no message, no close, no abort. The sender is told nothing. */
  hold(): void
  /** What was held goes on its way. */
  release(): void
  /** Messages handed to the other conn. */
  readonly delivered: number
  /** Messages sent and not yet handed over. */
  readonly inFlight: number
  /** All messages ever sent, when `log` was asked for. */
  readonly sent: readonly Uint8Array[]
}

export interface MemoryConn extends Conn {
  readonly link: MemoryLink
}

/** Two conns, each of which is the remote end of the other. */
export function memoryPair(options: MemoryPairOptions = {}): [MemoryConn, MemoryConn] {
  const aToB = new Link(options)
  const bToA = new Link(options)
  const a = memoryConn('memory:b', aToB, bToA, options)
  const b = memoryConn('memory:a', bToA, aToB, options)
  return [a, b]
}

function memoryConn(remoteAddress: string, outgoing: Link, incoming: Link, options: MemoryPairOptions): MemoryConn {
  const capacity = options.capacity ?? 16
  let said = false
  let heard = false
  const carrierOptions = {
    secure: options.secure ?? true,
    remoteAddress,
    // One unread message pauses the link, so that `capacity` alone says how much waits.
    highWaterMarkBytes: 0,
    unsentLimit: 0
  }
  const conn = new CarrierConn(carrierOptions, {
    write: (message) => outgoing.send(message),
    // What fits in is the network's; the sender waits from the message on that fills it.
    unsent: () => Math.max(0, outgoing.inFlight - capacity + 1),
    pause: () => incoming.pause(),
    resume: () => incoming.resume(),
    finish() {
      if (said) return
      said = true
      outgoing.goodbye()
      if (heard) conn.closed()
    },
    destroy() {
      outgoing.cut()
      conn.closed()
    }
  })
  outgoing.onDrained = () => conn.drained()
  incoming.onMessage = (message) => conn.received(message)
  incoming.onGoodbye = () => {
    heard = true
    conn.remoteClosed()
    if (said) conn.closed()
  }
  incoming.onCut = () => {
    conn.lost(new DisconnectedError('lost', 'connection lost'))
    outgoing.cut()
    conn.closed()
  }
  return Object.assign(conn, { link: outgoing })
}

type Parcel = Uint8Array | 'goodbye'

class Link implements MemoryLink {
  readonly sent: Uint8Array[] = []
  delivered = 0
  onMessage: ((message: Uint8Array) => void) | undefined
  onGoodbye: (() => void) | undefined
  onCut: (() => void) | undefined
  onDrained: (() => void) | undefined
  readonly #log: boolean
  readonly #later: (run: () => void) => void
  #parcels: Parcel[] = []
  #over = false
  #cut = false
  #held = false
  #paused = false
  #scheduled = false

  constructor({ log = false, yields = false }: MemoryPairOptions) {
    this.#log = log
    this.#later = yields ? setImmediate : queueMicrotask
  }

  get inFlight(): number {
    return this.#parcels.length
  }

  send(message: Uint8Array): boolean {
    if (this.#over) return false
    const copy = new Uint8Array(message)
    if (this.#log) this.sent.push(new Uint8Array(message))
    this.#parcels.push(copy)
    this.#schedule()
    return true
  }

  goodbye(): void {
    if (this.#over) return
    this.#over = true
    this.#parcels.push('goodbye')
    this.#schedule()
  }

  /** What is in flight is lost, as with a socket that is destroyed. */
  cut(): void {
    if (this.#cut) return
    this.#over = true
    this.#cut = true
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
      if (parcel === 'goodbye') {
        this.#parcels.shift()
        this.onGoodbye?.()
        break
      }
      if (this.#paused) break
      this.#parcels.shift()
      this.delivered += 1
      this.onMessage?.(parcel)
    }
    if (this.#cut && !this.#held) {
      const onCut = this.onCut
      this.onCut = undefined
      onCut?.()
    }
    this.onDrained?.()
  }
}
