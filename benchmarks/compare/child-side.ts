/** The other end of `child.ts`, common to both processes: loading a contestant, telling the coordinator, ending with it. */

import { WrongAnswer } from './checks.ts'
import type { Contestant, ContestantModule } from './contestant.ts'
import type { Reply } from './ipc.ts'

/** Nothing keeps running once the coordinator is gone, however it went. */
process.once('disconnect', () => process.exit())

export function reply(message: Reply): void {
  process.send?.(message)
}

export function replyFailure(error: unknown): void {
  reply(failureOf(error))
}

/** For one that cannot even start: there is nothing to wait for. */
export function exitWithFailure(error: unknown): void {
  process.send?.(failureOf(error), () => process.exit())
}

function failureOf(error: unknown): Reply {
  const failure = error instanceof Error ? error.message : String(error)
  return { failure, isWrongAnswer: error instanceof WrongAnswer }
}

export async function loadContestant(module: string, id: string): Promise<Contestant> {
  const { contestants } = (await import(module)) as ContestantModule
  const contestant = contestants[id]
  if (contestant === undefined) throw new Error(`its file exports no ${id}`)
  return contestant
}

export function cpuUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
