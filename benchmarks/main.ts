/** `npm run bench`: reads the command line, runs the comparison, and leaves no process behind however it ends. */

import { fileURLToPath } from 'node:url'
import { bench, type Output } from './bench.ts'
import { killAll } from './child.ts'
import { type Options, parseOptions, UsageError, usage } from './options.ts'
import { type Entry, roster } from './roster.ts'
import { type Workload, workloads } from './workloads.ts'

const isBuilt = !import.meta.url.endsWith('.ts')
const defaultOut = fileURLToPath(new URL(isBuilt ? '../results' : './results', import.meta.url))

/** By convention 128 and the number of the signal. */
const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

for (const [signal, code] of Object.entries(exitCodes)) {
  process.once(signal, () => {
    killAll()
    process.exit(code)
  })
}
process.once('exit', killAll)

/** On a terminal one line that changes; elsewhere a line for each step would drown the rest, so one now and then. */
const progress = process.stderr.isTTY ? overwrite : printSeldom()

const output: Output = {
  print(text) {
    if (process.stderr.isTTY) process.stderr.write('\x1b[2K\r')
    console.log(text)
  },
  progress
}

function overwrite(text: string): void {
  process.stderr.write(`\x1b[2K\r${text}`)
}

function printSeldom(): (text: string) => void {
  const everyMs = 5_000
  let lastMs = Number.NEGATIVE_INFINITY
  return (text) => {
    if (performance.now() - lastMs < everyMs) return
    lastMs = performance.now()
    process.stderr.write(`${text}\n`)
  }
}

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
