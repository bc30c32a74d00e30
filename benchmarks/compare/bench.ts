/** One whole run: compares, prints as it goes, writes the report, and says by which code the process should exit. */

import { WrongAnswer } from '../harness/commands.ts'
import { type Comparison, compare } from '../harness/contest/rounds.ts'
import type { Output } from '../harness/contest/terminal.ts'
import { besides, measures } from '../harness/library.ts'
import { describeMachine } from '../harness/machine.ts'
import { writeReport } from './report.ts'
import type { Entry } from './roster.ts'
import { type Summary, summarise } from './summary.ts'
import { figure, matrix, ratioText, workloadTable } from './table.ts'
import { type Workload, warmUps } from './workloads.ts'

export interface Bench extends Pick<Comparison<Workload, Entry>, 'workloads' | 'entriesOf' | 'rounds' | 'ms'> {
  /** Folder of the report. */
  readonly out: string
}

export async function bench({ out, ...plan }: Bench, { print, progress }: Output): Promise<number> {
  const machine = describeMachine()
  const { rounds, ms } = plan
  print(`${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${machine.node}, ${machine.date}`)
  print(`commit ${machine.commit}, ${measures}; ${rounds} rounds of ${ms} ms`)
  const summaries: Summary[] = []
  const versions = await compare({
    ...{ ...plan, driver: besides(import.meta.url, './drive'), warmUps, progress },
    onResult(result) {
      const summary = summarise(result)
      summaries.push(summary)
      print(`\n${workloadTable(summary)}`)
    }
  })
  if (versions instanceof WrongAnswer) {
    print(`\nAn answer differs, so nothing here counts: ${versions.message}`)
    return 1
  }
  print(`\n${matrices(summaries).join('\n\n')}`)
  const files = writeReport(out, { machine, measures, rounds, ms, versions, summaries })
  print(`\nWritten: ${files.join(', ')} (in ${out})`)
  const broken = summaries.flatMap(({ workload, rows }) =>
    rows.filter(({ entry, failed }) => failed && !entry.isRival).map(({ entry }) => `${entry.id} in ${workload.id}`)
  )
  if (broken.length === 0) return 0
  print(`\nThe comparison lacks one of its own: ${broken.join(', ')}`)
  return 1
}

function matrices(summaries: readonly Summary[]): string[] {
  const main = summaries.filter(({ workload }) => !workload.isSize)
  const rates = main.filter(({ workload }) => workload.kind !== 'latency')
  const sizes = summaries.filter(({ workload }) => workload.isSize)
  const tables: readonly Parameters<typeof matrix>[] = [
    [
      'Rate, bare ws is 1; latency: p99 in ms',
      main,
      ({ ratio, latency }) => (latency === undefined ? ratioText(ratio) : figure(latency.p99Ms))
    ],
    ['CPU time of both processes, bare ws is 1', rates, ({ cpuRatio }) => ratioText(cpuRatio)],
    ['By payload: rate, bare ws is 1', sizes, ({ ratio }) => ratioText(ratio)],
    ['By payload: CPU time of both processes per request, us', sizes, ({ cpuUs }) => figure(cpuUs.median)]
  ]
  return tables.filter(([, of]) => of.length > 0).map((each) => matrix(...each))
}
