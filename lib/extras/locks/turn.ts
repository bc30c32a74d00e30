/** One wait of a client for a lock, over all attempts to get it: how long it lasts, and what the servers have said meanwhile. */

import { randomUUID } from 'node:crypto'
import { isToken } from './check.ts'
import type { LockArgs, LockReply } from './definitions.ts'

export class Turn {
  /** The highest token that a server has told. */
  token: number
  /** Servers may have noted that it waits. */
  wasRefused = false
  readonly #id = randomUUID()
  readonly #sinceMs = performance.now()
  /** The place in the line, by the servers that answered the attempt that was refused first. */
  #ticket: number | undefined
  #highest: number | undefined

  /** @param token the highest one that this client knows */
  constructor(token: number) {
    this.token = token
  }

  /** What an attempt tells of it. */
  begin(): LockArgs['waiting'] {
    this.#ticket ??= this.#highest
    return { id: this.#id, waitedMs: performance.now() - this.#sinceMs, ticket: this.#ticket }
  }

  hear({ granted, token, ticket }: LockReply): void {
    if (!granted) this.wasRefused = true
    if (isToken(token)) this.token = Math.max(this.token, token)
    if (isToken(ticket)) this.#highest = Math.max(this.#highest ?? 0, ticket)
  }
}
