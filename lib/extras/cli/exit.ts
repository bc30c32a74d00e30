/** Exit codes: one for each class of errors, so that a script knows what to do. `docs/command-line.md` lists them. */

import {
  CancelledError,
  ClosedError,
  CodecError,
  DeadlineError,
  DialError,
  DisconnectedError,
  FlowControlError,
  GridError,
  HandshakeError,
  InvalidOptionError,
  MessageTooLargeError,
  ProtocolError,
  RejectedError,
  ShutdownError,
  StreamResetError,
  UnknownHandlerError,
  UnknownHostError,
  ValidationError
} from '../../index.ts'

export const exitCodes = {
  ok: 0,
  /** The handler threw; of `ping`, a pair is not connected. */
  failed: 1,
  /** The command line is wrong, or a file that it names. */
  usage: 2,
  /** Nothing answers at the address of the host. */
  notReached: 3,
  /** The host refused the guest, or the call before its handler ran. */
  refused: 4,
  unknownHandler: 5,
  deadline: 6,
  /** The conn, or the call, ended without an answer. */
  lost: 7,
  /** A value does not fit: it cannot be encoded, decoded, or sent at this size. */
  value: 8,
  protocol: 9,
  /** A fault of this program. */
  internal: 70,
  /** 128 and the number of the signal, as shells have it. */
  brokenPipe: 141
} as const

/** What was given to the command line is wrong: told in one sentence, without a stack. */
export class UsageError extends Error {
  override name = 'UsageError'

  static is(error: unknown): error is UsageError {
    return error instanceof Error && error.name === 'UsageError'
  }
}

/** Whoever reads the output has gone. */
export class BrokenPipe extends Error {
  override name = 'BrokenPipe'
}

/** A signal has asked to end. */
export class Interrupted extends Error {
  override name = 'Interrupted'
  readonly exitCode: number

  constructor(signal: string, exitCode: number) {
    super(`ended by ${signal}`)
    this.exitCode = exitCode
  }
}

type Kind = { is(error: unknown): boolean }

const classes: readonly (readonly [code: number, kinds: readonly Kind[]])[] = [
  [exitCodes.usage, [InvalidOptionError]],
  [exitCodes.notReached, [DialError, UnknownHostError]],
  [exitCodes.refused, [HandshakeError, RejectedError]],
  [exitCodes.unknownHandler, [UnknownHandlerError]],
  [exitCodes.deadline, [DeadlineError]],
  [exitCodes.lost, [DisconnectedError, ShutdownError, ClosedError, StreamResetError, CancelledError]],
  [exitCodes.value, [CodecError, ValidationError, MessageTooLargeError]],
  [exitCodes.protocol, [ProtocolError, FlowControlError]],
  // What is left is of the other end, as a `RemoteError` is.
  [exitCodes.failed, [GridError]]
]

export function exitCodeOf(error: unknown): number {
  if (UsageError.is(error)) return exitCodes.usage
  if (error instanceof BrokenPipe) return exitCodes.brokenPipe
  if (error instanceof Interrupted) return error.exitCode
  return classes.find(([, kinds]) => kinds.some((kind) => kind.is(error)))?.[0] ?? exitCodes.internal
}
