/**
 * What a conn is: one ordered two-way flow of messages between two servers, and how one is made.
 *
 * This is the contract only; `websocket.ts`, `duplex.ts` and `memory.ts` implement it. A conn knows nothing of frames:
 * it carries opaque messages, whole and in order, and says when it can take more.
 */

import type { TLSSocket } from 'node:tls'

/** A live carrier of messages, as an it-stream duplex of `Uint8Array`. It is used by one reader and one writer. */
export interface Conn {
  /**
   * The messages from the remote end, whole and in order. Ends when the remote end closed in an orderly way; throws
   * when the conn was lost, aborted, or a message broke a rule of the transport (`ProtocolError`). A message may be a
   * view into a larger buffer. It belongs to the reader from then on, who may keep, change and give away its memory: the
   * conn must not read it or write to it again. Not asking stops reading from the network once a bounded amount arrived. Iterated once.
   */
  readonly source: AsyncIterable<Uint8Array>

  /**
   * Sends each message of `source`, pulling the next one only when the transport has drained enough of those before
   * (a bounded amount may be in flight). A message must not be changed after it was pulled. Resolves when `source`
   * ended and everything was handed to the network; rejects when the conn is lost. Called once.
   */
  readonly sink: (source: AsyncIterable<Uint8Array>) => Promise<void>

  /** True when the transport itself protects integrity (TLS, memory): then batches need no checksum. */
  readonly secure: boolean

  /** The address of the remote end for logs, such as `10.0.0.7:41234`. */
  readonly remoteAddress: string

  /** What carries the messages (a `WebSocket`, a Node `Duplex`), for whoever must look beneath. */
  readonly transport?: unknown

  /** The TLS that it runs over, if it does, for an `Auth` that looks at certificates. */
  readonly tls?: TLSSocket

  /**
   * At most so many bytes may arrive from now on, whole messages or not; one more ends the conn. Infinity lifts it. For
   * remote ends that nobody knows yet; a conn without it takes from them what it takes from peers.
   */
  limitInbound?(maxBytes: number): void

  /**
   * Closes in an orderly way: what `sink` has pulled is still delivered, then the remote end's `source` ends. A remote
   * end that does not answer is cut off after a short grace. Idempotent, never throws.
   */
  close(reason?: string): void

  /** Cuts the conn now. `source` throws `error`, `sink` rejects with it. Idempotent, never throws. */
  abort(error: Error): void
}

export interface DialOptions {
  /** Aborts when the dial is no longer wanted or the handshake deadline has passed; the dialer must give up then. */
  signal: AbortSignal
  /** The HTTP path the remote manager listens on, such as `/grid/v1`. */
  path: string
  /** The largest message in bytes that this side accepts; a larger one must end the conn before it is held. */
  maxConnMessageBytes: number
}

/** Makes a conn to `address`, a canonical host name such as `https://node-2:9000`. Rejects when it cannot. */
export type ConnDialer = (address: string, options: DialOptions) => Promise<Conn>
