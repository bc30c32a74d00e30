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

const commands = {
  /** Nanoseconds of CPU per operation, over about `ms` of it. */
  time: async ({ name, ms }: { name: string; ms: number }) => measureTime(await prepare(name), ms),
  /** Bytes and promises per operation. */
  async cost(name: string) {
    const run = await prepare(name)
    return { ...(await measureBytes(run, warmUpOperations)), promises: await countPromises(run) }
  }
}
export type PieceCommands = typeof commands
serveCommands(commands)
