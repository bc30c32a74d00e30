/** Registers the handlers of a lock table, which makes a server a lock server. */

import type { HandlerContext, Manager } from '../../lib/index.ts'
import { forceUnlock, type LockArgs, list, lock, refresh, rlock, runlock, unlock } from './definitions.ts'
import { LockError } from './errors.ts'
import type { LockTable } from './table.ts'

export function serveLocks(grid: Manager, table: LockTable): void {
  grid.handle(lock, (args, context) => table.lock('write', ownedBy(context, args)))
  grid.handle(rlock, (args, context) => table.lock('read', ownedBy(context, args)))
  grid.handle(unlock, (args, context) => table.unlock('write', ownedBy(context, args)))
  grid.handle(runlock, (args, context) => table.unlock('read', ownedBy(context, args)))
  grid.handle(refresh, (args, context) => table.refresh(ownedBy(context, args)))
  grid.handle(forceUnlock, ({ resources }) => ({ released: table.forceUnlock(resources) }))
  grid.handle(list, () => table.list())
}

/** An owner is a server, and the handshake has proved its name. */
function ownedBy({ remote }: HandlerContext, args: LockArgs): LockArgs {
  if (args.owner === remote.host) return args
  throw new LockError('ERR_LOCK_OTHER_OWNER', `${remote.host} cannot act for another owner`)
}
