/** One whole run of the locks: compares, prints, writes its file, and says by which code the process should exit. */

import { writeFileSync } from 'node:fs'
import { WrongAnswer } from '../harness/commands.ts'
import type { Entry } from '../harness/contest/contestant.ts'
import { compare, type Outcomes, type Versions } from '../harness/contest/rounds.ts'
import type { Output } from '../harness/contest/terminal.ts'
import { besides } from '../harness/library.ts'
import { describeMachine, machine } from '../harness/machine.ts'
import type { LockWorkload } from './drive.ts'
import { lockWorkload } from './roster.ts'
import { type LockRow, lockRows, lockTable } from './summary.ts'

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

export async function benchLocks(plan: LockBench, { print, progress }: Output, work = defaultWork): Promise<number> {
  const { entries, rounds, ms, callers, out } = plan
  const { workloadOf, driver } = work
  const workload = workloadOf(callers)
  let outcomes: Outcomes = new Map()
  const versions = await compare({
    ...{ workloads: [workload], entriesOf: () => entries, rounds, ms },
    ...{ driver, warmUps: [workloadOf(64)], progress },
    onResult(result) {
      outcomes = result.outcomes
    }
  })
  if (versions instanceof WrongAnswer) {
    print(`A wrong answer, so nothing here counts: ${versions.message}`)
    return 1
  }
  const rows = lockRows(outcomes)
  print(`${workload.title}: ${rounds} interleaved rounds of ${ms} ms, medians\n\n${lockTable(rows)}\n\n${machine()}`)
  if (out !== '') write(plan, versions, rows)
  return rows.some(({ entry, figures }) => !entry.isRival && figures === undefined) ? 1 : 0
}

function write({ rounds, ms, callers, out }: LockBench, versions: Versions, rows: readonly LockRow[]): void {
  const contestants = rows.map(({ entry: { id, label }, figures, reason }) =>
    figures === undefined ? { id, label, cannotRun: reason } : { id, label, version: versions.get(id), ...figures }
  )
  writeFileSync(out, `${JSON.stringify({ machine: describeMachine(), rounds, ms, callers, contestants }, null, 2)}\n`)
}
