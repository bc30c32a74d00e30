/**
 * What a conn is: one ordered two-way flow of messages between two servers; and what a dialer is.
 *
 * The contract only: `websocket.ts`, `duplex.ts` and `memory.ts` implement it. A conn carries opaque messages, whole and in
 * order, and says when it can take more. It knows no frames.
 */

import type { TLSSocket } from 'node:tls'

/** A live carrier of messages, as an it-stream duplex of `Uint8Array`. It has one reader and one writer. */
export interface Conn {
  /**
   * The messages from the remote end, whole and in order. Ends when the remote end closed gracefully. Throws when the conn
   * was lost, aborted, or a message broke a rule of the transport (`ProtocolError`). A message may be a view into a larger
   * buffer. From then on it belongs to the reader, which may keep, change or transfer its memory: the conn must not read or
   * write it again. When nothing is pulled, the conn stops reading from the network after a bounded amount. Iterated once.
   */
  readonly source: AsyncIterable<Uint8Array>

  /**
   * Sends each message of `source`. Pulls the next one only when the transport has drained enough of the earlier ones (a
   * bounded amount may be in flight). A message must not be changed after it was pulled; it is not before it is released.
   * Nor may its memory be transferred, to a worker say, since others share it: that ends the conn.
   * Resolves when `source` has ended and everything was handed to the network; rejects when the conn is lost. Called once.
   */
  readonly sink: (source: AsyncIterable<Uint8Array>) => Promise<void>

  /** True when the transport itself protects integrity (TLS, memory): then batches need no checksum. */
  readonly secure: boolean

  /** The address of the remote end for logs, such as `10.0.0.7:41234`. */
  readonly remoteAddress: string

  /** The object that carries the messages (a `WebSocket`, a Node `Duplex`), for code that needs to look below the conn. */
  readonly transport?: unknown

  /** The TLS socket below, if there is one, for an `Auth` that reads certificates. */
  readonly tls?: TLSSocket

  /**
   * Bytes that have arrived so far, including those of a message that is not whole yet. On a slow network they are the only
   * sign of life for a while. Without this member a conn shows life by whole messages only.
   */
  readonly arrivedBytes?: number

  /**
   * Messages that `sink` has pulled and that are released, the first ones: their memory is not read any more, by the conn and
   * whatever carries its messages, and is used for others from then on. Without this member none ever is.
   */
  readonly releasedMessages?: number

  /**
   * From now on at most `maxBytes` may arrive, in whole messages or not; one more ends the conn. Infinity removes the limit.
   * It is set during the handshake. A conn without this method accepts as much from all peers as from proven ones.
   */
  limitInbound?(maxBytes: number): void

  /**
   * Closes gracefully: what `sink` has pulled is still delivered, then the `source` of the remote end ends. A conn whose
   * remote end does not answer is aborted after a short grace. Idempotent, never throws.
   */
  close(reason?: string): void

  /** Ends the conn now. `source` throws `error`, `sink` rejects with it. Idempotent, never throws. */
  abort(error: Error): void
}

export interface DialOptions {
  /** Aborts when the dial is no longer wanted or the handshake deadline has passed. The dialer must give up then. */
  signal: AbortSignal
  /** The HTTP path on which the remote manager listens, such as `/grid/v1`. */
  path: string
  /** The largest message in bytes that this side accepts. A larger one must end the conn before it is buffered. */
  maxConnMessageBytes: number
}

/** Makes a conn to `address`, a canonical host name such as `https://node-2:9000`. Rejects when it cannot. */
export type ConnDialer = (address: string, options: DialOptions) => Promise<Conn>
