/**
 * The calls to lock servers. The structs are tuples, because these calls are small and there are many. What was added later is
 * optional and at the end: servers and clients of before and after it talk with each other.
 */

import { type Field, field, type Infer, none, single, streaming, tuple } from '../../index.ts'

/** A wait for a lock, which goes on over all attempts to get it. */
const waiting = tuple({
  /** The same in all attempts. */
  id: field.string,
  /** How long it has lasted, in ms. */
  waitedMs: field.number,
  /** Its place in the line, where servers are fair; those that have none yet are behind all others. */
  ticket: field.optional(field.number)
})

/** Which owner wants which resources. `uid` is the id of one lock: the same on all servers, new for each attempt. */
export const lockArgs = tuple({
  uid: field.string,
  resources: field.array(field.string),
  /** The server that takes the lock, for `list` and for debugging. */
  owner: field.string,
  /** The place in its code, for the same purpose. */
  source: field.string,
  /** How many grants the owner needs, of all servers; null if it does not say. */
  quorum: field.nullable(field.number),
  /** The token is to be at least so high; of a refresh: so high it is. */
  token: field.optional(field.number),
  waiting: field.optional(waiting)
})
export type LockArgs = Infer<typeof lockArgs>

export const lockReply = tuple({
  granted: field.boolean,
  /** How long a grant lasts from the moment it was given, in ms. */
  ttlMs: field.number,
  /** Owner of the lock that is in the way, or of who is first in line; null if there is none, or if the server grants nothing yet. */
  heldBy: field.nullable(field.string),
  /** Of the grant; where there is none, the highest that was given for one of the resources. */
  token: field.optional(field.number),
  /** A place in the line for who has none, where this server is fair. */
  ticket: field.optional(field.number)
})
export type LockReply = Infer<typeof lockReply>

export const lock = single('lock.lock', { request: lockArgs, response: lockReply })
export const rlock = single('lock.rlock', { request: lockArgs, response: lockReply })
/** Also ends a wait, whether or not it was granted. */
export const unlock = single('lock.unlock', { request: lockArgs, response: none() })
export const runlock = single('lock.runlock', { request: lockArgs, response: none() })
/** Starts the time of a grant again, and tells its token. */
export const refresh = single('lock.refresh', { request: lockArgs, response: lockReply })
/** For operators: takes locks away from their owners, who learn it at their next refresh. */
export const forceUnlock = single('lock.forceUnlock', {
  request: tuple({ resources: field.array(field.string) }),
  response: tuple({ released: field.number })
})

export type LockKind = 'write' | 'read'
const kind = field.string as Field<LockKind>

const lockInfo = tuple({
  uid: field.string,
  kind,
  resources: field.array(field.string),
  owner: field.string,
  source: field.string,
  quorum: field.nullable(field.number),
  heldMs: field.number,
  expiresInMs: field.number,
  token: field.optional(field.number, 0)
})
/** A lock, as a server that has granted it tells. */
export type LockInfo = Readonly<Omit<Infer<typeof lockInfo>, 'resources'>> & { readonly resources: readonly string[] }

export const list = streaming('lock.list', { response: lockInfo, inCapacity: 0, outCapacity: 64 })

const lockQueue = tuple({
  resource: field.string,
  heldBy: field.array(lockInfo),
  waiting: field.array(
    tuple({ id: field.string, kind, owner: field.string, source: field.string, waitedMs: field.number })
  )
})
export type ServerQueue = Infer<typeof lockQueue>

/** The resources for which somebody waits, the longest waits first. */
export const top = streaming('lock.top', {
  payload: tuple({ max: field.number }),
  response: lockQueue,
  inCapacity: 0,
  outCapacity: 16
})
