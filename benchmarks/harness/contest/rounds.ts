/**
 * The course of a comparison: for each workload a turn of every contestant that does not count, then rounds, interleaved.
 *
 * In a round each contestant has its turn, and each round begins with another one, so that a machine that slows down
 * slows all of them. A contestant that cannot run a workload is out of that workload; an answer that differs ends it all.
 */

import { messageOf, WrongAnswer } from '../commands.ts'
import { rotated } from '../statistics.ts'
import type { Entry, Round, Workload } from './contestant.ts'
import { type Driving, type Pair, pairOf } from './pair.ts'
import type { Output } from './terminal.ts'

/** What a contestant came to in a workload. */
export interface Outcome<Who extends Entry = Entry> {
  readonly entry: Who
  rounds: Round[]
  /** Why there are no rounds: it has no means for that, which is no fault, or it failed. */
  reason?: string
  failed?: boolean
  /** Of its package. */
  version?: string
}

export interface Result<Work extends Workload, Who extends Entry> {
  readonly workload: Work
  readonly outcomes: readonly Outcome<Who>[]
}

export interface Comparison<Work extends Workload, Who extends Entry> extends Driving<Work> {
  readonly workloads: readonly Work[]
  readonly entriesOf: (workload: Work) => readonly Who[]
  readonly rounds: number
  readonly onResult: (result: Result<Work, Who>) => void
}

/** Returns whether all answers were right; one that was not is printed. However it ends, no process is left. */
export async function compare<Work extends Workload, Who extends Entry>(
  { workloads, entriesOf, rounds, onResult, ...driving }: Comparison<Work, Who>,
  output: Output
): Promise<boolean> {
  const pairs = new Map<Who, Pair>()
  const results = workloads.map((workload) => ({ workload, outcomes: entriesOf(workload).map(outcomeIn(workload)) }))
  const able = results.flatMap(({ outcomes }) => outcomes.filter(({ reason }) => reason === undefined))
  const startMs = performance.now()
  let turns = able.length * (rounds + 1)
  let turn = 0
  const tell = (what: string) => {
    const leftMs = ((performance.now() - startMs) / turn) * (turns - turn)
    output.progress(`${turn + 1}/${turns}${turn > 0 ? `, ${Math.ceil(leftMs / 1000)} s left` : ''}: ${what}`)
    turn++
  }
  try {
    for (const { workload, outcomes } of results) {
      for (let round = 0; round <= rounds; round++) {
        for (const outcome of rotated(outcomes, round)) {
          if (outcome.reason !== undefined) continue
          const { entry } = outcome
          tell(`${workload.id} ${round === 0 ? 'warm-up' : `round ${round}/${rounds}`}, ${entry.id}`)
          const pair = pairs.get(entry) ?? pairOf(entry, driving)
          pairs.set(entry, pair)
          await takeTurn(pair, workload, outcome, round > 0)
          if (outcome.failed) turns -= rounds - round
        }
      }
      onResult({ workload, outcomes })
    }
    return true
  } catch (error) {
    if (!(error instanceof WrongAnswer)) throw error
    output.print(`\nA wrong answer, so nothing here counts: ${error.message}`)
    return false
  } finally {
    await Promise.all([...pairs.values()].map((pair) => pair.close()))
  }
}

function outcomeIn({ kind }: Workload) {
  return <Who extends Entry>(entry: Who): Outcome<Who> => ({ entry, rounds: [], reason: entry.lacks?.[kind] })
}

/** Rejects with `WrongAnswer`. */
async function takeTurn(pair: Pair, workload: Workload, outcome: Outcome, counts: boolean): Promise<void> {
  try {
    const { round, version } = await pair.measure(workload)
    outcome.version = version
    if (counts) outcome.rounds.push(round)
  } catch (error) {
    if (error instanceof WrongAnswer) throw new WrongAnswer(`${outcome.entry.id}, ${workload.id}: ${error.message}`)
    Object.assign(outcome, { rounds: [], reason: messageOf(error), failed: true })
  }
}
