/** What the rounds of a workload come to: medians, spread, ratios to the floor of the same round. */

import { cpuUsOf, perSecond, type Round } from '../harness/contest/contestant.ts'
import type { Outcome, Result } from '../harness/contest/rounds.ts'
import { percentile, ratios, spread } from '../harness/statistics.ts'
import { type Entry, floorId } from './roster.ts'
import type { LatencyWorkload, Workload } from './workloads.ts'

export type Measured = ReturnType<typeof measuredOf>

export interface Row extends Outcome<Entry> {
  /** Undefined where there are no rounds. */
  readonly measured: Measured | undefined
}

export interface Summary {
  readonly workload: Workload
  readonly rows: readonly Row[]
}

export function summarise({ workload, outcomes }: Result<Workload, Entry>): Summary {
  const floor = outcomes.find(({ entry }) => entry.id === floorId)?.rounds
  const rows = outcomes.map((outcome) => {
    return { ...outcome, measured: outcome.rounds.length > 0 ? measuredOf(outcome.rounds, workload, floor) : undefined }
  })
  return { workload, rows }
}

/** All contestants of some workloads, each once. */
export function entriesOf(summaries: readonly Summary[]): Entry[] {
  return [...new Set(summaries.flatMap(({ rows }) => rows.map(({ entry }) => entry)))]
}

function measuredOf(rounds: readonly Round[], workload: Workload, floor: readonly Round[] = []) {
  const cpuUs = (round: Round) => cpuUsOf(round).both
  const ratioOf = (figure: (round: Round) => number) => {
    return floor.length > 0 ? ratios(rounds.map(figure), floor.map(figure)) : undefined
  }
  return {
    perSecond: spread(rounds.map(perSecond)),
    /** CPU time of both processes per request or message. */
    cpuUs: spread(rounds.map(cpuUs)),
    /** To the floor; undefined where the floor was not measured. */
    ratio: ratioOf(perSecond),
    cpuRatio: ratioOf(cpuUs),
    latency: workload.kind === 'latency' ? latencyOf(rounds, workload) : undefined
  }
}

function latencyOf(rounds: readonly Round[], { bytes }: LatencyWorkload) {
  const all = rounds.flatMap(({ latenciesMs = [] }) => latenciesMs)
  return {
    /** Of the requests of all rounds together. */
    p50Ms: percentile(all, 0.5),
    p99Ms: percentile(all, 0.99),
    /** Of each round. */
    p99MsSpread: spread(rounds.map(({ latenciesMs = [] }) => percentile(latenciesMs, 0.99))),
    /** What the bulk got through meanwhile, in 10^6 bytes. */
    megabytesPerSecond: spread(rounds.map((round) => (perSecond(round) * bytes) / 1e6))
  }
}
