/** One wait of a client for a lock, over all attempts to get it: how long it lasts, and what the servers have said meanwhile. */

import { randomUUID } from 'node:crypto'
import { isIncredible, isToken, maxToken } from './check.ts'
import type { LockArgs, LockReply } from './definitions.ts'

export class Turn {
  /** The highest token that a server has told. */
  token: number
  /** Servers may have noted that it waits. */
  wasRefused = false
  readonly #id = randomUUID()
  readonly #sinceMs = performance.now()
  /** The highest token that an attempt was told, and the highest that two servers have told at least: one of them may be wrong. */
  #told = 0
  #agreed: number
  /** The place in the line, by the servers that answered the attempt that was refused first. */
  #ticket: number | undefined
  #highest: number | undefined

  /** @param token the highest one that this client knows */
  constructor(token: number, servers: number) {
    this.token = token
    this.#agreed = servers === 1 ? maxToken * 2 : 0
  }

  /** The token that an attempt asks for: one that no server refuses as too high, whatever another one has told. */
  get nextToken(): number {
    return Math.min(this.token + 1, maxToken)
  }

  /** What an attempt tells of it. */
  begin(): LockArgs['waiting'] {
    this.#told = 0
    this.#ticket ??= this.#highest
    return { id: this.#id, waitedMs: performance.now() - this.#sinceMs, ticket: this.#ticket }
  }

  /** Whether the token of the answer can be: one that the other servers would refuse is good for nothing. */
  hear({ granted, token, ticket }: LockReply): boolean {
    if (!granted) this.wasRefused = true
    if (isToken(ticket)) this.#highest = Math.max(this.#highest ?? 0, Math.min(ticket, maxToken))
    if (!isToken(token)) return true
    this.#agreed = Math.max(this.#agreed, Math.min(token, this.#told))
    this.#told = Math.max(this.#told, token)
    if (isIncredible(token, this.#agreed)) return false
    this.token = Math.max(this.token, token)
    return true
  }
}
