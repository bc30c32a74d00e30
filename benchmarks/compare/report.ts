/** What a run leaves in its folder: `latest.json` with every round, and the two charts. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from '../harness/machine.ts'
import { ratioChart } from './ratio-chart.ts'
import { sizeChart } from './size-chart.ts'
import type { Row, Summary } from './summary.ts'

export interface Report {
  readonly machine: Machine
  /** What of the library was measured. */
  readonly measures: string
  readonly rounds: number
  readonly ms: number
  readonly summaries: readonly Summary[]
}

/** Returns the names of the files. */
export function writeReport(folder: string, report: Report): readonly string[] {
  const { machine, rounds, ms } = report
  const caption = [
    `Median of ${rounds} interleaved rounds of ${ms} ms; server and client in two processes on loopback.`,
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${machine.date.slice(0, 10)}.`
  ]
  const files: readonly (readonly [name: string, content: string | undefined])[] = [
    ['latest.json', `${JSON.stringify(plain(report), null, 2)}\n`],
    ['ratios.svg', ratioChart(report.summaries, caption)],
    ['sizes.svg', sizeChart(report.summaries, caption)]
  ]
  mkdirSync(folder, { recursive: true })
  return files.flatMap(([name, content]) => {
    // A chart needs workloads that this run may not have had.
    if (content === undefined) return []
    writeFileSync(join(folder, name), content)
    return [name]
  })
}

function plain({ summaries, ...run }: Report): object {
  const known = summaries.flatMap(({ rows }) =>
    rows.flatMap(({ entry, version }) => (version ? [[entry.id, version]] : []))
  )
  const workloads = summaries.map(({ workload, rows }) => ({ ...workload, contestants: rows.map(plainRow) }))
  return { ...run, versions: Object.fromEntries(known), workloads }
}

function plainRow({ entry, rounds: all, measured, reason, failed }: Row): object {
  const who = { id: entry.id, label: entry.label }
  if (measured === undefined) return failed ? { ...who, cannotRun: reason } : { ...who, lacks: reason }
  // The single latencies are thousands of numbers, and their percentiles are there.
  const rounds = all.map(({ latenciesMs, ...round }) => round)
  return { ...who, ...measured, rounds }
}
