/**
 * The asking end of a single request: one open frame out, one message back.
 *
 * This is the path of every small call; it makes one stream, one promise, and nothing per frame.
 */

import { listenToAbort } from './abort-listener.ts'
import type { CallOptions } from './call-options.ts'
import { encodeMetadata } from './call-options.ts'
import type { Codec } from './definition.ts'
import { DeadlineError, type Delivery, errorText, MessageTooLargeError } from './errors.ts'
import { Flag, ResetCode } from './frame.ts'
import type { RemoteHandler } from './handlers.ts'
import { Reply } from './reply.ts'
import type { Session } from './session.ts'
import type { Stream } from './stream.ts'

/**
 * Sends `payload` and resolves with the response.
 *
 * @param deadlineMs of `performance.now()`, 0 for none
 */
export function sendRequest<Res>(
  session: Session,
  handler: RemoteHandler,
  payload: Uint8Array,
  response: Codec<Res>,
  deadlineMs: number,
  options: CallOptions
): Promise<Res> {
  const { signal } = options
  if (signal?.aborted === true) return Promise.reject(signal.reason)
  if (!session.usable) return Promise.reject(session.unusableError())
  checkSize(payload, session.maxSendBytes, 'notSent')
  const metadata = encodeMetadata(options.metadata, session.maxMetadataBytes)
  const stream = session.newStream({ handler: handler.index, metadata })
  const reply = new Reply(response)
  stream.isSingle = true
  stream.receiver = reply
  if (deadlineMs > 0) expireAt(session, stream, deadlineMs)
  if (signal !== undefined) {
    const onAbort = () => stream.abort(signal.reason, ResetCode.cancelled, errorText(signal.reason, 256))
    stream.onClosed = listenToAbort(signal, onAbort)
  }
  stream.sendMessage(payload, Flag.end)
  return reply.promise
}

/** @throws {MessageTooLargeError} with this delivery, when the remote would not accept the payload */
export function checkSize(payload: Uint8Array, maxBytes: number, delivery: Delivery): void {
  if (payload.length <= maxBytes) return
  throw new MessageTooLargeError(`a message of ${payload.length} bytes; the remote accepts ${maxBytes}`, { delivery })
}

/** Ends the stream at its deadline with a `DeadlineError`. */
export function expireAt(session: Session, stream: Stream, deadlineMs: number): void {
  const host = session.remote.host
  stream.onDeadline = () => {
    const error = new DeadlineError(`no answer from ${host} before the deadline`, { delivery: stream.delivery })
    stream.abort(error, ResetCode.deadline, '')
  }
  session.setDeadline(stream, deadlineMs)
}
