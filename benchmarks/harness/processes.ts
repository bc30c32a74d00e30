/** Measures pieces in processes of their own: what else has run in a process changes what V8 makes of the code. */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { type Allocation, allocationFlags } from './measure.ts'

export interface Cost extends Allocation {
  /** Promises per operation. */
  readonly promises: number
}

/** What one process is to measure, piece after piece. */
export interface Task {
  /** The URL of the folder of the library. */
  readonly library: string
  /** The URL of the module that exports them as `pieces`. */
  readonly module: string
  readonly pieces: readonly string[]
  readonly ruler: 'time' | 'cost'
  /** Operations before anything is measured; memory is measured over as many at most. */
  readonly warmUpOperations: number
  /** CPU time over which time is measured. */
  readonly ms: number
}

/** Operations until V8 has optimised whatever it will. A time would not do: a busy machine gets less done in it. */
const untilOptimised = 50_000
/** Where nothing is optimised, a few show it all. */
const unoptimised = 1_000

/** Where pieces are, and how warm they are before they are measured. */
export interface Suite {
  /** Exports them as `pieces`. */
  readonly module: URL
  readonly warmUpOperations: number
}

const micro: Suite = { module: new URL('../micro/pieces/index.ts', import.meta.url), warmUpOperations: untilOptimised }

/** Nanoseconds of CPU per operation, measured for `ms`. */
export async function timeOf(library: URL, piece: string, ms: number): Promise<number> {
  const [time] = await run({ ...taskOf(library, [piece], micro), ruler: 'time', ms }, [])
  return time as number
}

/** Bytes and promises per operation. */
export async function costOf(library: URL, piece: string): Promise<Cost> {
  const [cost] = await costsOf(library, [piece])
  return cost as Cost
}

/** The same of several, one after the other in one process. */
export async function costsOf(library: URL, pieces: readonly string[], suite = micro): Promise<Cost[]> {
  return (await run({ ...taskOf(library, pieces, suite), ruler: 'cost', ms: 0 }, allocationFlags)) as Cost[]
}

/**
 * Bytes and promises per operation of several pieces, with V8's optimiser switched off: the objects that the code makes,
 * whatever the optimiser would spare of them, so that the same code gives the same numbers everywhere.
 */
export async function plainCostsOf(library: URL, pieces: readonly string[]): Promise<Cost[]> {
  const task = taskOf(library, pieces, { ...micro, warmUpOperations: unoptimised })
  return (await run({ ...task, ruler: 'cost', ms: 0 }, [...allocationFlags, '--no-opt'])) as Cost[]
}

function taskOf(library: URL, pieces: readonly string[], { module, warmUpOperations }: Suite) {
  return { library: library.href, module: module.href, pieces, warmUpOperations }
}

async function run(task: Task, flags: readonly string[]): Promise<unknown[]> {
  // Coverage, when the parent runs under it, would be taken of the child as well and slow it down.
  const { NODE_V8_COVERAGE: _, ...env } = process.env
  const child = fork(new URL('./child.ts', import.meta.url), [JSON.stringify(task)], {
    execArgv: [...flags, '--import', 'tsx'],
    env
  })
  let results: unknown[] | undefined
  child.on('message', (message) => {
    results = message as unknown[]
  })
  const [code] = await once(child, 'exit')
  if (code !== 0 || results === undefined) throw new Error(`the process that measures ${task.pieces.join(', ')} failed`)
  return results
}
