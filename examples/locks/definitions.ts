/**
 * What lock servers are asked: the structs as tuples, for these calls are small and many, and the handlers they go to.
 */

import { field, type Infer, none, single, streaming, tuple } from '../../lib/index.ts'

/** Who wants which resources. One `uid` stands for one lock: the same on all servers, new for each attempt. */
export const lockArgs = tuple({
  uid: field.string,
  resources: field.array(field.string),
  /** The process that locks, for `list` and for whoever must find out. */
  owner: field.string,
  /** The place in its code, for the same. */
  source: field.string,
  /** Grants that the owner needs, of all servers; null where it does not say. */
  quorum: field.nullable(field.number)
})
export type LockArgs = Infer<typeof lockArgs>

export const lockReply = tuple({
  granted: field.boolean,
  /** How long a grant lasts from when it was given, in ms. */
  ttlMs: field.number,
  /** Owner of what stands in the way; null where nothing does, or nobody may lock yet. */
  heldBy: field.nullable(field.string)
})
export type LockReply = Infer<typeof lockReply>

export const lock = single('lock.lock', { request: lockArgs, response: lockReply })
export const rlock = single('lock.rlock', { request: lockArgs, response: lockReply })
export const unlock = single('lock.unlock', { request: lockArgs, response: none() })
export const runlock = single('lock.runlock', { request: lockArgs, response: none() })
/** Begins the time of a grant anew. */
export const refresh = single('lock.refresh', { request: lockArgs, response: lockReply })
/** For operators: takes locks from whoever has them. They learn of it at their next refresh. */
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
