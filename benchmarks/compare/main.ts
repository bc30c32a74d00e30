/** `npm run bench`: reads the command line, runs the comparison, and leaves no process behind however it ends. */

import { fileURLToPath } from 'node:url'
import { optionsOf, selected } from '../harness/arguments.ts'
import { killAllAtEnd, output } from '../harness/contest/terminal.ts'
import { isCompiled } from '../harness/library.ts'
import { bench } from './bench.ts'
import { roster } from './roster.ts'
import { groups, type Workload, workloads } from './workloads.ts'

const defaults = { only: '', workloads: '', rounds: 7, ms: 500, out: '', list: false, help: false }
const usage = `npm run bench -- [options]

  --only a,b        these contestants only; ratios need ws among them
  --workloads x,y   these workloads or groups only (${Object.keys(groups).join(', ')})
  --rounds n        rounds of each workload, after a warm-up (${defaults.rounds})
  --ms n            length of a round of one contestant (${defaults.ms})
  --out folder      for latest.json, ratios.svg and sizes.svg (benchmarks/results)
  --list            contestants and workloads
  --help            this

Exit codes: 0 all well, or only a rival could not run; 1 an answer differs, or one of ours could not run;
2 wrong options.`

const { only, workloads: wanted, rounds, ms, out, list, help } = optionsOf(defaults)
const entries = selected(only, roster, {})
const entriesOf = ({ isSize }: Workload) => (isSize && only === '' ? entries.filter(({ inSizes }) => inSizes) : entries)
const plan = { workloads: selected(wanted, workloads, groups), entriesOf, rounds, ms }

if (help) console.log(usage)
else if (list) {
  const line = (id: string, about: string) => `  ${id.padEnd(20)}  ${about}`
  const contestants = entries.map(({ id, about }) => line(id, about))
  const titles = plan.workloads.map(({ id, title }) => line(id, title))
  console.log(['contestants', ...contestants, 'workloads', ...titles].join('\n'))
} else {
  killAllAtEnd()
  const folder = out || fileURLToPath(new URL(isCompiled ? '../../../results' : '../results', import.meta.url))
  process.exitCode = await bench({ ...plan, out: folder }, output)
}
