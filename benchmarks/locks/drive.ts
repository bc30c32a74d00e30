/**
 * What the callers do, over any contestant: take a read lock on the one hot object, see that it is granted, give it back.
 *
 * Everything but a grant, and a runlock that succeeds, is a wrong answer and ends the run.
 */

import { randomUUID } from 'node:crypto'
import type { LockArgs, LockReply } from '../../lib/extras/locks/definitions.ts'
import { timedFor } from '../harness/callers.ts'
import { messageOf, WrongAnswer } from '../harness/commands.ts'
import type { Drive, Workload } from '../harness/contest/contestant.ts'
import { ttlMs } from './open-table.ts'

/** The lock service as a client has it. */
export interface LockSide {
  readonly owner: string
  rlock(args: LockArgs): Promise<LockReply>
  /** Rejects when the lock is not held. */
  runlock(args: LockArgs): Promise<unknown>
}

export interface LockWorkload extends Workload {
  readonly title: string
  /** Pairs of rlock and runlock under way at any time. */
  readonly callers: number
}

let isChecked = false

/** Each pair is timed. Rejects with `WrongAnswer` also when the service says yes to anything. */
export const drive: Drive<LockSide, LockWorkload> = async (side, { callers }, ms) => {
  if (!isChecked) await check(side)
  isChecked = true
  const latenciesMs = await timedFor(ms, callers, () => lockAndUnlock(side))
  return { operations: latenciesMs.length, latenciesMs }
}

async function check(side: LockSide): Promise<void> {
  await lockAndUnlock(side)
  const isRefused = await side.runlock(argsOf(side)).then(
    () => false,
    () => true
  )
  if (!isRefused) throw new WrongAnswer('a lock that nobody has could be given back')
}

async function lockAndUnlock(side: LockSide): Promise<void> {
  const args = argsOf(side)
  try {
    const reply = await side.rlock(args)
    if (!reply.granted || reply.ttlMs !== ttlMs) throw new Error(`not granted, ${JSON.stringify(reply)}`)
    await side.runlock(args)
  } catch (error) {
    throw new WrongAnswer(`rlock and runlock: ${messageOf(error)}`)
  }
}

function argsOf({ owner }: LockSide): LockArgs {
  const source = 'erasure-object.ts:412:getObject'
  return { uid: randomUUID(), resources: ['bucket/hot-object'], owner, source, quorum: 1 }
}
