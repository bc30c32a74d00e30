/** `npm run bench:locks`: one lock service over it-grid, gRPC and HTTP, taken from by many callers, in the same run. */

import { optionsOf, selectionOf } from '../harness/arguments.ts'
import { killAllAtEnd, output } from '../harness/contest/terminal.ts'
import { benchLocks } from './bench.ts'
import { lockRoster } from './roster.ts'

const { only, ...plan } = optionsOf({ rounds: 7, ms: 1000, callers: 64, only: '', out: '' })
const all = lockRoster.map(({ id }) => id)
const ids = selectionOf(only, all)
const entries = lockRoster.filter(({ id }) => ids.includes(id))

killAllAtEnd()
process.exitCode = await benchLocks({ ...plan, entries }, output)
