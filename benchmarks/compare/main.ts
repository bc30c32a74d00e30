/** `npm run bench`: reads the command line, runs the comparison, and leaves no process behind however it ends. */

import { fileURLToPath } from 'node:url'
import { orRefuse } from '../harness/arguments.ts'
import { killAllAtEnd, output } from '../harness/contest/terminal.ts'
import { isCompiled } from '../harness/library.ts'
import { bench } from './bench.ts'
import { parseOptions, usage } from './options.ts'
import { type Entry, roster } from './roster.ts'
import { type Workload, workloads } from './workloads.ts'

const defaultOut = fileURLToPath(new URL(isCompiled ? '../../../results' : '../results', import.meta.url))

function list(): string {
  const line = ({ id }: { id: string }, about: string) => `  ${id.padEnd(20)}  ${about}`
  return [
    'contestants',
    ...roster.map((entry) => line(entry, entry.about)),
    'workloads',
    ...workloads.map((workload) => line(workload, workload.title))
  ].join('\n')
}

function entriesOf(only: readonly Entry[] | undefined): (workload: Workload) => readonly Entry[] {
  return ({ isSize }) => only ?? (isSize ? roster.filter(({ inSizes }) => inSizes) : roster)
}

const { shows, only, out = defaultOut, ...plan } = orRefuse(() => parseOptions(process.argv.slice(2)))
killAllAtEnd()
if (shows === undefined) process.exitCode = await bench({ ...plan, out, entriesOf: entriesOf(only) }, output)
else console.log(shows === 'help' ? usage : list())
