/** One whole run: compares, prints as it goes, writes the report, and says by which code the process should exit. */

import { WrongAnswer } from '../harness/commands.ts'
import { compare, type Progress, type Versions } from '../harness/contest/rounds.ts'
import type { Output } from '../harness/contest/terminal.ts'
import { besides, measures } from '../harness/library.ts'
import { describeMachine } from '../harness/machine.ts'
import { writeReport } from './report.ts'
import type { Entry } from './roster.ts'
import { type Summary, summarise } from './summary.ts'
import { figure, matrix, ratioText, workloadTable } from './table.ts'
import { type Workload, warmUps } from './workloads.ts'

export interface Bench {
  readonly workloads: readonly Workload[]
  readonly entriesOf: (workload: Workload) => readonly Entry[]
  readonly rounds: number
  readonly ms: number
  /** Folder of the report. */
  readonly out: string
}

export async function bench({ out, ...plan }: Bench, { print, progress }: Output): Promise<number> {
  const machine = describeMachine()
  const { rounds, ms } = plan
  print(`${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${machine.node}, ${machine.date}`)
  print(`commit ${machine.commit}, ${measures}; ${rounds} rounds of ${ms} ms`)
  const summaries: Summary[] = []
  const startMs = performance.now()
  let versions: Versions
  try {
    versions = await compare({
      ...{ ...plan, driver: besides(import.meta.url, './drive'), warmUps },
      onProgress: (step) => progress(progressText(step, rounds, performance.now() - startMs)),
      onResult: (result) => {
        const summary = summarise(result)
        summaries.push(summary)
        print(`\n${workloadTable(summary)}`)
      }
    })
  } catch (error) {
    if (!(error instanceof WrongAnswer)) throw error
    print(`\nAn answer differs, so nothing here counts: ${error.message}`)
    return 1
  }
  print(`\n${matrices(summaries).join('\n\n')}`)
  const files = writeReport(out, { machine, rounds, ms, versions, summaries })
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

function progressText({ workload, entry, round, turn, turns }: Progress, rounds: number, elapsedMs: number): string {
  const left = turn > 1 ? `, ${Math.ceil(((elapsedMs / (turn - 1)) * (turns - turn + 1)) / 1000)} s left` : ''
  return `${turn}/${turns}${left}: ${workload.id} ${round === 0 ? 'warm-up' : `round ${round}/${rounds}`}, ${entry.id}`
}
