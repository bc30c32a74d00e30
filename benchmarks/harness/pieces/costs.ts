/** Measures pieces in processes of their own: what else has run in a process changes what V8 makes of the code. */

import { Child } from '../commands.ts'
import { type Allocation, allocationFlags } from './measure.ts'
import type { PieceCommands } from './process.ts'

export interface Cost extends Allocation {
  /** Promises per operation. */
  readonly promises: number
}

/** Operations until V8 has optimised whatever it will. A time would not do: a busy machine gets less done in it. */
const untilOptimised = 50_000
/** Where nothing is optimised, a few show it all. */
const unoptimised = 1_000

/** Pieces of a library, and how warm they are before they are measured. */
export interface Suite {
  /** The folder of the library. */
  readonly library: URL
  /** Exports the pieces as `pieces`. */
  readonly module: URL
  /** Memory is measured over as many at most. */
  readonly warmUpOperations?: number
}

/** What a new process answers, which is ended then. */
async function askNew<T>(
  { library, module, warmUpOperations = untilOptimised }: Suite,
  flags: readonly string[],
  ask: (child: Child<PieceCommands>) => Promise<T>
): Promise<T> {
  const args = [library.href, module.href, String(warmUpOperations)]
  const child = new Child<PieceCommands>(new URL('./process.ts', import.meta.url), args, flags)
  try {
    return await ask(child)
  } finally {
    await child.stop()
  }
}

/** Nanoseconds of CPU per operation, measured for `ms` in a new process. */
export async function timeOf(suite: Suite, name: string, ms: number): Promise<number> {
  return await askNew(suite, [], (child) => child.ask('time', { name, ms }))
}

/** Bytes and promises per operation of several pieces, one after the other in one new process. */
export async function costsOf(suite: Suite, names: readonly string[], flags = allocationFlags): Promise<Cost[]> {
  return await askNew(suite, flags, async (child) => {
    const costs: Cost[] = []
    for (const name of names) costs.push(await child.ask('cost', name))
    return costs
  })
}

/**
 * The same with V8's optimiser switched off: the objects that the code makes, whatever the optimiser would spare of them,
 * so that the same code gives the same numbers everywhere.
 */
export async function plainCostsOf(suite: Suite, names: readonly string[]): Promise<Cost[]> {
  return await costsOf({ ...suite, warmUpOperations: unoptimised }, names, [...allocationFlags, '--no-opt'])
}
