/**
 * Rounds in which everything has its turn, one after the other and for a short while, so that a slow moment of the machine
 * comes to all of them.
 *
 * The processes are there all the time, and only one thing at a time has something to do. After some rounds all of them
 * are replaced: what V8 makes of the code differs from process to process.
 */

import { CommandedProcess } from '../harness/commands.ts'
import type { CoderCommands } from './coder.ts'
import { type RoundTrip, startServers } from './round-trips.ts'

export interface Plan {
  readonly library: URL
  /** How often all processes are new. */
  readonly generations: number
  /** Rounds of each generation. */
  readonly rounds: number
  /** How long each turn is. */
  readonly ms: number
  readonly warmUpOperations: number
  /** Names of pieces; those of a group share a process. */
  readonly groups: readonly (readonly string[])[]
}

export interface Results {
  /** Nanoseconds of CPU per operation of each piece, in each round. */
  readonly times: ReadonlyMap<string, number[]>
  /** For each round, one for each of `callerCounts`. */
  readonly roundTrips: RoundTrip[][]
}

export async function measureRounds(plan: Plan, progress: (text: string) => void): Promise<Results> {
  const results: Results = { times: new Map(plan.groups.flat().map((name) => [name, []])), roundTrips: [] }
  for (let generation = 1; generation <= plan.generations; generation++) {
    progress(`processes ${generation} of ${plan.generations}`)
    await addGeneration(plan, results, progress)
  }
  return results
}

async function addGeneration(plan: Plan, { times, roundTrips }: Results, progress: (text: string) => void) {
  const { library, ms, rounds, warmUpOperations } = plan
  const coders = plan.groups.map((names) => ({ names, process: startCoder(plan, names) }))
  for (const { process } of coders) await process.ask('prepare')
  const servers = await startServers(library, warmUpOperations)
  for (let round = 1; round <= rounds; round++) {
    progress(`round ${round} of ${rounds}`)
    for (const { names, process } of coders) {
      for (const name of names) times.get(name)?.push(await process.ask('time', { name, ms }))
    }
    roundTrips.push(await servers.round(ms))
  }
  await Promise.all([servers.stop(), ...coders.map(({ process }) => process.stop())])
}

function startCoder({ library, warmUpOperations }: Plan, names: readonly string[]): CommandedProcess<CoderCommands> {
  const args = [library.href, String(warmUpOperations), ...names]
  return new CommandedProcess<CoderCommands>(new URL('./coder.ts', import.meta.url), args)
}
