/** How calls are made, as users see it. Types only. */

import type { AnySingle, AnyStreaming, PayloadOf, ResponseOf } from '../handler/definition.ts'
import type { StreamOf } from './grid-stream.ts'
import type { CallOptions } from './options.ts'

/** The payload and the options of a call. The payload may be left out when the definition takes none. */
export type CallArguments<Payload, Options = CallOptions> = undefined extends Payload
  ? [payload?: Payload, options?: Options]
  : [payload: Payload, options?: Options]

/** Makes calls: a connection, or a subroute of it. */
export interface Callable {
  /**
   * One request, one response. `definition` is a single one, or the string id of a raw handler: `Uint8Array` both ways. A raw payload may be reused once the promise has settled. A raw response is yours to keep.
   *
   * @throws {UnknownHandlerError} the remote host has no such single handler
   * @throws {DisconnectedError} not connected (`delivery: 'notSent'`), or the conn was lost during the call
   * @throws {RemoteError} the handler threw
   * @throws {DeadlineError} no answer within the timeout
   * @throws {RejectedError} the remote host refused the call before the handler ran
   * @throws {CodecError} a value cannot be encoded or decoded
   * @throws {InvalidOptionError} an option is wrong
   * @throws {MessageTooLargeError} the payload is larger than the remote host accepts
   * @throws `signal.reason` when the signal aborted
   */
  request<D extends string | AnySingle>(definition: D, ...args: CallArguments<PayloadOf<D>>): Promise<ResponseOf<D>>

  /** A two-way stream. Returns at once. Each failure is thrown by the first `next()`, with the errors of `request`. */
  newStream<D extends string | AnyStreaming>(definition: D, ...args: CallArguments<PayloadOf<D>>): StreamOf<D>

  /** The handlers of the same host under a static subroute. Subroutes of subroutes are joined with `/`. */
  subroute(name: string): Callable
}
