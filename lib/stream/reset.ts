/** Reset codes to errors, and back. */

import {
  CancelledError,
  ClosedError,
  DeadlineError,
  type Delivery,
  DisconnectedError,
  FlowControlError,
  GridError,
  MessageTooLargeError,
  RejectedError,
  StreamResetError
} from '../errors/errors.ts'
import { type Failure, LateFailure } from '../errors/failure.ts'
import { ResetCode } from '../wire/frame.ts'
import type { DeadlineList } from './deadlines.ts'
import type { StreamOwner, StreamPort } from './port.ts'

/** Most handlers that end before their requests read none any more: then no error is made, for a stack is dear. */
export const handlerEnded: Failure = {
  get reason() {
    return new ClosedError('the handler has ended and takes no more requests')
  }
}

/** The same for a handler whose call has ended without an error. */
export const callEnded: Failure = {
  get reason() {
    return new CancelledError('the call has ended')
  }
}

interface Subject {
  readonly initiator: boolean
  readonly isSingle: boolean
  /** Of a call that may have begun. */
  readonly delivery: Delivery | undefined
  readonly port: { readonly remote: { readonly host: string } }
  readonly deadlines: DeadlineList | undefined
  readonly owner: StreamOwner | undefined
}

/** The failure of a stream that the remote end has reset. */
export function toResetFailure(code: number, text: string, subject: Subject): Failure {
  if (code !== ResetCode.cancelled || subject.initiator) return { reason: toResetError(code, text, subject) }
  // A caller that leaves is no fault, and hardly a handler looks at why its signal has aborted.
  const { host } = subject.port.remote
  return new LateFailure('ERR_CANCELLED', () => new CancelledError(describeCancel(host, text)))
}

/** The text is that of the peer. */
function toResetError(code: number, text: string, subject: Subject): Error {
  const { initiator, isSingle, delivery, deadlines, owner } = subject
  const { host } = subject.port.remote
  const said = text === '' ? '' : `: ${text}`
  switch (code) {
    // Of a responder it has no error: only an initiator that breaks the rules says so here.
    case ResetCode.stop:
    case ResetCode.cancelled:
      return new CancelledError(describeCancel(host, text), { delivery })
    case ResetCode.deadline:
      // Whichever end was first: the caller knows how long the whole call might take.
      return (
        owner?.createDeadlineError?.(said) ?? new DeadlineError(describeDeadline(host, deadlines) + said, { delivery })
      )
    case ResetCode.unknownHandler:
      return new RejectedError('unknownHandler', `refused by ${host}${said}`)
    case ResetCode.tooManyStreams:
      return new RejectedError('tooManyStreams', `refused by ${host}${said}`)
    case ResetCode.goingAway:
      return new RejectedError('goingAway', `refused by ${host}${said}`)
    case ResetCode.busy:
      return new RejectedError('busy', `refused by ${host}${said}`)
    case ResetCode.flowControl:
      return new FlowControlError(`reset by ${host}${said}`, { delivery })
    case ResetCode.messageTooLarge:
      // A single handler runs once its one message is there: one that is too large was refused before.
      return new MessageTooLargeError(`reset by ${host}${said}`, {
        delivery: initiator && isSingle ? 'notSent' : delivery
      })
    case ResetCode.shutdown:
      return new DisconnectedError('shutdown', `${host} is shutting down${said}`, { delivery })
    default:
      return new StreamResetError(`reset by ${host} with code ${code}${said}`, { delivery })
  }
}

function describeCancel(host: string, text: string): string {
  return `cancelled by ${host}${text === '' ? '' : `: ${text}`}`
}

function describeDeadline(host: string, deadlines: DeadlineList | undefined): string {
  const after =
    deadlines === undefined ? '' : `, which was ${Math.round(deadlines.timeoutMs)} ms after the call arrived`
  return `the deadline passed at ${host}${after}`
}

/** The code for a rule of a stream that the remote end broke. */
function toResetCode(error: GridError): number {
  if (FlowControlError.is(error)) return ResetCode.flowControl
  return MessageTooLargeError.is(error) ? ResetCode.messageTooLarge : ResetCode.streamProtocol
}

/** What is needed of a stream that is reset since a frame of it broke a rule. */
interface Broken {
  readonly initiator: boolean
  readonly isSingle: boolean
  readonly port: Pick<StreamPort<never>, 'onStreamBroken'>
  abort(failure: Failure, code: number, text: string): void
}

/** @throws `error`, where that is none of this stream alone, and what `onStreamBroken` throws */
export function endBroken(stream: Broken, error: unknown): void {
  if (!GridError.is(error)) throw error
  const delivery = stream.isSingle ? 'ran' : 'maybeRan'
  const reason = stream.initiator ? error.ofCall(delivery) : error
  stream.abort({ reason }, toResetCode(error), error.message)
  stream.port.onStreamBroken()
}
