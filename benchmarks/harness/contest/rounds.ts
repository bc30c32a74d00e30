/**
 * The course of a comparison: for each workload a turn of every contestant that does not count, then rounds, interleaved.
 *
 * In a round each contestant has its turn, and each round begins with another one, so that a machine that slows down
 * slows all of them. A contestant that cannot run a workload is out of that workload; an answer that differs ends it all.
 */

import { WrongAnswer } from '../commands.ts'
import type { Entry, Round, Workload } from './contestant.ts'
import { type Driving, Pair } from './pair.ts'

export type Outcome =
  | { readonly state: 'measured'; readonly rounds: readonly Round[] }
  /** It has no means for that, which is no fault. */
  | { readonly state: 'lacking'; readonly reason: string }
  | { readonly state: 'failed'; readonly reason: string }

export type Outcomes<Who extends Entry = Entry> = ReadonlyMap<Who, Outcome>

export interface Result<Work extends Workload, Who extends Entry> {
  readonly workload: Work
  readonly outcomes: Outcomes<Who>
}

export interface Comparison<Work extends Workload, Who extends Entry> extends Driving<Work> {
  readonly workloads: readonly Work[]
  readonly entriesOf: (workload: Work) => readonly Who[]
  readonly rounds: number
  readonly onProgress: (progress: Progress) => void
  readonly onResult: (result: Result<Work, Who>) => void
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

export type Versions = ReadonlyMap<string, string>

/** Rejects with `WrongAnswer` when an answer differs. However it ends, no process is left. */
export async function compare<Work extends Workload, Who extends Entry>(
  comparison: Comparison<Work, Who>
): Promise<Versions> {
  const { workloads, entriesOf, rounds } = comparison
  const field = new Field(comparison)
  const turnsOf = (workload: Work) =>
    entriesOf(workload).filter((entry) => !lacks(entry, workload)).length * (rounds + 1)
  const turns = workloads.reduce((sum, workload) => sum + turnsOf(workload), 0)
  let turnsBefore = 0
  try {
    for (const workload of workloads) {
      comparison.onResult(await runWorkload(workload, comparison, field, turnsBefore, turns))
      turnsBefore += turnsOf(workload)
    }
    return field.versions
  } finally {
    await field.close()
  }
}

async function runWorkload<Work extends Workload, Who extends Entry>(
  workload: Work,
  { entriesOf, rounds, onProgress }: Comparison<Work, Who>,
  field: Field,
  turnsBefore: number,
  turns: number
): Promise<Result<Work, Who>> {
  const entries = entriesOf(workload)
  const outcomes = new Map<Who, Outcome>()
  for (const entry of entries) {
    const reason = lacks(entry, workload)
    outcomes.set(entry, reason === undefined ? { state: 'measured', rounds: [] } : { state: 'lacking', reason })
  }
  let turn = turnsBefore
  for (let round = 0; round <= rounds; round++) {
    for (const entry of rotated(entries, round)) {
      const outcome = outcomes.get(entry)
      if (outcome?.state !== 'measured') continue
      onProgress({ workload, entry, round, turn: ++turn, turns })
      try {
        const measured = await field.measure(entry, workload)
        if (round > 0) outcomes.set(entry, { state: 'measured', rounds: [...outcome.rounds, measured] })
      } catch (error) {
        if (error instanceof WrongAnswer) throw new WrongAnswer(`${entry.id}, ${workload.id}: ${error.message}`)
        outcomes.set(entry, { state: 'failed', reason: error instanceof Error ? error.message : String(error) })
      }
    }
  }
  return { workload, outcomes }
}

function lacks(entry: Entry, { kind }: Workload): string | undefined {
  return entry.lacks?.[kind]
}

function rotated<T>(values: readonly T[], by: number): readonly T[] {
  const cut = by % values.length
  return [...values.slice(cut), ...values.slice(0, cut)]
}

/** The contestants that run, each started when it is first needed. */
class Field {
  readonly versions = new Map<string, string>()
  readonly #driving: Driving<Workload>
  /** One that did not start will not do so later either. */
  readonly #pairs = new Map<Entry, Promise<Pair>>()

  constructor(driving: Driving<Workload>) {
    this.#driving = driving
  }

  async measure(entry: Entry, workload: Workload): Promise<Round> {
    const starting = this.#pairs.get(entry) ?? this.#start(entry)
    this.#pairs.set(entry, starting)
    const pair = await starting
    try {
      return await pair.measure(workload, this.#driving.ms)
    } catch (error) {
      // In what state it is nobody knows: the next workload gets new processes.
      this.#pairs.delete(entry)
      await pair.close()
      throw error
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#pairs.values()].map(async (starting) => await (await starting).close()))
  }

  async #start(entry: Entry): Promise<Pair> {
    const pair = await Pair.start(entry, this.#driving)
    if (pair.version !== undefined) this.versions.set(entry.id, pair.version)
    return pair
  }
}
