/**
 * The course of a comparison: for each workload a turn of every contestant that does not count, then rounds, interleaved.
 *
 * In a round each contestant has its turn, and each round begins with another one, so that a machine that slows down
 * slows all of them. A contestant that cannot run a workload is out of that workload; an answer that differs ends it all.
 */

import { WrongAnswer } from './checks.ts'
import { Pair, type Round } from './pair.ts'
import type { Entry } from './roster.ts'
import type { Workload } from './workloads.ts'

export type Outcome =
  | { readonly state: 'measured'; readonly rounds: readonly Round[] }
  /** It has no means for that, which is no fault. */
  | { readonly state: 'lacking'; readonly reason: string }
  | { readonly state: 'failed'; readonly reason: string }

export interface Result {
  readonly workload: Workload
  readonly outcomes: ReadonlyMap<Entry, Outcome>
}

export interface Comparison {
  readonly workloads: readonly Workload[]
  readonly entriesOf: (workload: Workload) => readonly Entry[]
  readonly rounds: number
  readonly ms: number
  readonly onProgress: (progress: Progress) => void
  readonly onResult: (result: Result) => void
}

export interface Progress {
  readonly workload: Workload
  readonly entry: Entry
  /** From 1; 0 is the warm-up. */
  readonly round: number
  /** Of all turns of the run. */
  readonly turn: number
  readonly turns: number
}

/** Rejects with `WrongAnswer` when an answer differs. However it ends, no process is left. */
export async function compare(comparison: Comparison): Promise<Versions> {
  const field = new Field()
  const turnsOf = (workload: Workload) =>
    comparison.entriesOf(workload).filter(({ lacks }) => lacks?.[workload.kind] === undefined).length *
    (comparison.rounds + 1)
  const turns = comparison.workloads.reduce((sum, workload) => sum + turnsOf(workload), 0)
  let turnsBefore = 0
  try {
    for (const workload of comparison.workloads) {
      comparison.onResult(await runWorkload(workload, comparison, field, turnsBefore, turns))
      turnsBefore += turnsOf(workload)
    }
    return field.versions
  } finally {
    await field.close()
  }
}

export type Versions = ReadonlyMap<string, string>

async function runWorkload(
  workload: Workload,
  { entriesOf, rounds, ms, onProgress }: Comparison,
  field: Field,
  turnsBefore: number,
  turns: number
): Promise<Result> {
  const entries = entriesOf(workload)
  const outcomes = new Map<Entry, Outcome>()
  for (const entry of entries) {
    const reason = entry.lacks?.[workload.kind]
    outcomes.set(entry, reason === undefined ? { state: 'measured', rounds: [] } : { state: 'lacking', reason })
  }
  let turn = turnsBefore
  for (let round = 0; round <= rounds; round++) {
    for (const entry of rotated(entries, round)) {
      const outcome = outcomes.get(entry)
      if (outcome?.state !== 'measured') continue
      onProgress({ workload, entry, round, turn: ++turn, turns })
      try {
        const measured = await field.measure(entry, workload, ms)
        if (round > 0) outcomes.set(entry, { state: 'measured', rounds: [...outcome.rounds, measured] })
      } catch (error) {
        if (error instanceof WrongAnswer) throw new WrongAnswer(`${entry.id}, ${workload.id}: ${error.message}`)
        outcomes.set(entry, { state: 'failed', reason: error instanceof Error ? error.message : String(error) })
      }
    }
  }
  return { workload, outcomes }
}

function rotated<T>(values: readonly T[], by: number): readonly T[] {
  const cut = by % values.length
  return [...values.slice(cut), ...values.slice(0, cut)]
}

/** The contestants that run, each started when it is first needed. */
class Field {
  readonly versions = new Map<string, string>()
  readonly #pairs = new Map<Entry, Pair>()
  /** Those that did not start: they will not do so later either. */
  readonly #failures = new Map<Entry, Error>()

  async measure(entry: Entry, workload: Workload, ms: number): Promise<Round> {
    const pair = await this.#pairOf(entry, ms)
    try {
      return await pair.measure(workload, ms)
    } catch (error) {
      // In what state it is nobody knows: the next workload gets new processes.
      this.#pairs.delete(entry)
      await pair.close()
      throw error
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pairs.values()].map((pair) => pair.close()))
  }

  async #pairOf(entry: Entry, ms: number): Promise<Pair> {
    const known = this.#pairs.get(entry)
    if (known !== undefined) return known
    const failure = this.#failures.get(entry)
    if (failure !== undefined) throw failure
    try {
      const pair = await Pair.start(entry, ms)
      this.#pairs.set(entry, pair)
      if (pair.version !== undefined) this.versions.set(entry.id, pair.version)
      return pair
    } catch (error) {
      this.#failures.set(entry, error as Error)
      throw error
    }
  }
}
