/**
 * What the callers do, whoever carries it: take a read lock on the one hot object, see that it is granted, give it back.
 *
 * Everything but a grant, and a runlock that succeeds, is a wrong answer and ends the run.
 */

import { randomUUID } from 'node:crypto'
import type { LockArgs, LockReply } from '../../examples/locks/definitions.ts'
import { WrongAnswer } from '../compare/checks.ts'
import type { ClientSide } from '../compare/contestant.ts'
import { ttlMs } from './open-table.ts'

/** The lock service as a client has it. */
export interface LockSide {
  rlock(args: LockArgs): Promise<LockReply>
  /** Rejects when the lock is not held. */
  runlock(args: LockArgs): Promise<unknown>
  close(): Promise<void> | void
}

/** @throws {WrongAnswer} when the service says yes to anything */
export async function lockClient(side: LockSide, owner: string): Promise<ClientSide> {
  const newArgs = (): LockArgs => ({
    uid: randomUUID(),
    resources: ['bucket/hot-object'],
    owner,
    source: 'erasure-object.ts:412:getObject',
    quorum: 1
  })
  const operate = (): Promise<void> => lockAndUnlock(side, newArgs())
  await operate()
  const isRefused = await side.runlock(newArgs()).then(
    () => false,
    () => true
  )
  if (!isRefused) throw new WrongAnswer('a lock that nobody has could be given back')
  return { operate, close: () => side.close() }
}

async function lockAndUnlock(side: LockSide, args: LockArgs): Promise<void> {
  try {
    const reply = await side.rlock(args)
    if (!reply.granted || reply.ttlMs !== ttlMs) throw new Error(`not granted, ${JSON.stringify(reply)}`)
    await side.runlock(args)
  } catch (error) {
    throw new WrongAnswer(`rlock and runlock: ${error instanceof Error ? error.message : error}`)
  }
}
