/** What docs/doctor.md says is true: its blocks are one program, which compiles, runs, and prints what it says. */

import { describeProgram } from '../support/pages/program.ts'

describeProgram('docs/doctor.md', {
  ...{ servers: 1, logs: true },
  // What it rightly finds of event loops on a busy machine.
  steady: (printed) => printed.replace(/\[\n {2}'blockedLoop: [^\n]*\n\]/, '[]')
})
