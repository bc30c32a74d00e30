/** The command line: what it takes, and what it answers to what it does not take. */

import { parseArgs } from 'node:util'
import { type Entry, roster } from './roster.ts'
import { groups, type Workload, workloads } from './workloads.ts'

export interface Options {
  /** Undefined: all, and for the group `sizes` those that belong there. */
  readonly only: readonly Entry[] | undefined
  readonly workloads: readonly Workload[]
  readonly rounds: number
  readonly ms: number
  /** Where results and charts go; undefined for the folder `results` beside this program. */
  readonly out: string | undefined
  readonly shows: 'help' | 'list' | undefined
}

/** Something on the command line is wrong; the message says what would be right. */
export class UsageError extends Error {}

const definitions = {
  only: { type: 'string' },
  workloads: { type: 'string' },
  rounds: { type: 'string', default: '7' },
  ms: { type: 'string', default: '500' },
  out: { type: 'string' },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false }
} as const

export const usage = `npm run bench -- [options]

  --only a,b        these contestants only; ratios need ws among them
  --workloads x,y   these workloads or groups only (${Object.keys(groups).join(', ')})
  --rounds n        rounds of each workload, after a warm-up (${definitions.rounds.default})
  --ms n            length of a round of one contestant (${definitions.ms.default})
  --out folder      for latest.json, ratios.svg and sizes.svg (benchmarks/results)
  --list            contestants and workloads
  --help            this

Exit codes: 0 all well, or only a rival could not run; 1 an answer differs, or one of ours could not run;
2 wrong options.`

export function parseOptions(args: readonly string[]): Options {
  const values = parse(args)
  return {
    only: values.only === undefined ? undefined : named(values.only, roster, 'contestant'),
    workloads: values.workloads === undefined ? workloads : workloadsOf(values.workloads),
    rounds: positive(values.rounds, 'rounds'),
    ms: positive(values.ms, 'ms'),
    out: values.out,
    shows: values.help ? 'help' : values.list ? 'list' : undefined
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: definitions }).values
  } catch (error) {
    const options = Object.keys(definitions).map((name) => `--${name}`)
    const [what] = (error as Error).message.split('. ')
    throw new UsageError(`${what}. The options are ${options.join(', ')}.`)
  }
}

function named<T extends { readonly id: string }>(list: string, all: readonly T[], what: string): readonly T[] {
  const ids = namesIn(list)
  const wrong = ids.find((id) => !all.some((each) => each.id === id))
  if (wrong !== undefined || ids.length === 0) {
    throw new UsageError(
      `There is no ${what} "${wrong ?? ''}". The ${what}s are ${all.map(({ id }) => id).join(', ')}.`
    )
  }
  return all.filter(({ id }) => ids.includes(id))
}

function workloadsOf(list: string): readonly Workload[] {
  const ids = namesIn(list).flatMap((name) => groups[name]?.map(({ id }) => id) ?? name)
  try {
    return named(ids.join(), workloads, 'workload')
  } catch (error) {
    throw new UsageError(`${(error as Error).message} The groups are ${Object.keys(groups).join(', ')}.`)
  }
}

function namesIn(list: string): readonly string[] {
  return list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

function positive(text: string, name: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new UsageError(`--${name} takes a whole number from 1, not "${text}".`)
  return value
}
