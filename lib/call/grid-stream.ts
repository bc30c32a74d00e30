/**
 * A two-way stream for its caller: responses to iterate, requests to push, a duplex for it-pipe.
 *
 * It may exist before its session, while it waits for the connection. Each failure is thrown by the first `next()`. What it
 * holds is in `stream-call.ts`.
 */

import type { Pushable } from 'it-pushable'
import { CancelledError, type Delivery } from '../errors/errors.ts'
import type { AnyStreaming, RequestOf, ResponseOf } from '../handler/definition.ts'
import type { Many } from '../producer/many.ts'
import type { Producer } from '../producer/producer.ts'
import type { Messages } from '../stream/source.ts'
import type { StreamCall, StreamEnd } from './stream-call.ts'

/** The requests of a stream: an it-pushable, or null when the handler takes none. */
export type RequestSink<Req> = [Req] extends [never] ? null : Pushable<Req>

/** The stream of a call at a definition. A string is the id of a raw handler: bytes both ways. */
export type StreamOf<D extends string | AnyStreaming> = GridStream<RequestOf<D>, ResponseOf<D>>

export class GridStream<Req, Res> implements AsyncIterable<Res> {
  /** @internal what it holds */
  readonly call: StreamCall<Req, Res>

  /** @internal made by `newStream` */
  constructor(call: StreamCall<Req, Res>) {
    this.call = call
  }

  /** The responses. Pulling grants credit; `break` cancels the remote handler, and `throw(reason)` does so with that reason. */
  get responses(): Messages<Res> {
    return this.call.source
  }

  /** Resolves with how the stream ended; never rejects. */
  get closed(): Promise<StreamEnd> {
    return this.call.closed
  }

  /**
   * Aborts when either end begins to close the conn of this stream, by a shutdown, a renewal or the removal of a host: it may
   * still end by itself, and what follows goes elsewhere. Its `reason` is a `DrainingError`. What a listener of it throws is
   * dropped.
   */
  get draining(): AbortSignal {
    return this.call.draining
  }

  /**
   * To push requests: `push(value)`, then `end()`. Requests that flow control has not accepted wait here, without a bound;
   * `send` waits instead. Null when the handler takes no requests. A push after the end throws `ClosedError`, whose `cause`
   * is what ended the stream, if anything did.
   */
  get requests(): RequestSink<Req> {
    return this.call.requests.pushable as RequestSink<Req>
  }

  /** Same as `responses`, for it-pipe. */
  get source(): Messages<Res> {
    return this.responses
  }

  [Symbol.asyncIterator](): Messages<Res> {
    return this.responses
  }

  /** The responses in arrays: `responses.batches()`. */
  batches(): AsyncIterableIterator<Res[], undefined> {
    return this.responses.batches()
  }

  /**
   * Sends all values of `source` as requests, then ends them. Reads `source` as `for await` does, and only with credit. For
   * it-pipe.
   *
   * Takes `source` over: when the stream ends first, or cannot open, a Node stream is destroyed, a web stream cancelled, any
   * other iterator returned.
   *
   * Resolves when flow control has accepted the last request, or when the handler takes no more. Rejects when the stream
   * fails, or with what `source` throws when it is closed because the handler takes no more.
   */
  get sink(): (source: Producer<Req>) => Promise<void> {
    return (source) => this.call.requests.sendAll(source)
  }

  /**
   * Sends one request, or all of a `many`. Resolves once flow control accepted it; the handler need not have read it yet. Its
   * bytes may be reused then. Of a `many` of something else than an array the end is read only with credit for one more.
   *
   * @throws {ClosedError} when the requests have ended, or the handler takes no more
   * @throws the error of `closed` when the stream has failed or was cancelled
   */
  send(value: [Req] extends [never] ? never : Req | Many<Req>): Promise<void> {
    return this.call.requests.send(value)
  }

  /** Ends the stream now: cancels the remote handler, `responses` throws `reason`. Does nothing after the end. */
  cancel(reason?: unknown): void {
    this.call.cancel(toCancelReason(reason, this.call.delivery))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel()
    await this.closed
  }
}

/** What `cancel()` was given, or an error that says so. */
export function toCancelReason(reason: unknown, delivery: Delivery): unknown {
  return reason === undefined ? new CancelledError('the stream was cancelled', { delivery }) : reason
}
