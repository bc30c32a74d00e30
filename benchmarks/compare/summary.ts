/**
 * What the rounds of a workload come to: medians, spread, ratios to the floor.
 *
 * A ratio is the median of the ratios of each round, a contestant against the floor of the same round: what disturbs
 * a round disturbs both.
 */

import { cpuUsOf, perSecond, type Round } from '../harness/contest/contestant.ts'
import type { Outcome, Result } from '../harness/contest/rounds.ts'
import { percentile, ratios, type Spread, spread } from '../harness/statistics.ts'
import { type Entry, floorId } from './roster.ts'
import type { LatencyWorkload, Workload } from './workloads.ts'

export interface LatencySummary {
  /** Of the requests of all rounds together. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of each round. */
  readonly p99MsSpread: Spread
  /** What the bulk got through meanwhile, in 10^6 bytes. */
  readonly megabytesPerSecond: Spread
}

export interface Measured {
  readonly perSecond: Spread
  /** CPU time of both processes per request or message. */
  readonly cpuUs: Spread
  /** To the floor; undefined where the floor was not measured. */
  readonly ratio: Spread | undefined
  readonly cpuRatio: Spread | undefined
  readonly latency: LatencySummary | undefined
  readonly rounds: readonly Round[]
}

export interface Row {
  readonly entry: Entry
  readonly measured: Measured | undefined
  /** Why there is no figure. */
  readonly reason: string | undefined
  readonly failed: boolean
}

export interface Summary {
  readonly workload: Workload
  readonly rows: readonly Row[]
}

export function summarise({ workload, outcomes }: Result<Workload, Entry>): Summary {
  const floor = [...outcomes].find(([{ id }]) => id === floorId)?.[1]
  const floorRounds = floor?.state === 'measured' ? floor.rounds : undefined
  return { workload, rows: [...outcomes].map(([entry, outcome]) => rowOf(entry, outcome, workload, floorRounds)) }
}

/** All contestants of some workloads, each once. */
export function entriesOf(summaries: readonly Summary[]): Entry[] {
  return [...new Set(summaries.flatMap(({ rows }) => rows.map(({ entry }) => entry)))]
}

function rowOf(entry: Entry, outcome: Outcome, workload: Workload, floor: readonly Round[] | undefined): Row {
  const failed = outcome.state === 'failed'
  if (outcome.state !== 'measured') return { entry, measured: undefined, reason: outcome.reason, failed }
  const { rounds } = outcome
  const cpuUs = (round: Round) => cpuUsOf(round).both
  const ratioOf = (figure: (round: Round) => number) => floor && ratios(rounds.map(figure), floor.map(figure))
  const measured: Measured = {
    perSecond: spread(rounds.map(perSecond)),
    cpuUs: spread(rounds.map(cpuUs)),
    ratio: ratioOf(perSecond),
    cpuRatio: ratioOf(cpuUs),
    latency: workload.kind === 'latency' ? latencyOf(rounds, workload) : undefined,
    rounds
  }
  return { entry, measured, reason: undefined, failed }
}

function latencyOf(rounds: readonly Round[], { bytes }: LatencyWorkload): LatencySummary {
  const all = rounds.flatMap(({ latenciesMs = [] }) => latenciesMs)
  return {
    p50Ms: percentile(all, 0.5),
    p99Ms: percentile(all, 0.99),
    p99MsSpread: spread(rounds.map(({ latenciesMs = [] }) => percentile(latenciesMs, 0.99))),
    megabytesPerSecond: spread(rounds.map((round) => (perSecond(round) * bytes) / 1e6))
  }
}
