/**
 * The calls to lock servers. The structs are tuples, because these calls are small and there are many.
 */

import { field, type Infer, none, single, streaming, tuple } from '../../index.ts'

/** Which owner wants which resources. `uid` is the id of one lock: the same on all servers, new for each attempt. */
export const lockArgs = tuple({
  uid: field.string,
  resources: field.array(field.string),
  /** The server that takes the lock, for `list` and for debugging. */
  owner: field.string,
  /** The place in its code, for the same purpose. */
  source: field.string,
  /** How many grants the owner needs, of all servers; null if it does not say. */
  quorum: field.nullable(field.number)
})
export type LockArgs = Infer<typeof lockArgs>

export const lockReply = tuple({
  granted: field.boolean,
  /** How long a grant lasts from the moment it was given, in ms. */
  ttlMs: field.number,
  /** Owner of the lock that is in the way; null if there is none, or if the server grants nothing yet. */
  heldBy: field.nullable(field.string)
})
export type LockReply = Infer<typeof lockReply>

export const lock = single('lock.lock', { request: lockArgs, response: lockReply })
export const rlock = single('lock.rlock', { request: lockArgs, response: lockReply })
export const unlock = single('lock.unlock', { request: lockArgs, response: none() })
export const runlock = single('lock.runlock', { request: lockArgs, response: none() })
/** Starts the time of a grant again. */
export const refresh = single('lock.refresh', { request: lockArgs, response: lockReply })
/** For operators: takes locks away from their owners, who learn it at their next refresh. */
export const forceUnlock = single('lock.forceUnlock', {
  request: tuple({ resources: field.array(field.string) }),
  response: tuple({ released: field.number })
})

export const lockInfo = tuple({
  uid: field.string,
  kind: field.string,
  resources: field.array(field.string),
  owner: field.string,
  source: field.string,
  quorum: field.nullable(field.number),
  heldMs: field.number,
  expiresInMs: field.number
})
export type LockInfo = Infer<typeof lockInfo>

export const list = streaming<void, never, LockInfo>('lock.list', {
  response: lockInfo,
  inCapacity: 0,
  outCapacity: 64
})
