/**
 * The grants of one lock, by all servers: how many it needs, and until when it holds.
 *
 * A lock holds while a quorum of servers has granted it. Any two write quorums have a server in common, and so have a
 * write and a read quorum (Gifford, "Weighted voting for replicated data", 1979), and that server grants only one of them.
 */

import type { Connection } from '../../lib/index.ts'
import type { LockArgs } from './definitions.ts'
import { Grant } from './grant.ts'
import type { LockKind } from './table.ts'

/** Grants that a lock needs of `servers`: more than half to write, as many as meet each of those to read. */
export function quorumOf(kind: LockKind, servers: number): number {
  const write = Math.floor(servers / 2) + 1
  return kind === 'write' ? write : servers - write + 1
}

export class Grants {
  readonly #quorum: number
  readonly #grants: readonly Grant[]
  readonly #requestTimeoutMs: number
  /** Ends the requests for grants that are under way. */
  readonly #asking = new AbortController()

  constructor(kind: LockKind, args: LockArgs, servers: readonly Connection[], requestTimeoutMs: number) {
    this.#quorum = quorumOf(kind, servers.length)
    this.#grants = servers.map((server) => new Grant(server, kind, args))
    this.#requestTimeoutMs = requestTimeoutMs
  }

  /** An error that came in place of an answer, if any did. */
  get failure(): unknown {
    return this.#grants.find(({ failure }) => failure !== undefined)?.failure
  }

  /** How often the grants must be refreshed, in ms: one refresh may fail, and there is time for another. */
  get refreshEveryMs(): number {
    return Math.min(...this.#ttls()) / 3
  }

  /** Until then a quorum surely holds; of `performance.now()`. */
  get holdUntilMs(): number {
    const untils = this.#grants.map(({ untilMs }) => untilMs).sort((a, b) => b - a)
    return untils[this.#quorum - 1] ?? 0
  }

  /**
   * Asks all servers at once, each of which has `timeoutMs` to answer. Resolves with true as soon as a quorum has granted,
   * with false as soon as none can, or when `signal` aborts.
   */
  async ask(timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    const giveUp = () => this.#asking.abort()
    signal?.addEventListener('abort', giveUp)
    try {
      const answers = this.#grants.map((grant) => grant.ask(timeoutMs, this.#asking.signal))
      return (await this.#isQuorum(answers)) && this.holdUntilMs > performance.now()
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }
  }

  /** Begins the time of all grants anew, and asks again for those that are missing. Resolves when all have answered. */
  async refresh(): Promise<void> {
    const timeoutMs = Math.min(this.#requestTimeoutMs, this.refreshEveryMs)
    await Promise.all(this.#grants.map((grant) => grant.refresh(timeoutMs, this.#asking.signal)))
  }

  /** Gives back what was granted, or may have been. Resolves when the servers that are known to have granted know. */
  async release(): Promise<void> {
    this.#asking.abort()
    const ttlMs = Math.max(0, ...this.#ttls())
    await Promise.all(this.#grants.map((grant) => grant.giveBack(this.#requestTimeoutMs, ttlMs)))
  }

  #ttls(): number[] {
    return this.#grants.map(({ ttlMs }) => ttlMs).filter((ttlMs) => ttlMs > 0)
  }

  #isQuorum(answers: readonly Promise<boolean>[]): Promise<boolean> {
    return new Promise((resolve) => {
      let granted = 0
      let refused = 0
      for (const answer of answers) {
        answer.then((isGranted) => {
          if (isGranted && ++granted === this.#quorum) resolve(true)
          if (!isGranted && ++refused > answers.length - this.#quorum) resolve(false)
        })
      }
    })
  }
}
