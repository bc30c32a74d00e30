/** The calls to lock servers as they were before there were tokens, and a server of them that grants everything. */

import { field, type Manager, none, single, tuple } from '../../lib/index.ts'

const lockArgs = tuple({
  uid: field.string,
  resources: field.array(field.string),
  owner: field.string,
  source: field.string,
  quorum: field.nullable(field.number)
})
const lockReply = tuple({ granted: field.boolean, ttlMs: field.number, heldBy: field.nullable(field.string) })
/** With a token, which an older one did not have. */
const newerReply = tuple({
  granted: field.boolean,
  ttlMs: field.number,
  heldBy: field.nullable(field.string),
  token: field.optional(field.number)
})

export const lock = single('lock.lock', { request: lockArgs, response: lockReply })
export const refresh = single('lock.refresh', { request: lockArgs, response: lockReply })
export const unlock = single('lock.unlock', { request: lockArgs, response: none() })
const anyLock = single('lock.lock', { request: lockArgs, response: newerReply })

/** Uids. */
export const held = new Set<string>()

export function serve(manager: Manager, told: { ttlMs?: number; token?: number } = {}): void {
  manager.handle(anyLock, ({ uid }) => {
    held.add(uid)
    return { granted: true, ttlMs: 30_000, heldBy: null, ...told }
  })
  manager.handle(unlock, ({ uid }) => void held.delete(uid))
}
