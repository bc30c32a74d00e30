/** `npm run bench:redis`: the locks of `it-grid/locks` beside those of Redis, by their clients, and what a killed server comes to. */

import { optionsOf } from '../harness/arguments.ts'
import { killAllAtEnd, output } from '../harness/contest/terminal.ts'
import { besides } from '../harness/library.ts'
import { benchLocks } from './bench.ts'
import { killedTable } from './killed.ts'
import { takeRoster, takeWorkload } from './roster.ts'

const { kill, ...plan } = optionsOf({ rounds: 5, ms: 1000, callers: 64, out: '', kill: 'yes' })

killAllAtEnd()
const work = { workloadOf: takeWorkload, driver: besides(import.meta.url, './take') }
process.exitCode = await benchLocks({ ...plan, entries: takeRoster }, output, work)
if (kill === 'yes') output.print(`\n${await killedTable()}`)
process.exit()
