/** What the codes of reset and go-away frames mean to this side, as errors and words. */

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

/** The error that a reset of a stream means. The text is the peer's own. */
export function resetErrorOf(code: number, text: string, delivery: Delivery, host: string): Error {
  const said = text === '' ? '' : `: ${text}`
  switch (code) {
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

/** The code that tells the remote end which rule of a stream it broke. */
export function resetCodeOf(error: GridError): number {
  if (error instanceof FlowControlError) return ResetCode.flowControl
  return error instanceof MessageTooLargeError ? ResetCode.messageTooLarge : ResetCode.streamProtocol
}
