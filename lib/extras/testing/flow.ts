/** One direction of one conn through a fault proxy: bytes on their way, and what the faults of the moment do to them. */

import type net from 'node:net'
import { clearImmediate, setImmediate } from 'node:timers'

/** `inbound` is towards the target, `outbound` from it to whoever dialed. */
export type Direction = 'inbound' | 'outbound'

export const directions = ['outbound', 'inbound'] as const

/** What happens to the bytes of one direction. */
export interface Faults {
  /** Nothing arrives and nobody is told, not even of an end. What was held back arrives when this is over. */
  readonly blackhole?: boolean
  /** Everything arrives so much later, in ms; an end and a reset too. */
  readonly delayMs?: number
  /** Each write has at most so many bytes, and a turn of the event loop for itself. */
  readonly sliceBytes?: number
  readonly bytesPerSecond?: number
}

/** Unsent bytes of one direction of a conn, beyond which its sender has to wait; what a long delay holds as well. */
const maxHeldBytes = 256 * 1024
/** A throttled direction sends what is due about so often. */
const throttleMs = 20

export interface Reset {
  leftBytes: number
  readonly done: () => void
}

/** All that goes one way, over every conn. */
export interface Lane {
  faults: Faults
  reset: Reset | undefined
  passed: number
}

/** What is on its way: bytes, or how their sender ended. */
interface Item {
  readonly what: Buffer | 'end' | 'reset'
  readonly arrivedAtMs: number
}

/** One direction of one conn. */
export class Flow {
  readonly #from: net.Socket
  readonly #to: net.Socket
  readonly #lane: Lane
  readonly #onReset: () => void
  readonly #held: Item[] = []
  #heldBytes = 0
  #freeAtMs = 0
  #waitsForDrain = false
  #state: 'open' | 'ended' | 'stopped' = 'open'
  #timer: NodeJS.Timeout | undefined
  #nextTurn: NodeJS.Immediate | undefined

  constructor(from: net.Socket, to: net.Socket, lane: Lane, onReset: () => void) {
    this.#from = from
    this.#to = to
    this.#lane = lane
    this.#onReset = onReset
    let failed = false
    from.on('data', (bytes: Buffer) => this.#hold(bytes))
    from.on('end', () => this.#hold('end'))
    from.on('error', () => {
      failed = true
    })
    from.on('close', () => {
      if (failed || !from.readableEnded) this.#hold('reset')
    })
    if (to.connecting) to.on('connect', () => this.pump())
    to.on('drain', () => {
      this.#waitsForDrain = false
      this.pump()
    })
  }

  /** Passes on all that may pass now. */
  pump(): void {
    this.#stopWaiting()
    while (this.#state !== 'stopped' && !this.#waitsForDrain && !this.#to.connecting) {
      const { faults, reset } = this.#lane
      const [head] = this.#held
      if (head === undefined || faults.blackhole === true) return
      const freeAtMs = faults.bytesPerSecond === undefined ? 0 : this.#freeAtMs
      const waitMs = Math.max(head.arrivedAtMs + (faults.delayMs ?? 0), freeAtMs) - performance.now()
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.pump(), waitMs)
        return
      }
      this.#held.shift()
      if (head.what === 'end') this.end()
      else if (head.what === 'reset') resetSocket(this.#to)
      else if (reset?.leftBytes === 0) return this.#reset(reset)
      else this.#send(head.what, head.arrivedAtMs)
      if (faults.sliceBytes !== undefined) {
        this.#nextTurn = setImmediate(() => this.pump())
        return
      }
    }
  }

  end(): void {
    if (this.#state !== 'open') return
    this.#state = 'ended'
    this.#to.end()
  }

  stop(): void {
    this.#state = 'stopped'
    this.#stopWaiting()
  }

  #hold(what: Item['what']): void {
    if (this.#state === 'stopped') return
    this.#held.push({ what, arrivedAtMs: performance.now() })
    if (what instanceof Buffer) this.#heldBytes += what.length
    if (this.#heldBytes > maxHeldBytes) this.#from.pause()
    if (this.#timer === undefined && this.#nextTurn === undefined) this.pump()
  }

  /** Writes as much of `bytes` as may go at a time, and puts the rest back. */
  #send(bytes: Buffer, arrivedAtMs: number): void {
    const { faults, reset } = this.#lane
    const rate = faults.bytesPerSecond ?? Number.POSITIVE_INFINITY
    const atOnce = Math.max(1, (rate * throttleMs) / 1000)
    const length = Math.floor(
      Math.min(bytes.length, faults.sliceBytes ?? bytes.length, atOnce, reset?.leftBytes ?? atOnce)
    )
    if (length < bytes.length) this.#held.unshift({ what: bytes.subarray(length), arrivedAtMs })
    this.#heldBytes -= length
    if (this.#heldBytes <= maxHeldBytes) this.#from.resume()
    // What comes behind an end that a middle box made is lost.
    if (this.#state !== 'open') return
    this.#freeAtMs = Math.max(this.#freeAtMs, performance.now()) + (1000 * length) / rate
    this.#lane.passed += length
    if (reset !== undefined) reset.leftBytes -= length
    this.#waitsForDrain = !this.#to.write(bytes.subarray(0, length))
  }

  #reset(reset: Reset): void {
    this.#lane.reset = undefined
    this.stop()
    // Two turns later, by when an end in this process has read what has passed: a reset may drop what is unread.
    setImmediate(() =>
      setImmediate(() => {
        this.#onReset()
        reset.done()
      })
    )
  }

  #stopWaiting(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#nextTurn)
    this.#timer = this.#nextTurn = undefined
  }
}

export function resetSocket(socket: net.Socket): void {
  // libuv cannot reset what is being shut down (EINVAL); Node then leaks the socket, and spins when the process ends.
  const isEnding = socket.writableEnded && !socket.writableFinished
  // Only TCP knows a reset.
  if (socket.remotePort === undefined || isEnding) socket.destroy()
  else socket.resetAndDestroy()
}
