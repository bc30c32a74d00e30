/** Contestants for the spec of the benchmark of locks: servers over a real grid whose tables do something wrong. */

import type { Contestant, Contestants } from '../../../benchmarks/harness/contest/contestant.ts'
import { lockGrid } from '../../../benchmarks/locks/contestants/it-grid.ts'
import type { LockSide } from '../../../benchmarks/locks/drive.ts'
import { openTable, ttlMs } from '../../../benchmarks/locks/open-table.ts'
import { LockTable } from '../../../lib/extras/locks/table.ts'

/** Before the warm-up, in which 64 callers take a lock at least once, is over. */
const oneOf = 50

type Lock = LockTable['lock']

/** Like `openTable`, with another answer to one of so many locks. */
function sometimes(otherwise: Lock): Contestant<LockSide> {
  return lockGrid(() => {
    const table = openTable()
    const lock: Lock = table.lock.bind(table)
    let count = 0
    return Object.assign(table, {
      lock: (...args: Parameters<Lock>) => (++count % oneOf === 0 ? otherwise : lock)(...args)
    })
  })
}

const yes: Lock = () => ({ granted: true, ttlMs, heldBy: null, token: 1 })

export const contestants: Contestants<LockSide> = {
  'refuses-at-first': lockGrid(() => new LockTable({ ttlMs })),
  'refuses-sometimes': sometimes(() => ({ granted: false, ttlMs, heldBy: 'somebody' })),
  'forgets-sometimes': sometimes(yes),
  'says-yes': lockGrid(() => Object.assign(openTable(), { lock: yes, unlock() {} }))
}
