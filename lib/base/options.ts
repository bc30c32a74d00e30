/**
 * Every number that can be set, with its unit, its default and what it guards.
 *
 * A default that other code must know is here and nowhere else.
 */

import { InvalidOptionError } from './errors.ts'

/** What one peer may cost. Each limit says what happens when it is hit. */
export interface Limits {
  /** Bytes of one message (a payload). A larger one is refused by the sender and resets the stream at the receiver. Default 16 MiB. */
  maxMessageBytes: number
  /** Fragments of one message. More resets the stream. Default 4096. */
  maxFragments: number
  /** Bytes that may be on their way or wait for the consumer, in each direction of a stream. A larger message passes all the same, a window at a time. Default 256 KiB. */
  streamWindowBytes: number
  /** Calls of one peer that may run here at once, single requests and streams together. One more is refused. Default 100 000. */
  maxInboundStreams: number
  /** Handlers that one peer may advertise. More closes the conn. Default 4096. */
  maxHandlers: number
  /** Bytes of a handler id or subroute in UTF-8. More is refused at registration and closes the conn on the wire. Default 256. */
  maxNameBytes: number
  /** Bytes of the metadata of one call, encoded. More rejects the call, or resets it at the receiver. Default 8 KiB. */
  maxMetadataBytes: number
  /** Bytes of one handshake message. More closes the conn before it is looked at. Default 16 KiB. */
  maxHandshakeBytes: number
  /** Handshakes that may be under way at one manager. One more ends the oldest of them: it had its time. Default 256. */
  maxPendingHandshakes: number
  /** Time over everything from TCP accept, or from the start of a dial, to a usable session, in ms. Default 10 000. */
  handshakeTimeoutMs: number
  /** Frames per second that cost us work and gain nothing (pings, pongs, resets, refused opens, handler tables). More closes the conn. Default 20 000. */
  maxIdleFramesPerSecond: number
  /** Time a conn may take nothing of what waits to be sent before it is closed as slow, in ms. Default 30 000. */
  slowPeerTimeoutMs: number
}

export const defaultLimits: Readonly<Limits> = Object.freeze({
  maxMessageBytes: 16 * 1024 * 1024,
  maxFragments: 4096,
  streamWindowBytes: 256 * 1024,
  maxInboundStreams: 100_000,
  maxHandlers: 4096,
  maxNameBytes: 256,
  maxMetadataBytes: 8 * 1024,
  maxHandshakeBytes: 16 * 1024,
  maxPendingHandshakes: 256,
  handshakeTimeoutMs: 10_000,
  maxIdleFramesPerSecond: 20_000,
  slowPeerTimeoutMs: 30_000
})

export interface KeepAliveOptions {
  /** Time between two pings, in ms. A peer of whom nothing arrives for one and a half is dead, which is noticed two after its last sign at most. Default 5 000. */
  intervalMs: number
}

export const defaultKeepAlive: Readonly<KeepAliveOptions> = Object.freeze({ intervalMs: 5_000 })

export interface ReconnectOptions {
  /** Upper bound of the first wait after a loss, in ms. Default 50: most losses are a restart or a blip. */
  firstDelayMs: number
  /** Upper bound of the second wait; doubles with each failed try, in ms. Default 200. */
  baseDelayMs: number
  /** The bound never grows beyond this, in ms. Default 10 000. */
  maxDelayMs: number
  /** A session that lived this long was good: the next loss starts again with the first wait, in ms. Default 5 000. */
  stableAfterMs: number
}

export const defaultReconnect: Readonly<ReconnectOptions> = Object.freeze({
  firstDelayMs: 50,
  baseDelayMs: 200,
  maxDelayMs: 10_000,
  stableAfterMs: 5_000
})

/** Time a single request may take when the call names no `timeout`, in ms. */
export const defaultRequestTimeoutMs = 60_000
/** Time `close()` lets running calls end in when it names no `timeout`, in ms. */
export const defaultCloseTimeoutMs = 10_000
/** Messages that a stream may send ahead of its consumer when its handler declares no capacity. Against 128, 64 costs 15 % of the rate of small messages, 16 two thirds; 512 gains in two-way streams only. */
export const defaultCapacity = 128
/** The HTTP path of the upgrade. It names the protocol version. */
export const defaultPath = '/grid/v1'
/** The WebSocket subprotocol, RFC 6455 section 1.9. */
export const subprotocol = 'it-grid.v1'
/** The longest timeout that travels, in ms: what a Node timer can count. */
export const maxTimeoutMs = 2 ** 31 - 1

/** The largest value of any option: what a Node timer can count, and what a window can hold. */
export const maxLimit = 2 ** 31 - 1

/** Sessions of one peer that may end their calls at the same time; each has the limits of a whole one. */
export const maxDraining = 4
/** The largest capacity of a handler: with what an empty message costs to keep, it bounds a window that holds no bytes. */
export const maxCapacity = 65_535
/** A target size: a batch that reached it is closed. Bounds what a small call waits for behind bulk, and one socket write. */
export const batchBytes = 64 * 1024
/**
 * What arrives is dealt with in turns of this many bytes, and what a turn gives rise to (answers, credit) is sent before the
 * next: so the remote end works on the first answers while this one makes the last. Smaller turns cost more than they gain.
 */
export const turnBytes = 16 * 1024
/** After so many bytes from one conn the event loop goes round, so that bulk holds up neither timers nor other conns. */
export const loopBytes = 64 * 1024
/** Larger messages are split into fragments of this size, so that bulk shares the conn frame by frame. */
export const fragmentBytes = 64 * 1024
/** The largest message of a conn that peers may send here: a full batch that one more frame of any kind overshot. */
export function maxConnMessageBytes(limits: Pick<Limits, 'maxMetadataBytes'>): number {
  return batchBytes + fragmentBytes + 16 * 1024 + limits.maxMetadataBytes
}

/**
 * Lays what the user gave over the defaults.
 *
 * @throws {InvalidOptionError} naming the option that is unknown or not a positive number below 2^31
 */
export function withDefaults<T extends object>(
  group: string,
  defaults: Readonly<T>,
  given: Partial<T> = {}
): Readonly<T> {
  if (typeof given !== 'object' || given === null) throw new InvalidOptionError(`${group} must be an object`)
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(defaults, name)) {
      throw new InvalidOptionError(`${group} has no option "${name}"; it has ${Object.keys(defaults).join(', ')}`)
    }
    if (
      value !== undefined &&
      !(typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= maxLimit)
    ) {
      throw new InvalidOptionError(`${group}.${name} must be a positive whole number of at most 2^31-1`)
    }
  }
  const defined = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  return Object.freeze({ ...defaults, ...defined })
}
