/**
 * Every number that can be set, with its unit, its default and what it guards.
 *
 * A default that other code needs is defined here and nowhere else.
 */

import { aWholeNumber, type Kinds, optionsReader } from './check.ts'

/** What one peer may cost. Each limit says what happens when it is reached. */
export interface Limits {
  /** Bytes of one message (a payload). A larger one is refused by the sender and resets the stream at the receiver. Default 16 MiB. */
  maxMessageBytes: number
  /** Fragments of one message. More resets the stream. Default 4096. */
  maxFragments: number
  /** Bytes that may be in flight or wait for the consumer, in each direction of a stream; twice as many, but no more than `maxMessageBytes`, where the consumer keeps up. A larger message still passes, one window at a time. Default 256 KiB. */
  streamWindowBytes: number
  /** Calls of one peer that may run here at once, single requests and streams together, those of its earlier sessions included while their handlers run. One more is refused. Default 100 000. */
  maxInboundStreams: number
  /** Streams of `$grid` (`watch`, `events`, `trace`) that one peer may read here at once. One more is refused. Default 64. */
  maxReaders: number
  /** Handlers that one peer may advertise. A peer leaves out the others and warns; more on the wire closes the conn. Default 4096. */
  maxHandlers: number
  /** Bytes of a handler id or subroute in UTF-8, at most 16 KiB. More is refused at registration, and left out by a peer. Default 256. */
  maxNameBytes: number
  /** Bytes of the metadata of one call, encoded. More rejects the call, or resets it at the receiver. Default 8 KiB. */
  maxMetadataBytes: number
  /** Bytes of one handshake message. More closes the conn before it is looked at. Default 16 KiB. */
  maxHandshakeBytes: number
  /** Inbound handshakes that may be in progress at one manager. One more ends the oldest. Default 256. */
  maxPendingHandshakes: number
  /** Time from TCP accept, or from the start of a dial, to a usable session, in ms. Default 10 000. */
  handshakeTimeoutMs: number
  /** Frames per second that cost work and that no call accounts for (pings, pongs, resets of calls that were reset before, broken rules of streams). More closes the conn. What calls within `maxInboundStreams` cause is not counted. Default 20 000. */
  maxIdleFramesPerSecond: number
  /** Time for which a peer may read nothing of what is sent while more waits; then its conn is closed as slow. In ms. Default 30 000. */
  slowPeerTimeoutMs: number
}

export const defaultLimits: Readonly<Limits> = Object.freeze({
  maxMessageBytes: 16 * 1024 * 1024,
  maxFragments: 4096,
  streamWindowBytes: 256 * 1024,
  maxInboundStreams: 100_000,
  maxReaders: 64,
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
  /** Time between two pings, in ms. A peer that sends nothing for 1.5 intervals counts as dead; this is noticed at most 2 intervals after its last sign of life. Default 5 000. */
  intervalMs: number
}

export const defaultKeepAlive: Readonly<KeepAliveOptions> = Object.freeze({ intervalMs: 5_000 })

export interface ReconnectOptions {
  /** Upper bound of the first wait after a loss, in ms. Default 50: most losses are restarts or short interruptions. */
  firstDelayMs: number
  /** Upper bound of the second wait, in ms. It doubles with each failed attempt. Default 200. */
  baseDelayMs: number
  /** Largest upper bound of a wait, in ms. Default 10 000. */
  maxDelayMs: number
  /** A session that lived this long resets the backoff: the next loss starts again with the first wait. In ms. Default 5 000. */
  stableAfterMs: number
}

export const defaultReconnect: Readonly<ReconnectOptions> = Object.freeze({
  firstDelayMs: 50,
  baseDelayMs: 200,
  maxDelayMs: 10_000,
  stableAfterMs: 5_000
})

/** Time that a single request may take when the call sets no `timeout`, in ms. */
export const defaultRequestTimeoutMs = 60_000
/** Time that `close()` gives running calls to end when it sets no `timeout`, in ms. */
export const defaultCloseTimeoutMs = 10_000
/** Messages that a stream may send ahead of its consumer when its handler declares no capacity. Compared with 128, 64 loses 15 % of the rate of small messages and 16 loses two thirds. */
export const defaultCapacity = 128
/** The HTTP path of the upgrade. It names the protocol version. */
export const defaultPath = '/grid/v1'
/** The WebSocket subprotocol, RFC 6455 section 1.9. */
export const subprotocol = 'it-grid.v1'
/** The longest timeout that can be sent, in ms: the longest that a Node timer can count. */
export const maxTimeoutMs = 2 ** 31 - 1

/** The largest value of any option: the most that a Node timer can count and a window can hold. */
export const maxLimit = 2 ** 31 - 1

/** Sessions of one peer that may be draining at the same time. Each has its own windows. */
export const maxDraining = 4
/** The largest capacity of a handler. It bounds the memory of a window full of empty messages. */
export const maxCapacity = 65_535
/** A batch that reaches this size is sent. Bounds how long a small call waits behind bulk, and the size of one socket write. */
export const batchBytes = 64 * 1024
/**
 * Inbound data is handled in turns of this many bytes, and what a turn causes (answers, credit) is sent before the next one.
 * So the remote end works on the first answers while this end makes the last. Smaller turns cost more than they gain. Larger ones
 * gain where many calls wait: see `Dispatch`.
 */
export const turnBytes = 16 * 1024
/** After this many bytes from one conn, timers and other conns get their turn of the event loop. */
export const loopBytes = 64 * 1024
/**
 * So they do when they have had none for so long amid the work of all conns: a byte may cost little or much. And before a batch is sent,
 * likewise: to let them have it after each `loopBytes` that are sent would cost a stream a twentieth of its rate.
 */
export const loopMs = 10
/** A batch that is sent counts as so many bytes more, however small it is: its write to a socket costs 10 us and more. */
export const batchCostBytes = 1024
/** And a frame that arrives counts as so many: a call may be tiny and its handler costly. */
export const frameCostBytes = 2048
/**
 * After so many bytes a PING goes with what is sent: its answer shows how far the peer has read. So a peer that reads them
 * within `slowPeerTimeoutMs`, 5 KB/s by default, is not slow. More PINGs would slow bulk down.
 */
export const markBytes = 128 * 1024
/** Larger messages are split into fragments of this size, so that other streams can send between them. */
export const fragmentBytes = 64 * 1024
/** The largest message that a peer may send on a conn: a full batch, exceeded by one more frame of any kind. */
export function maxConnMessageBytes(limits: Pick<Limits, 'maxMetadataBytes'>): number {
  // What ws and the length of a message can count.
  return Math.min(batchBytes + fragmentBytes + 16 * 1024 + limits.maxMetadataBytes, maxLimit)
}

const aLimit = aWholeNumber(1, maxLimit, '2^31-1')

/**
 * The reader of a group of numbers: it gives the defaults, with the user's values in their place.
 *
 * It throws an `InvalidOptionError` naming the option that is unknown or not a positive number below 2^31.
 */
export function numbersReader<T extends object>(group: string, defaults: Readonly<T>) {
  const kinds = Object.fromEntries(Object.keys(defaults).map((name) => [name, aLimit])) as Kinds<Partial<T>>
  const read = optionsReader<Partial<T>>(group, kinds)
  return (given: Partial<T> | undefined): Readonly<T> => {
    const defined = Object.entries(read(given)).filter(([, value]) => value !== undefined)
    return Object.freeze({ ...defaults, ...Object.fromEntries(defined) })
  }
}
