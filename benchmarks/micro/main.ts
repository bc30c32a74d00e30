/**
 * The micro-benchmarks: what each hot piece of the built library costs in CPU time, memory and promises.
 *
 * Time is the median of rounds that are interleaved between all pieces, each in a fresh process, so that neither a slow
 * minute of the machine nor one lucky optimisation makes a figure. Memory and promises are exact and taken once.
 * `--against <folder>` measures a second build in the same rounds.
 */

import { optionsOf, selectionOf } from '../harness/arguments.ts'
import { messageOf } from '../harness/commands.ts'
import { libraryAt } from '../harness/library.ts'
import { machine } from '../harness/machine.ts'
import { type Cost, costsOf, type Suite, timeOf } from '../harness/pieces/costs.ts'
import { spread } from '../harness/statistics.ts'
import { number, table } from '../harness/table.ts'
import { pieces } from './pieces/index.ts'

const { only, rounds, ms, against } = optionsOf({ only: '', rounds: 5, ms: 200, against: '' })
const all = pieces.map(({ name }) => name)
const names = selectionOf(only, all)

interface Build extends Suite {
  readonly name: string
}

const module = new URL('./pieces/index.ts', import.meta.url)
const builds: Build[] = [{ name: '', module, library: libraryAt('') }]
if (against !== '') builds.push({ name: ' (against)', module, library: libraryAt(against) })

interface Row {
  readonly name: string
  readonly operation: string
  readonly build: Build
  readonly times: number[]
  cost?: Cost
  /** Why it could not be measured: an older build need not have every piece. */
  failure?: string
}

async function measure(row: Row, what: string, take: () => Promise<void>): Promise<void> {
  if (row.failure !== undefined) return
  console.error(`${what}: ${row.name}${row.build.name}`)
  try {
    await take()
  } catch (error) {
    row.failure = messageOf(error)
  }
}

function cellsOf({ name, operation, build, times, cost, failure }: Row): string[] {
  const title = `${name}${build.name}`
  if (failure !== undefined || cost === undefined) return [title, '-', '-', '-', '-', '-', failure ?? 'not measured']
  const { median, min, max } = spread(times)
  const { heap, buffers, promises } = cost
  const time = [number(median), `${number(min)} - ${number(max)}`]
  return [title, ...time, number(heap, 0), number(buffers, 0), number(promises, 2), operation]
}

const rows: Row[] = pieces
  .filter(({ name }) => names.includes(name))
  .flatMap(({ name, operation }) => builds.map((build) => ({ name, operation, build, times: [] })))
for (let round = 1; round <= rounds; round++) {
  for (const row of rows) {
    await measure(row, `round ${round} of ${rounds}`, async () => {
      row.times.push(await timeOf(row.build, row.name, ms))
    })
  }
}
for (const row of rows) {
  await measure(row, 'memory', async () => {
    row.cost = (await costsOf(row.build, [row.name]))[0]
  })
}

const header = ['piece', 'ns of CPU', 'from - to', 'heap B', 'buffer B', 'promises', 'one operation']
console.log(table(header, rows.map(cellsOf)))
console.log(`\n${machine()}`)
if (rows.some(({ failure }) => failure !== undefined)) process.exitCode = 1
