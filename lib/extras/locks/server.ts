/** Registers the handlers of a lock table, which makes a server a lock server. */

import {
  authorize,
  contract,
  type HandlerCall,
  type HandlerContext,
  type HandlersOf,
  type Manager,
  type Rule
} from '../../index.ts'
import { readOptions } from './check.ts'
import { forceUnlock, type LockArgs, list, lock, refresh, rlock, runlock, top, unlock } from './definitions.ts'
import { LockError } from './errors.ts'
import { LockTable, type LockTableOptions } from './table.ts'

export interface LockServerOptions extends Omit<LockTableOptions, 'now' | 'timeOfDay'> {
  /**
   * Which callers may `forceUnlock`; the others get a `RejectedError` with the reason `denied`. Default none.
   */
  readonly allowForceUnlock?: Rule<HandlerCall>
  /** Comes before the names of the handlers, so that one server can have several tables. Default none. */
  readonly subroute?: string
}

/** A table of locks that this server offers to the grid. */
export interface LockServer {
  /** How many locks are held here. */
  readonly size: number
  /** Takes the handlers back. What was granted ends by its time. */
  close(): void
}

/** What `serveTable` needs beside the table. */
export type ServingOptions = Pick<LockServerOptions, 'allowForceUnlock' | 'subroute'>

/**
 * Makes this server a lock server. It grants nothing for `quietMs`: an earlier process of it may have granted what is still held.
 *
 * @throws {RangeError} when a number is out of range; {InvalidOptionError} when another option is wrong, or unknown
 * @throws {HandlerExistsError} when there are locks already under this subroute
 * @throws {ClosedError} when the grid is closed
 */
export function serveLocks(grid: Manager, options: LockServerOptions = {}): LockServer {
  const { allowForceUnlock, subroute, ...ofTable } = readOptions('serveLocks()', options, {
    ...{ ttlMs: 'number', quietMs: 'number', maxLocks: 'number', maxBytes: 'number', fair: 'boolean' },
    ...{ allowForceUnlock: 'function', subroute: 'string' }
  })
  return serveTable(grid, new LockTable(ofTable), { allowForceUnlock, subroute })
}

const calls = contract({ lock, rlock, unlock, runlock, refresh, list, top })

/** @throws as `serveLocks` */
export function serveTable(grid: Manager, table: LockTable, given: ServingOptions = {}): LockServer {
  const { allowForceUnlock = () => false, subroute = '' } = given
  const options = { subroute }
  grid.handle(forceUnlock, ({ resources }) => ({ released: table.forceUnlock(resources) }), {
    ...{ subroute, interceptors: [authorize(allowForceUnlock)] }
  })
  const handlers: HandlersOf<(typeof calls)['definitions']> = {
    lock: (args, context) => table.lock('write', ownedBy(context, args)),
    rlock: (args, context) => table.lock('read', ownedBy(context, args)),
    unlock: (args, context) => table.unlock('write', ownedBy(context, args)),
    runlock: (args, context) => table.unlock('read', ownedBy(context, args)),
    refresh: (args, context) => table.refresh(ownedBy(context, args)),
    list: () => table.list(),
    top: ({ max }) => table.top(max)
  }
  try {
    grid.implement(calls, handlers, options)
  } catch (error) {
    // All or none.
    grid.unhandle(forceUnlock, options)
    throw error
  }
  return {
    get size() {
      return table.size
    },
    close() {
      grid.unhandle(forceUnlock, options)
      grid.unhandle(calls, options)
    }
  }
}

/** An owner is a server, and the handshake has proved its name. */
function ownedBy({ remote }: HandlerContext, args: LockArgs): LockArgs {
  if (args.owner === remote.host) return args
  throw new LockError('ERR_LOCK_OTHER_OWNER', `${remote.host} cannot act for another owner`)
}
