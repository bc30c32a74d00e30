/** `npm run bench:locks`: one lock service over it-grid, gRPC and HTTP, taken from by many callers, in the same run. */

import { countOf, optionsOf, selectionOf } from '../harness/arguments.ts'
import { killAllAtEnd, output } from '../harness/contest/terminal.ts'
import { benchLocks } from './bench.ts'
import { lockRoster } from './roster.ts'

const { out, ...given } = optionsOf({ rounds: '7', ms: '1000', callers: '64', only: '', out: '' })
const all = lockRoster.map(({ id }) => id)
const ids = selectionOf(given.only, all)
const entries = lockRoster.filter(({ id }) => ids.includes(id))
const [rounds, ms] = [countOf('rounds', given.rounds), countOf('ms', given.ms)]

killAllAtEnd()
process.exitCode = await benchLocks({ entries, rounds, ms, callers: countOf('callers', given.callers), out }, output)
