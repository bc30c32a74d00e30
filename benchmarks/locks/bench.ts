/** One whole run of the locks: compares, prints, writes its file, and says by which code the process should exit. */

import { writeFileSync } from 'node:fs'
import type { Entry } from '../harness/contest/contestant.ts'
import { compare, type Outcome } from '../harness/contest/rounds.ts'
import type { Output } from '../harness/contest/terminal.ts'
import { besides } from '../harness/library.ts'
import { describeMachine, machine } from '../harness/machine.ts'
import type { LockWorkload } from './drive.ts'
import { lockWorkload } from './roster.ts'
import { lockRows, lockTable } from './summary.ts'

export interface LockBench {
  readonly entries: readonly Entry[]
  readonly rounds: number
  readonly ms: number
  readonly callers: number
  /** File of the figures; none where it is empty. */
  readonly out: string
}

/** What the callers do. */
export interface LockWork {
  readonly workloadOf: (callers: number) => LockWorkload
  readonly driver: URL
}

const defaultWork: LockWork = { workloadOf: lockWorkload, driver: besides(import.meta.url, './drive') }

export async function benchLocks(plan: LockBench, output: Output, work = defaultWork): Promise<number> {
  const { entries, rounds, ms, callers, out } = plan
  const { workloadOf, driver } = work
  const workload = workloadOf(callers)
  let outcomes: readonly Outcome[] = []
  const onResult = (result: { readonly outcomes: readonly Outcome[] }) => {
    outcomes = result.outcomes
  }
  const course = { workloads: [workload], entriesOf: () => entries, rounds, ms, driver, warmUps: [workloadOf(64)] }
  if (!(await compare({ ...course, onResult }, output))) return 1
  const rows = lockRows(outcomes)
  const title = `${workload.title}: ${rounds} interleaved rounds of ${ms} ms, medians`
  output.print(`${title}\n\n${lockTable(rows)}\n\n${machine()}`)
  if (out !== '') {
    const contestants = rows.map(({ entry: { id, label }, figures, reason, version }) =>
      figures === undefined ? { id, label, cannotRun: reason } : { id, label, version, ...figures }
    )
    writeFileSync(out, `${JSON.stringify({ machine: describeMachine(), rounds, ms, callers, contestants }, null, 2)}\n`)
  }
  return rows.some(({ entry, figures }) => !entry.isRival && figures === undefined) ? 1 : 0
}
