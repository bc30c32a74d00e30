/** `npm run bench:locks`: one lock service over it-grid, gRPC and HTTP, taken from by many callers, in the same run. */

import { optionsOf, selected } from '../harness/arguments.ts'
import { killAllAtEnd, output } from '../harness/contest/terminal.ts'
import { benchLocks } from './bench.ts'
import { lockRoster } from './roster.ts'

const { only, ...plan } = optionsOf({ rounds: 7, ms: 1000, callers: 64, only: '', out: '' })
const entries = selected(only, lockRoster)

killAllAtEnd()
process.exitCode = await benchLocks({ ...plan, entries }, output)
