/**
 * The course of a comparison: for each workload a turn of every contestant that does not count, then rounds, interleaved.
 *
 * In a round each contestant has its turn, and each round begins with another one, so that a machine that slows down
 * slows all of them. A contestant that cannot run a workload is out of that workload; an answer that differs ends it all.
 */

import { WrongAnswer } from '../commands.ts'
import type { Entry, Round, Workload } from './contestant.ts'
import { type Driving, type Pair, startPair } from './pair.ts'
import type { Output } from './terminal.ts'

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
  readonly progress: Output['progress']
  readonly onResult: (result: Result<Work, Who>) => void
}

export type Versions = ReadonlyMap<string, string>

/** Returns what was wrong with an answer, if one was. However it ends, no process is left. */
export async function compare<Work extends Workload, Who extends Entry>(
  comparison: Comparison<Work, Who>
): Promise<Versions | WrongAnswer> {
  const { workloads, entriesOf, rounds, progress, onResult } = comparison
  const startMs = performance.now()
  const able = workloads.flatMap((workload) => entriesOf(workload).filter((entry) => !reasonOf(entry, workload)))
  const turns = able.length * (rounds + 1)
  const field = new Field(comparison)
  let turn = 0
  const run = async (workload: Work): Promise<Outcomes<Who>> => {
    const entries = entriesOf(workload)
    const outcomes = new Map(
      entries.map((entry): [Who, Outcome] => {
        const reason = reasonOf(entry, workload)
        return [entry, reason === undefined ? { state: 'measured', rounds: [] } : { state: 'lacking', reason }]
      })
    )
    for (let round = 0; round <= rounds; round++) {
      for (const entry of rotated(entries, round)) {
        const outcome = outcomes.get(entry)
        if (outcome?.state !== 'lacking') turn++
        if (outcome?.state !== 'measured') continue
        const leftMs = ((performance.now() - startMs) / (turn - 1)) * (turns - turn + 1)
        const left = turn > 1 ? `, ${Math.ceil(leftMs / 1000)} s left` : ''
        const what = round === 0 ? 'warm-up' : `round ${round}/${rounds}`
        progress(`${turn}/${turns}${left}: ${workload.id} ${what}, ${entry.id}`)
        const measured = await field.measure(entry, workload)
        if (measured instanceof Error) outcomes.set(entry, { state: 'failed', reason: measured.message })
        else if (round > 0) outcomes.set(entry, { state: 'measured', rounds: [...outcome.rounds, measured] })
      }
    }
    return outcomes
  }
  try {
    for (const workload of workloads) onResult({ workload, outcomes: await run(workload) })
    return field.versions
  } catch (error) {
    if (error instanceof WrongAnswer) return error
    throw error
  } finally {
    await field.close()
  }
}

/** Why it has no means for a workload, if so. */
function reasonOf({ lacks }: Entry, { kind }: Workload): string | undefined {
  return lacks?.[kind]
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

  /** Returns why a contestant could not run. Rejects with `WrongAnswer`. */
  async measure(entry: Entry, workload: Workload): Promise<Round | Error> {
    const starting = this.#pairs.get(entry) ?? startPair(entry, this.#driving)
    this.#pairs.set(entry, starting)
    let pair: Pair | undefined
    try {
      pair = await starting
      if (pair.version !== undefined) this.versions.set(entry.id, pair.version)
      return await pair.measure(workload, this.#driving.ms)
    } catch (error) {
      if (error instanceof WrongAnswer) throw new WrongAnswer(`${entry.id}, ${workload.id}: ${error.message}`)
      // Its state is unknown: the next workload gets new processes.
      if (pair !== undefined) this.#pairs.delete(entry)
      await pair?.close()
      return error instanceof Error ? error : new Error(String(error))
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#pairs.values()].map(async (starting) => await (await starting).close()))
  }
}
