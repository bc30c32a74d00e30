/** The command line: what it takes, and what it answers to what it does not take. */

import { parse, UsageError, wholeNumber } from '../harness/arguments.ts'
import { roster } from './roster.ts'
import { groups, type Workload, workloads } from './workloads.ts'

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

/** @throws {UsageError} */
export function parseOptions(args: readonly string[]) {
  const known = Object.keys(definitions).map((name) => `--${name}`)
  const explain = (problem: string) => `${problem.split('. ')[0]}. The options are ${known.join(', ')}.`
  const { only, workloads: wanted, out, help, list, ...numbers } = parse(definitions, args, explain)
  const positive = (name: keyof typeof numbers) =>
    wholeNumber(numbers[name], `--${name} takes a whole number from 1, not "${numbers[name]}".`)
  return {
    /** Undefined: all, and for the group `sizes` those that belong there. */
    only: only === undefined ? undefined : named(namesIn(only), roster, 'contestant'),
    workloads: wanted === undefined ? workloads : workloadsOf(namesIn(wanted)),
    rounds: positive('rounds'),
    ms: positive('ms'),
    /** Where results and charts go; undefined for the folder `results` beside this program. */
    out,
    shows: help ? ('help' as const) : list ? ('list' as const) : undefined
  }
}

function workloadsOf(names: readonly string[]): readonly Workload[] {
  const ids = names.flatMap((name) => groups[name]?.map(({ id }) => id) ?? name)
  return named(ids, workloads, 'workload', ` The groups are ${Object.keys(groups).join(', ')}.`)
}

function named<T extends { readonly id: string }>(
  ids: readonly string[],
  all: readonly T[],
  what: string,
  more = ''
): readonly T[] {
  const wrong = ids.find((id) => !all.some((each) => each.id === id))
  if (wrong === undefined && ids.length > 0) return all.filter(({ id }) => ids.includes(id))
  const known = all.map(({ id }) => id).join(', ')
  throw new UsageError(`There is no ${what} "${wrong ?? ''}". The ${what}s are ${known}.${more}`)
}

function namesIn(list: string): readonly string[] {
  const names = list.split(',').map((name) => name.trim())
  return names.filter((name) => name !== '')
}
