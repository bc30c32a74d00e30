/** The interfaces of a stream: what receives its messages, its owner, and what it needs from its session. Types only. */

import type { Remote } from '../base/remote.ts'
import type { Failure } from '../errors/failure.ts'
import type { Figures } from '../figures/figures.ts'
import type { HandlerEntry } from '../wire/frame.ts'

/** Receives the messages of the remote end. The last message, or one of the last three methods, ends them. */
export interface Receiver {
  /** True when the next message may be a view that is valid only during `onMessage`. */
  readonly readsInPlace: boolean
  /** @param isLast the end came in the same frame; `onEnd` is not called then */
  onMessage(payload: Uint8Array, isLast: boolean): void
  onEnd(): void
  /** The handler's own error. */
  onRemoteError(error: Error): void
  /** The stream ended early. The reason is read only where somebody is told of it. */
  onAbort(failure: Failure): void
}

/** The owner of a stream at either end of a call: one object with methods, not a closure for each event of each call. */
export interface StreamOwner {
  readonly entry: Pick<HandlerEntry, 'kind' | 'id' | 'subroute'> | undefined
  /** Where the call is counted with the others of its handler. */
  readonly figures: Figures | undefined
  /** The stream ended, by this failure; `undefined` when both halves ended by themselves. Called once. */
  onClosed(failure: Failure | undefined): void
  /** At the caller: whether the call goes on without this stream, which the remote end refused with this error. */
  takesBack?(error: unknown): boolean
  /** The deadline has passed, this long after the call was made or had arrived here. */
  onDeadline(timeoutMs: number): void
  /** At the caller: the error of a call whose deadline has passed at the other end, which `said` more. */
  createDeadlineError?(said: string): Error
  /** What may have kept the stream open, for the error of one that was aborted. */
  remark?(): string
}

/** What the values come from: one object with methods, not a closure for each event of each stream. */
export interface SinkOwner<T> {
  /** Throws when the value cannot be sent. */
  encode(value: T): Uint8Array
  /** So many values were accepted by flow control and written: their bytes belong to the caller again. A `many` counts as one. */
  onTaken?(taken: number): void
  /** Called at most once: the producer threw (and has `ended`), or one of its values cannot be encoded or is too large. */
  onFailed(error: unknown, ended: boolean): void
  /** Called at most once, by `stop` on a half that has not ended: no more values are wanted. */
  onUnwanted?(): void
  /** Called once, when the producer has ended, thrown, or was unwound; with `failure` when it failed while it was unwound. */
  onSettled?(failure: Failure | undefined): void
  /** The producer threw when its values were not wanted any more. */
  onLate?(error: unknown): void
  /** Called, once or more, when none of its code runs any more: it is over, and no promise of it is awaited. */
  onReleased?(): void
}

/** What is told of the consumer of a receiving half. */
export interface SourceOwner {
  /** Called at most once: the consumer stopped, by `failure` if it threw something in. */
  onReaderStopped(failure: Failure | undefined): void
  /** Called at most once: a message cannot be decoded. */
  onUndecodable(error: unknown): void
}

/** What a stream (`S`) needs from its session. */
export interface StreamPort<S> {
  /** Sets the id of an opening stream that is about to write its open frame. Returns whether the stream had to wait. */
  register(stream: S): boolean
  /** Forgets a stream that has closed, by this failure if any; `isFailed` when its error was counted before. */
  release(stream: S, failure: Failure | undefined, isFailed: boolean): void
  /** The stream has a data frame to write. */
  offer(stream: S): void
  /** The stream has control frames to write. */
  offerControl(stream: S): void
  /** The control frames were written of a stream that is over, and for which they had waited until then. */
  onLateControl(stream: S): void
  /**
   * The remote end broke a rule of one stream, which was reset.
   *
   * @throws {ProtocolError} when this happens too often
   */
  onStreamBroken(): void
  readonly counter: StreamCounter<S>
  readonly remote: Remote
  readonly limits: StreamLimits
}

/** What a stream tells of itself beside its end, to be counted. */
export interface StreamCounter<S> {
  /** The call is reset with this code, by this end (`outbound`) or by the peer. */
  onReset(stream: S, code: number, direction: 'inbound' | 'outbound'): void
  /** The call was refused before its handler ran, with this error. */
  onRejected(stream: S, error: unknown): void
  /** A frame arrived too late to matter. */
  ignoreFrame(): void
  /** The call fails with an error of this code, though its stream does not, or not yet. */
  countError(stream: S, code: string): void
}

/** What one stream may hold and send, as announced by the two ends. */
export interface StreamLimits {
  /** Bytes of one message that this side accepts. */
  readonly maxMessageBytes: number
  /** Fragments of one message that this side accepts. */
  readonly maxFragments: number
  /** Bytes of unread messages that this side holds. */
  readonly receiveWindowBytes: number
  /** So many calls are open now that no window should become wider than it was at first. */
  isCrowded(): boolean
  /** Bytes of unread messages that the remote end holds. */
  readonly sendWindowBytes: number
  /** Bytes of one message that the remote end accepts. */
  readonly maxSendBytes: number
  /** Fragments of one message that the remote end accepts. */
  readonly maxSendFragments: number
  /** Bytes of metadata that the remote end accepts. */
  readonly maxMetadataBytes: number
}

/** What the open frame of a stream of this side will contain. */
export interface OpenRequest {
  readonly handler: number
  readonly metadata: Uint8Array | undefined
  /** Time left for the call when it was made, in ms; 0 for no deadline. */
  readonly timeoutMs: number
}
