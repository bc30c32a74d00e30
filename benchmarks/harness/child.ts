/** The process that measures: gets its task as JSON, sends its parent the result, leaves. See `processes.ts`. */

import { libraryIn } from './library.ts'
import { countPromises, measureBytes, measureTime, warmUp } from './measure.ts'
import type { Piece, Run } from './piece.ts'
import type { Cost, Task } from './processes.ts'

const task = JSON.parse(process.argv[2] ?? '') as Task
const { pieces } = (await import(task.module)) as { readonly pieces: readonly Piece[] }

async function prepared(name: string): Promise<Run> {
  const piece = pieces.find((candidate) => candidate.name === name)
  if (piece === undefined) throw new Error(`no piece ${name}`)
  return await piece.prepare(libraryIn(new URL(task.library)))
}

async function measured(run: Run): Promise<number | Cost> {
  const { ruler, warmUpOperations } = task
  if (ruler === 'time') return await measureTime(run, warmUpOperations, task.ms)
  await warmUp(run, warmUpOperations)
  return { ...(await measureBytes(run, warmUpOperations)), promises: await countPromises(run) }
}

const results: (number | Cost)[] = []
for (const name of task.pieces) results.push(await measured(await prepared(name)))
process.send?.(results, () => process.exit())
