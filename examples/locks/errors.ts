/** Everything that can go wrong with a lock, as codes: at a server they travel in a `RemoteError`. */

export type LockErrorCode =
  /** Unlock or refresh of a lock that this server does not have: it never had it, or its time is over. */
  | 'ERR_LOCK_NOT_HELD'
  /** Unlock or refresh of the lock of another owner. */
  | 'ERR_LOCK_OTHER_OWNER'
  /** None, too many, the same twice, an empty or too long name; or others than the lock has. */
  | 'ERR_LOCK_RESOURCES'
  /** An id or another text that is empty or too long. */
  | 'ERR_LOCK_ARGUMENT'
  /** The id already stands for another lock. */
  | 'ERR_LOCK_UID_TAKEN'
  /** The server has as many locks as it may have. */
  | 'ERR_LOCK_TABLE_FULL'
  /** At a client: not enough servers granted the lock in time. */
  | 'ERR_LOCK_TIMEOUT'
  /** At a client: a lock that it had is no longer sure to be its own. */
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
