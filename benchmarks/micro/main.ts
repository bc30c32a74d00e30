/**
 * The micro-benchmarks: what each hot piece of the built library costs in CPU time, memory and promises.
 *
 * Time is the median of rounds that are interleaved between all pieces, each in a fresh process, so that neither a slow
 * minute of the machine nor one lucky optimisation makes a figure. Memory and promises are exact and taken once.
 * `--against <folder>` measures a second build in the same rounds.
 */

import { pathToFileURL } from 'node:url'
import { countOf, optionsOf, refuse, selectionOf } from '../harness/arguments.ts'
import { builtLibrary, checkLibrary } from '../harness/library.ts'
import { machine } from '../harness/machine.ts'
import { type Cost, costOf, timeOf } from '../harness/processes.ts'
import { median, number, table } from '../harness/table.ts'
import { pieces } from './pieces/index.ts'

const given = optionsOf({ only: '', rounds: '5', ms: '200', against: '' })
const rounds = countOf('rounds', given.rounds)
const ms = countOf('ms', given.ms)
const names = selectionOf(
  given.only,
  pieces.map(({ name }) => name)
)

interface Build {
  readonly name: string
  readonly folder: URL
}

const builds: Build[] = [{ name: '', folder: builtLibrary }]
if (given.against !== '') builds.push({ name: ' (against)', folder: pathToFileURL(`${given.against}/`) })
for (const { folder } of builds) {
  try {
    checkLibrary(folder)
  } catch (error) {
    refuse(error instanceof Error ? error.message : String(error))
  }
}

interface Row {
  readonly name: string
  readonly operation: string
  readonly build: Build
  readonly times: number[]
  cost?: Cost
  /** Why it could not be measured: an older build need not have every piece. */
  failure?: string
}

async function measure(row: Row, what: string, take: () => Promise<unknown>): Promise<void> {
  if (row.failure !== undefined) return
  console.error(`${what}: ${row.name}${row.build.name}`)
  try {
    await take()
  } catch (error) {
    row.failure = error instanceof Error ? error.message : String(error)
  }
}

function cellsOf({ name, operation, build, times, cost, failure }: Row): string[] {
  const title = `${name}${build.name}`
  if (failure !== undefined || cost === undefined) return [title, '-', '-', '-', '-', '-', failure ?? 'not measured']
  const range = `${number(Math.min(...times))} - ${number(Math.max(...times))}`
  const { heap, buffers, promises } = cost
  return [title, number(median(times)), range, number(heap, 0), number(buffers, 0), number(promises, 2), operation]
}

const rows: Row[] = pieces
  .filter(({ name }) => names.includes(name))
  .flatMap(({ name, operation }) => builds.map((build) => ({ name, operation, build, times: [] })))
for (let round = 1; round <= rounds; round++) {
  for (const row of rows) {
    await measure(row, `round ${round} of ${rounds}`, async () => {
      row.times.push(await timeOf(row.build.folder, row.name, ms))
    })
  }
}
for (const row of rows) {
  await measure(row, 'memory', async () => {
    row.cost = await costOf(row.build.folder, row.name)
  })
}

const header = ['piece', 'ns of CPU', 'from - to', 'heap B', 'buffer B', 'promises', 'one operation']
console.log(table(header, rows.map(cellsOf)))
console.log(`\n${machine()}`)
if (rows.some(({ failure }) => failure !== undefined)) process.exitCode = 1
