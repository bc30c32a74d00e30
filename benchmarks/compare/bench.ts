/** One whole run: compares, prints as it goes, writes the report, and says by which code the process should exit. */

import { type Comparison, compare } from '../harness/contest/rounds.ts'
import type { Output } from '../harness/contest/terminal.ts'
import { besides, measures } from '../harness/library.ts'
import { describeMachine } from '../harness/machine.ts'
import { writeReport } from './report.ts'
import type { Entry } from './roster.ts'
import { type Summary, summarise } from './summary.ts'
import { matrices, workloadTable } from './tables.ts'
import { type Workload, warmUps } from './workloads.ts'

export interface Bench extends Pick<Comparison<Workload, Entry>, 'workloads' | 'entriesOf' | 'rounds' | 'ms'> {
  /** Folder of the report. */
  readonly out: string
}

export async function bench({ out, ...plan }: Bench, output: Output): Promise<number> {
  const { print } = output
  const machine = describeMachine()
  const { rounds, ms } = plan
  print(`${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${machine.node}, ${machine.date}`)
  print(`commit ${machine.commit}, ${measures}; ${rounds} rounds of ${ms} ms`)
  const summaries: Summary[] = []
  const onResult: Comparison<Workload, Entry>['onResult'] = (result) => {
    const summary = summarise(result)
    summaries.push(summary)
    print(`\n${workloadTable(summary)}`)
  }
  const driver = besides(import.meta.url, './drive')
  if (!(await compare({ ...plan, driver, warmUps, onResult }, output))) return 1
  print(`\n${matrices(summaries)}`)
  const files = writeReport(out, { machine, measures, rounds, ms, summaries })
  print(`\nWritten: ${files.join(', ')} (in ${out})`)
  const broken = summaries.flatMap(({ workload, rows }) =>
    rows.filter(({ entry, failed }) => failed && !entry.isRival).map(({ entry }) => `${entry.id} in ${workload.id}`)
  )
  if (broken.length === 0) return 0
  print(`\nThe comparison lacks one of its own: ${broken.join(', ')}`)
  return 1
}
