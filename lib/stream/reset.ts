/** Reset codes to errors, and back. */

import {
  CancelledError,
  DeadlineError,
  type Delivery,
  DisconnectedError,
  FlowControlError,
  type GridError,
  MessageTooLargeError,
  RejectedError,
  StreamResetError
} from '../base/errors.ts'
import { ResetCode } from '../wire/frame.ts'

/** The error for a reset of a stream by `host`. The text is that of the peer. */
export function toResetError(code: number, text: string, delivery: Delivery | undefined, host: string): Error {
  const said = text === '' ? '' : `: ${text}`
  switch (code) {
    // Of a responder it has no error: only an initiator that breaks the rules says so here.
    case ResetCode.stop:
    case ResetCode.cancelled:
      return new CancelledError(`cancelled by ${host}${said}`, { delivery })
    case ResetCode.deadline:
      return new DeadlineError(`the deadline passed at ${host}${said}`, { delivery })
    case ResetCode.unknownHandler:
      return new RejectedError('unknownHandler', `refused by ${host}${said}`)
    case ResetCode.tooManyStreams:
      return new RejectedError('tooManyStreams', `refused by ${host}${said}`)
    case ResetCode.goingAway:
      return new RejectedError('goingAway', `refused by ${host}${said}`)
    case ResetCode.flowControl:
      return new FlowControlError(`reset by ${host}${said}`, { delivery })
    case ResetCode.messageTooLarge:
      return new MessageTooLargeError(`reset by ${host}${said}`, { delivery })
    case ResetCode.shutdown:
      return new DisconnectedError('shutdown', `${host} is shutting down${said}`, { delivery })
    default:
      return new StreamResetError(`reset by ${host} with code ${code}${said}`, { delivery })
  }
}

/** The code for a rule of a stream that the remote end broke. */
export function toResetCode(error: GridError): number {
  if (FlowControlError.is(error)) return ResetCode.flowControl
  return MessageTooLargeError.is(error) ? ResetCode.messageTooLarge : ResetCode.streamProtocol
}
