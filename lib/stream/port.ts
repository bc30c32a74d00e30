/** What a stream deals with on either side: who takes its messages, and what it needs of its session. Types only. */

import type { Remote } from '../base/remote.ts'

/** What takes the messages of the remote end. The last message, or exactly one of the last three, ends it, and nothing follows. */
export interface Receiver {
  /** True when the next message may be a view that is valid only during `onMessage`. */
  readonly readsInPlace: boolean
  /** @param isLast the end came in the same frame; `onEnd` is not called then */
  onMessage(payload: Uint8Array, isLast: boolean): void
  onEnd(): void
  /** The handler's own error. */
  onRemoteError(error: Error): void
  /** The stream was cut. */
  onAbort(reason: unknown): void
}

/** Whose stream it is, on either side of a call. One object with methods, not a closure per event and call. */
export interface StreamOwner {
  /** The stream ended, with this reason; `undefined` when both halves ended by themselves. Called once. */
  onClosed(reason: unknown): void
  /** The deadline has passed. */
  onDeadline(): void
}

/** What a stream (`S`) needs of its session. */
export interface StreamPort<S> {
  /** Registers an opening stream, which is about to write its open frame, and sets its id. Returns whether it had to wait. */
  register(stream: S): boolean
  /** Forgets a stream that has closed. */
  release(stream: S): void
  /** The stream has a frame of data to write. */
  offer(stream: S): void
  /** The stream has control frames to write. */
  offerControl(stream: S): void
  /**
   * The remote end broke a rule of one stream, which was reset.
   *
   * @throws {ProtocolError} when it does that all the time
   */
  streamBroken(): void
  /** A frame arrived that no longer matters. */
  ignoreFrame(): void
  readonly remote: Remote
  readonly limits: StreamLimits
}

/** What one stream may hold and send, as the two ends announced it. */
export interface StreamLimits {
  /** Bytes of one message that this side accepts. */
  readonly maxMessageBytes: number
  /** Fragments of one message that this side accepts. */
  readonly maxFragments: number
  /** Bytes of unread messages that this side holds. */
  readonly receiveWindowBytes: number
  /** Bytes of unread messages that the remote end holds. */
  readonly sendWindowBytes: number
  /** Bytes of one message that the remote end accepts. */
  readonly maxSendBytes: number
  /** Bytes of metadata that the remote end accepts. */
  readonly maxMetadataBytes: number
}

/** The open frame of a stream that this side initiates, until it is written. */
export interface OpenRequest {
  readonly handler: number
  readonly metadata: Uint8Array | undefined
  /** Time left for the call when it was made, in ms; 0 for no limit. */
  readonly timeoutMs: number
}
