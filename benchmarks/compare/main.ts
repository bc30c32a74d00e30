/** `npm run bench`: reads the command line, runs the comparison, and leaves no process behind however it ends. */

import { fileURLToPath } from 'node:url'
import { bench } from './bench.ts'
import { type Options, parseOptions, UsageError, usage } from './options.ts'
import { type Entry, roster } from './roster.ts'
import { killAllAtEnd, output } from './terminal.ts'
import { type Workload, workloads } from './workloads.ts'

const isBuilt = !import.meta.url.endsWith('.ts')
const defaultOut = fileURLToPath(new URL(isBuilt ? '../../results' : '../results', import.meta.url))

killAllAtEnd()

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

async function run({ shows, only, out = defaultOut, ...plan }: Options): Promise<number> {
  if (shows !== undefined) {
    console.log(shows === 'help' ? usage : list())
    return 0
  }
  return await bench({ ...plan, out, entriesOf: entriesOf(only) }, output)
}

try {
  process.exitCode = await run(parseOptions(process.argv.slice(2)))
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(error.message)
  process.exitCode = 2
}
