/**
 * Read locks at another server over a build of the library, whose folder is the last argument of the process; and what
 * drives them.
 *
 * The far end keeps the readers of each resource. A round trip is both calls: rlock and runlock.
 */

import type { Connection } from '../../../lib/index.ts'
import { atOnce, times } from '../../harness/callers.ts'
import { WrongAnswer } from '../../harness/commands.ts'
import type { Contestants, Drive, Workload } from '../../harness/contest/contestant.ts'
import { connectGrid, secret, serveGrid } from '../../harness/grid.ts'
import { libraryIn } from '../../harness/library.ts'
import { type LockArgs, lockArgsOf, measuredArgs } from '../../harness/lock-args.ts'

const grid = await libraryIn(new URL(process.argv.at(-1) ?? ''))('index')
const { field, none, single, tuple } = grid
const codecs = { request: lockArgsOf(grid), response: tuple({ granted: field.boolean }) }
const rlock = single('rlock', codecs)
const runlock = single('runlock', codecs)
/** How many resources are locked. */
const locked = single('locked', { request: none(), response: tuple({ count: field.number }) })
const options = { auth: grid.sharedSecret(secret), logger: grid.silentLogger }

/** How many read locks there are on each resource; those with none are not there. */
const readers = new Map<string, number>()

function addReader({ resources }: LockArgs): { granted: boolean } {
  for (const resource of resources) readers.set(resource, (readers.get(resource) ?? 0) + 1)
  return { granted: true }
}

function removeReader({ resources }: LockArgs): { granted: boolean } {
  let granted = true
  for (const resource of resources) {
    const count = readers.get(resource)
    if (count === undefined) granted = false
    else if (count === 1) readers.delete(resource)
    else readers.set(resource, count - 1)
  }
  return { granted }
}

export const contestants: Contestants<Connection> = {
  'built-grid': {
    async listen() {
      const manager = await serveGrid(grid, options, (manager) => {
        manager.handle(rlock, addReader)
        manager.handle(runlock, removeReader)
        manager.handle(locked, () => ({ count: readers.size }))
      })
      return manager.local
    },
    connect: async (address) => (await connectGrid(grid, options, address)).peer
  }
}

export interface RoundTripWorkload extends Workload {
  readonly callers: number
  /** Round trips in all; with 0 it is seen that no lock is left. */
  readonly count: number
}

export const drive: Drive<Connection, RoundTripWorkload> = async (peer, { callers, count }) => {
  const goesOn = times(count)
  await atOnce(callers, async (caller) => {
    for (let i = caller; goesOn(); i++) {
      const args = measuredArgs[i % measuredArgs.length] as LockArgs
      const taken = await peer.request(rlock, args)
      const released = await peer.request(runlock, args)
      if (!taken.granted || !released.granted) throw new WrongAnswer('a lock was not granted, or not there to release')
    }
  })
  if (count === 0 && (await peer.request(locked)).count > 0) throw new WrongAnswer('locks are left')
  return { operations: count }
}
