/**
 * `it-grid/locks`: read and write locks that a quorum of servers grants, with no server that is special and no disk.
 *
 * Servers call `serveLocks`, whoever wants a lock makes a `LockClient`. `docs/locks.md` says how to use it, what it promises
 * and how it is built.
 */

export { LockClient, type LockClientOptions, type LockedFn, type LockOptions } from './client.ts'
export type { LockInfo } from './definitions.ts'
export { LockError, type LockErrorCode } from './errors.ts'
export type { Lock } from './lock.ts'
export { type LockQueue, type LookOptions, listLocks, topLocks } from './operate.ts'
export { type LockServer, type LockServerOptions, serveLocks } from './server.ts'
