/** `npm run bench:locks`: one lock service over it-grid, gRPC and HTTP, taken from by many callers, in the same run. */

import { killAllAtEnd, output } from '../compare/terminal.ts'
import { countOf, optionsOf, selectionOf } from '../harness/arguments.ts'
import { benchLocks } from './bench.ts'
import { lockRoster } from './roster.ts'

const given = optionsOf({ rounds: '7', ms: '1000', callers: '64', only: '', out: '' })
const ids = selectionOf(
  given.only,
  lockRoster.map(({ id }) => id)
)

killAllAtEnd()
process.exitCode = await benchLocks(
  {
    entries: lockRoster.filter(({ id }) => ids.includes(id)),
    rounds: countOf('rounds', given.rounds),
    ms: countOf('ms', given.ms),
    callers: countOf('callers', given.callers),
    out: given.out
  },
  output
)
