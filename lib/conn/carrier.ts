/**
 * What all conns have in common: the life of a `Conn` over a transport that carries messages.
 *
 * `websocket.ts`, `duplex.ts` and `memory.ts` each provide a `Carrier` and report its events. How these end `source` and
 * settle `sink` is decided here, once. Does not look at bytes.
 *
 *   open --close()/remote goodbye--> closing --transport gone--> over
 *     \-------- lost, violated, abort() ------------------------^
 */

import { clearImmediate, setImmediate } from 'node:timers'
import type { TLSSocket } from 'node:tls'
import { aWholeNumber } from '../errors/check.ts'
import { ClosedError, DisconnectedError } from '../errors/errors.ts'
import { toError } from '../errors/failure.ts'
import { maxLimit } from '../errors/options.ts'
import { setDeadline } from '../time/after-reading.ts'
import type { Conn } from './conn.ts'
import { Inbox } from './inbox.ts'
import { Pump, type PumpTarget } from './pump.ts'

/** Bytes that a socket may hold unsent before `sink` waits, and that may wait unread: two full batches. */
export const defaultHighWaterMarkBytes = 128 * 1024
/** What can be given in its place. */
export const aHighWaterMark = aWholeNumber(0, maxLimit, '2^31-1')
/** Time that a remote end has to answer a close before the conn is aborted. */
export const closeGraceMs = 1_000

/** One transport, driven by a conn. Each method may be called in any state and must not throw. */
export interface Carrier extends PumpTarget {
  /** Stops reading from the network. */
  pause(): void
  /** Continues reading from the network. */
  resume(): void
  /** Both as in `Conn`. */
  arrivedBytes?(): number
  releasedMessages?(): number
  limitInbound?(maxBytes: number): void
  /** Says goodbye after everything written. Idempotent. */
  close(reason: string): void
  /** Ends the transport now. `closed` is reported when it is gone. Idempotent. */
  abort(): void
}

export interface CarrierConnOptions {
  secure: boolean
  remoteAddress: string
  transport?: unknown
  tls?: TLSSocket
  /** Unread bytes at which the carrier is paused. */
  highWaterMarkBytes: number
  /** What the carrier may hold unsent before `sink` waits, in the unit of `unsent()`. Default `highWaterMarkBytes`. */
  unsentLimit?: number
}

/** A conn over a `Carrier`. The methods that `Conn` does not have are for the listeners of the carrier. */
export class CarrierConn implements Conn {
  readonly source: Inbox
  readonly sink: (source: AsyncIterable<Uint8Array>) => Promise<void>
  readonly secure: boolean
  readonly remoteAddress: string
  readonly transport: unknown
  readonly tls: TLSSocket | undefined
  readonly #carrier: Carrier
  readonly #pump: Pump
  #phase: 'open' | 'closing' | 'over' = 'open'
  #closeSoon: NodeJS.Immediate | undefined
  #graceTimer: NodeJS.Timeout | undefined

  constructor(options: CarrierConnOptions, carrier: Carrier) {
    this.secure = options.secure
    this.remoteAddress = options.remoteAddress
    this.transport = options.transport
    this.tls = options.tls
    this.#carrier = carrier
    this.source = new Inbox({
      highWaterMarkBytes: options.highWaterMarkBytes,
      pause: () => carrier.pause(),
      resume: () => carrier.resume(),
      onReturn: () => this.#onReaderGone()
    })
    this.#pump = new Pump(carrier, options.unsentLimit ?? options.highWaterMarkBytes, (thrown) => {
      // Without this message the remote end would see a gap as a complete stream.
      this.abort(toError(thrown))
    })
    this.sink = (source) => this.#pump.run(source)
  }

  get arrivedBytes(): number {
    return this.#carrier.arrivedBytes?.() ?? 0
  }

  get releasedMessages(): number {
    return this.#carrier.releasedMessages?.() ?? 0
  }

  limitInbound(maxBytes: number): void {
    this.#carrier.limitInbound?.(maxBytes)
  }

  close(reason = ''): void {
    if (this.#phase !== 'open') return
    this.#phase = 'closing'
    this.#pump.halt()
    // A pull may have settled whose continuation has not run yet. Its message was pulled, so it is sent first.
    this.#closeSoon = setImmediate(() => {
      this.#pump.stop()
      this.#carrier.close(reason)
      this.#startGrace()
    })
  }

  abort(thrown: Error): void {
    if (this.#phase !== 'over') {
      this.#phase = 'over'
      // A program without types may give none, and that must not look like an end.
      const error = toError(thrown)
      this.source.discard(error)
      this.#pump.settle(error)
    }
    this.#clearTimers()
    this.#carrier.abort()
  }

  /** A message arrived. */
  received(message: Uint8Array): void {
    this.source.push(message)
  }

  /** The carrier has sent something. */
  drained(): void {
    this.#pump.drained()
  }

  /** The remote end said goodbye: everything it sent has been `received`. It waits for an answer and gets one. */
  remoteClosed(reason = ''): void {
    if (this.#phase === 'over') return
    this.source.end()
    if (this.#phase === 'open') {
      this.#phase = 'closing'
      this.#pump.settle(new DisconnectedError('lost', addReason('the remote end closed the conn', reason)))
    }
    this.#carrier.close('')
    this.#startGrace()
  }

  /** The transport failed. After a goodbye of either end this is the expected end. */
  lost(error: Error): void {
    if (this.#phase === 'over') return
    const cause = this.#phase === 'open' ? error : undefined
    this.#phase = 'over'
    clearImmediate(this.#closeSoon)
    this.source.end(cause)
    this.#pump.settle(cause)
  }

  /** The remote end broke a rule and the carrier has told it so. The transport is aborted after the grace. */
  violated(error: Error): void {
    this.lost(error)
    this.#startGrace()
  }

  /** The transport is gone. Always the last report. */
  closed(): void {
    this.lost(new DisconnectedError('lost', 'connection lost'))
    this.#clearTimers()
  }

  /** A reader that stops early gives up the conn. After `close()` it only drops the rest. */
  #onReaderGone(): void {
    if (this.#phase === 'open') this.abort(new ClosedError('the reader of the conn stopped'))
  }

  #startGrace(): void {
    if (this.#graceTimer !== undefined) return
    this.#graceTimer = setDeadline(() => this.#carrier.abort(), closeGraceMs)
    this.#graceTimer.unref()
  }

  #clearTimers(): void {
    clearImmediate(this.#closeSoon)
    clearTimeout(this.#graceTimer)
  }
}

export function addReason(text: string, reason: string): string {
  return reason === '' ? text : `${text}: ${reason}`
}

/** The remote address of a socket for logs: `10.0.0.7:41234`, `[::1]:9000`, or `local` when it has none. */
export function formatRemoteAddress(socket: { remoteAddress?: string; remotePort?: number }): string {
  const { remoteAddress, remotePort } = socket
  if (remoteAddress === undefined) return 'local'
  return remoteAddress.includes(':') ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`
}
