/** What docs/guests.md says is true: its blocks are one program, which compiles, runs, and prints what it says. */

import { describeProgram } from '../support/pages/program.ts'

describeProgram('docs/guests.md', { servers: 1, logs: true })
