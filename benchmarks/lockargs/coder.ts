/**
 * A process that reads or writes the arguments of a lock whenever it is told to, and says what that cost.
 *
 * Arguments: the URL of the folder of the library, how many operations come before anything counts, and the names of the
 * pieces. With several, what V8 makes of one is not what it makes of it alone.
 */

import { serveCommands } from '../harness/commands.ts'
import { libraryIn } from '../harness/library.ts'
import { measureTime, warmUp } from '../harness/measure.ts'
import type { Run } from '../harness/piece.ts'
import { pieces } from './forms.ts'

const [folder = '', warmUpOperations = '', ...names] = process.argv.slice(2)
const library = libraryIn(new URL(folder))
const runs = new Map<string, Run>()

const commands = {
  /** @throws {Error} when anything does not come back as it went */
  async prepare() {
    for (const { name, prepare } of pieces) {
      if (!names.includes(name)) continue
      const run = await prepare(library)
      await warmUp(run, Number(warmUpOperations))
      runs.set(name, run)
    }
  },
  /** Nanoseconds of CPU per operation, over about `ms` of it. */
  async time({ name, ms }: { name: string; ms: number }): Promise<number> {
    return await measureTime(runs.get(name) as Run, 0, ms)
  }
}
export type CoderCommands = typeof commands
serveCommands(commands)
