/** Everything that can go wrong with a lock, as codes. Those of a server reach the client in a `RemoteError`. */

export type LockErrorCode =
  /** Unlock or refresh of a lock that this server does not have: it never had it, or its time is over. */
  | 'ERR_LOCK_NOT_HELD'
  /** Unlock or refresh of the lock of another owner. */
  | 'ERR_LOCK_OTHER_OWNER'
  /** No resources, too many, one twice, a name that is empty or too long, or other resources than the lock has. */
  | 'ERR_LOCK_RESOURCES'
  /** A uid or another text that is empty or too long. */
  | 'ERR_LOCK_ARGUMENT'
  /** The uid already belongs to another lock. */
  | 'ERR_LOCK_UID_TAKEN'
  /** The server already has as many locks as it may have. */
  | 'ERR_LOCK_TABLE_FULL'
  /** At a client: not enough servers granted the lock in time. */
  | 'ERR_LOCK_TIMEOUT'
  /** At a client: it can no longer be sure that it has the lock. */
  | 'ERR_LOCK_LOST'

export class LockError extends Error {
  override name = 'LockError'
  readonly code: LockErrorCode
  readonly details: Readonly<Record<string, string | number>> | undefined

  constructor(
    code: LockErrorCode,
    message: string,
    options: { cause?: unknown; details?: Readonly<Record<string, string | number>> } = {}
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.details = options.details
  }
}
