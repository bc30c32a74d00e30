/**
 * The process that measures pieces whenever it is told to, and says what they cost.
 *
 * Arguments: the URL of the folder of the library, that of the module that exports the pieces as `pieces`, and how many
 * operations of a piece come before anything counts.
 */

import { serveCommands } from '../commands.ts'
import { libraryIn } from '../library.ts'
import { countPromises, measureBytes, measureTime, warmUp } from './measure.ts'
import type { Piece, Run } from './piece.ts'

const [folder = '', module = '', warmUpArgument = ''] = process.argv.slice(2)
const { pieces } = (await import(module)) as { readonly pieces: readonly Piece[] }
const library = libraryIn(new URL(folder))
const warmUpOperations = Number(warmUpArgument)

async function prepare(name: string): Promise<Run> {
  const piece = pieces.find((candidate) => candidate.name === name)
  if (piece === undefined) throw new Error(`no piece ${name}`)
  const run = await piece.prepare(library)
  await warmUp(run, warmUpOperations)
  return run
}

/**
 * Runs `fn` while no time passes: what the library does every so many ms would count the more, the busier the machine is. To
 * ask for the time costs what it always does.
 */
async function withoutTime<T>(fn: () => Promise<T>): Promise<T> {
  const now = performance.now.bind(performance)
  const nowMs = now()
  performance.now = () => {
    now()
    return nowMs
  }
  try {
    return await fn()
  } finally {
    Reflect.deleteProperty(performance, 'now')
  }
}

const commands = {
  /** Nanoseconds of CPU per operation, over about `ms` of it. */
  time: async ({ name, ms }: { name: string; ms: number }) => measureTime(await prepare(name), ms),
  /** Bytes and promises per operation. */
  cost: (name: string) =>
    withoutTime(async () => {
      const run = await prepare(name)
      return { ...(await measureBytes(run, warmUpOperations)), promises: await countPromises(run) }
    })
}
export type PieceCommands = typeof commands
serveCommands(commands)
