/**
 * What users of a lock service do, by its client: take a write lock on something of their own, and give it back.
 *
 * A lock that is not granted, or cannot be given back, is a wrong answer and ends the run.
 */

import { timedFor } from '../harness/callers.ts'
import { messageOf, WrongAnswer } from '../harness/commands.ts'
import type { Drive } from '../harness/contest/contestant.ts'
import type { LockWorkload } from './drive.ts'

/** A client of a lock service. */
export interface TakeSide {
  /** Rejects when the lock is not to be had. Gives what gives it back. */
  take(resource: string): Promise<() => Promise<unknown>>
}

/** How long a grant lasts, in ms. */
export const takenTtlMs = 30_000

/** Each pair is timed. */
export const drive: Drive<TakeSide, LockWorkload> = async (side, { callers }, ms) => {
  const latenciesMs = await timedFor(ms, callers, async (caller) => {
    try {
      const giveBack = await side.take(`account/${caller}`)
      await giveBack()
    } catch (error) {
      throw new WrongAnswer(`lock and unlock: ${messageOf(error)}`)
    }
  })
  return { operations: latenciesMs.length, latenciesMs }
}
