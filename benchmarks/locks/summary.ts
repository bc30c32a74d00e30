/** What the rounds of a contestant come to, and all of them as a table. */

import { cpuUsOf, perSecond, type Round } from '../harness/contest/contestant.ts'
import type { Outcome } from '../harness/contest/rounds.ts'
import { percentile, ratios, type Spread, spread } from '../harness/statistics.ts'
import { type Cell, number, table } from '../harness/table.ts'

export interface LockRow extends Outcome {
  /** Undefined where there are no rounds. */
  readonly figures: ReturnType<typeof figuresOf> | undefined
}

export function lockRows(outcomes: readonly Outcome[]): readonly LockRow[] {
  return outcomes.map((outcome) => {
    return { ...outcome, figures: outcome.rounds.length > 0 ? figuresOf(outcome.rounds, outcomes) : undefined }
  })
}

function figuresOf(rounds: readonly Round[], outcomes: readonly Outcome[]) {
  const of = (figure: (round: Round) => number): Spread => spread(rounds.map(figure))
  const latencyUs = (part: number) => of(({ latenciesMs = [] }) => percentile(latenciesMs, part) * 1000)
  const rivals = outcomes.filter((outcome) => outcome.entry.isRival && outcome.rounds.length > 0)
  const toRivals = rivals.map((rival) => {
    return [rival.entry.id, ratios(rounds.map(perSecond), rival.rounds.map(perSecond))] as const
  })
  return {
    pairsPerSecond: of(perSecond),
    /** Of a pair, rlock and runlock, in each round. */
    p50Us: latencyUs(0.5),
    p99Us: latencyUs(0.99),
    /** CPU time per pair. */
    callerCpuUs: of((round) => cpuUsOf(round).client),
    serverCpuUs: of((round) => cpuUsOf(round).server),
    /** By id of the rival: how many times as many pairs, in each round. */
    ratios: Object.fromEntries(toRivals) as Readonly<Record<string, Spread>>
  }
}

/** Medians of the rounds. A contestant that could not run says why. */
export function lockTable(rows: readonly LockRow[]): string {
  const rivals = rows.filter(({ entry, figures }) => entry.isRival && figures !== undefined).map(({ entry }) => entry)
  const header = [
    ...['locks', 'pairs/s', 'from - to', 'p50 us', 'p99 us', 'us of CPU: caller', 'server', 'both'],
    ...rivals.map(({ id }) => `x ${id} (from - to)`)
  ]
  const cells = rows.map(({ entry, figures, reason }): Cell[] => {
    if (figures === undefined) return [entry.label, `cannot run: ${reason}`, ...header.slice(2).map(() => '-')]
    const { pairsPerSecond, p50Us, p99Us, callerCpuUs, serverCpuUs, ratios } = figures
    return [
      entry.label,
      number(pairsPerSecond.median, 0),
      `${number(pairsPerSecond.min, 0)} - ${number(pairsPerSecond.max, 0)}`,
      ...[p50Us, p99Us].map(({ median }) => number(median, 0)),
      ...[callerCpuUs.median, serverCpuUs.median, callerCpuUs.median + serverCpuUs.median].map((us) => number(us, 1)),
      ...rivals.map(({ id }) => (id === entry.id ? '1' : ratioText(ratios[id])))
    ]
  })
  return table(header, cells)
}

function ratioText(ratio: Spread | undefined): string {
  if (ratio === undefined) return '-'
  const { median, min, max } = ratio
  return `${median.toFixed(2)} (${min.toFixed(2)} - ${max.toFixed(2)})`
}
