/**
 * What all conns have in common: the life of a `Conn` over something that carries messages.
 *
 * `websocket.ts`, `duplex.ts` and `memory.ts` each bring a `Carrier` and report what happens to it; how that turns
 * into the end of `source` and the outcome of `sink` is decided here, once. No bytes are looked at here.
 *
 *   open --close()/remote goodbye--> closing --transport gone--> over
 *     \-------- lost, violated, abort() ------------------------^
 */

import type { TLSSocket } from 'node:tls'
import { afterReading } from '../base/after-reading.ts'
import { ClosedError, DisconnectedError } from '../base/errors.ts'
import { errorText } from '../base/text.ts'
import type { Conn } from './conn.ts'
import { Inbox } from './inbox.ts'
import { Pump, type PumpTarget } from './pump.ts'

/** How much a socket may hold unsent before `sink` waits, and how much may wait unread: twice a full batch. */
export const defaultHighWaterMarkBytes = 128 * 1024
/** What a remote end has to answer a close in, before it is cut off. */
export const closeGraceMs = 1_000

/** One transport, as a conn drives it. Every method may be called in any state and must not throw. */
export interface Carrier extends PumpTarget {
  /** Stop and go on reading from the network. */
  pause(): void
  resume(): void
  /** As of `Conn`. */
  limitInbound?(maxBytes: number): void
  /** Says goodbye behind everything written, unless it has. */
  finish(reason: string): void
  /** Cuts the transport now. `closed` is reported when it is gone. Idempotent. */
  destroy(): void
}

export interface CarrierConnOptions {
  secure: boolean
  remoteAddress: string
  transport?: unknown
  tls?: TLSSocket
  /** Unread bytes until the carrier is paused. */
  highWaterMarkBytes: number
  /** What the carrier may hold unsent until `sink` waits, in the unit of `unsent()`. Default `highWaterMarkBytes`. */
  unsentLimit?: number
}

/** A conn over a `Carrier`. The methods that are not of `Conn` are for the carrier's own listeners. */
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
  #finishSoon: NodeJS.Immediate | undefined
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
      // A message that could not be made would leave a gap that the remote end cannot see.
      this.abort(thrown instanceof Error ? thrown : new Error(errorText(thrown), { cause: thrown }))
    })
    this.sink = (source) => this.#pump.run(source)
  }

  limitInbound(maxBytes: number): void {
    this.#carrier.limitInbound?.(maxBytes)
  }

  close(reason = ''): void {
    if (this.#phase !== 'open') return
    this.#phase = 'closing'
    this.#pump.halt()
    // A pull may have settled whose continuation has not run yet. That message was pulled, so it goes first.
    this.#finishSoon = setImmediate(() => {
      this.#pump.stop()
      this.#carrier.finish(reason)
      this.#startGrace()
    })
  }

  abort(error: Error): void {
    if (this.#phase !== 'over') {
      this.#phase = 'over'
      this.source.discard(error)
      this.#pump.settle(error)
    }
    this.#clearTimers()
    this.#carrier.destroy()
  }

  /** A message arrived. */
  received(message: Uint8Array): void {
    this.source.push(message)
  }

  /** The carrier got rid of something that was unsent. */
  drained(): void {
    this.#pump.drained()
  }

  /** The remote end said goodbye: everything it sent has been `received`. It is answered, as it waits for that. */
  remoteClosed(reason = ''): void {
    if (this.#phase === 'over') return
    this.source.end()
    if (this.#phase === 'open') {
      this.#phase = 'closing'
      this.#pump.settle(new DisconnectedError('lost', withReason('the remote end closed the conn', reason)))
    }
    this.#carrier.finish('')
    this.#startGrace()
  }

  /** The transport failed. Once a goodbye was said by either end that is the expected end of it. */
  lost(error: Error): void {
    if (this.#phase === 'over') return
    const cause = this.#phase === 'open' ? error : undefined
    this.#phase = 'over'
    clearImmediate(this.#finishSoon)
    this.source.end(cause)
    this.#pump.settle(cause)
  }

  /** The remote end broke a rule, and the carrier has told it so; it is cut off after the grace. */
  violated(error: Error): void {
    this.lost(error)
    this.#startGrace()
  }

  /** The transport is gone. Always reported last. */
  closed(): void {
    this.lost(new DisconnectedError('lost', 'connection lost'))
    this.#clearTimers()
  }

  /** Whoever stops reading in the middle has given up the conn; after `close()` he just does not care for the rest. */
  #onReaderGone(): void {
    if (this.#phase === 'open') this.abort(new ClosedError('the reader of the conn stopped'))
  }

  #startGrace(): void {
    if (this.#graceTimer !== undefined) return
    this.#graceTimer = setTimeout(() => afterReading(() => this.#carrier.destroy()), closeGraceMs)
    this.#graceTimer.unref()
  }

  #clearTimers(): void {
    clearImmediate(this.#finishSoon)
    clearTimeout(this.#graceTimer)
  }
}

export function withReason(text: string, reason: string): string {
  return reason === '' ? text : `${text}: ${reason}`
}

/** The remote end of a socket for people: `10.0.0.7:41234`, `[::1]:9000`, or `local` where it has no address. */
export function remoteAddressOf(socket: { remoteAddress?: string; remotePort?: number }): string {
  const { remoteAddress, remotePort } = socket
  if (remoteAddress === undefined) return 'local'
  return remoteAddress.includes(':') ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`
}
