/** How many servers must agree, and what is said where they do not. */

import { type Answer, ClosedError, GridError, QuorumError } from '../../index.ts'
import { isIncredible, isToken, maxTtlMs } from './check.ts'
import type { LockKind, LockReply } from './definitions.ts'
import { LockError } from './errors.ts'

/** A reply that counts as a grant. */
export type GrantReply = LockReply & { readonly token: number }

/** How many of `servers` must grant a lock: to write more than half, to read as many as overlap every write quorum. */
export function quorumOf(kind: LockKind, servers: number): number {
  const write = Math.floor(servers / 2) + 1
  return kind === 'write' ? write : servers - write + 1
}

/** A server of before there were tokens, or one that tells a time that cannot be, grants nothing that one could rely on. */
export function isGrant(reply: LockReply): reply is GrantReply {
  return reply.granted && isToken(reply.token) && isTtl(reply.ttlMs)
}

function isTtl(ttlMs: number): boolean {
  return ttlMs > 0 && ttlMs <= maxTtlMs
}

/**
 * What an attempt failed by, for `retry`: as if it was not sent, because everything that it was granted is given back.
 *
 * @throws whatever another attempt cannot change
 */
export function toRetriable(error: unknown): unknown {
  if (!QuorumError.is(error)) return error
  const closed = error.errors.find((each) => ClosedError.is(each))
  return closed ?? new QuorumError(error.need, error.answers, { delivery: 'notSent', text: error.message })
}

/** The error of who did not get a lock: what a server failed by is its cause. */
export function toTimeoutError(error: unknown, text: string): unknown {
  if (!QuorumError.is(error) && !(GridError.is(error) && error.code === 'ERR_DEADLINE')) return error
  // Where the time was over while an attempt was under way, the one before says more.
  const last = QuorumError.is(error) ? error : error.cause
  const cause = QuorumError.is(last) ? findFailure(last.answers) : error
  return new LockError('ERR_LOCK_TIMEOUT', text, { cause })
}

function findFailure(answers: readonly Answer<unknown>[]): unknown {
  for (const { host, value, error } of answers as readonly Answer<LockReply>[]) {
    if (error !== undefined && error.name !== 'CancelledError') return error
    if (value?.granted !== true || (isGrant(value) && !isIncredible(value.token, 0))) continue
    const what = isTtl(value.ttlMs) ? wrongToken(value.token) : `a time of ${value.ttlMs} ms`
    return new LockError('ERR_LOCK_ARGUMENT', `${host} granted a lock with ${what}`)
  }
  return undefined
}

function wrongToken(token: number | undefined): string {
  return token === undefined ? 'no token: it is of an earlier version' : `a token that cannot be: ${token}`
}
