/**
 * The grants of all servers to one lock: how many it needs, and until when it holds.
 *
 * A lock holds while a quorum of servers has granted it. Any two write quorums have a server in common, and so have a
 * write and a read quorum (Gifford, "Weighted voting for replicated data", 1979), and that server grants only one of them.
 */

import type { Connection } from '../../index.ts'
import type { LockArgs } from './definitions.ts'
import { Grant } from './grant.ts'
import type { LockKind } from './table.ts'

/** How many of `servers` must grant a lock: to write more than half, to read as many as overlap every write quorum. */
export function quorumOf(kind: LockKind, servers: number): number {
  const write = Math.floor(servers / 2) + 1
  return kind === 'write' ? write : servers - write + 1
}

export class Grants {
  readonly #quorum: number
  readonly #grants: readonly Grant[]
  readonly #requestTimeoutMs: number
  /** Aborts the requests for grants that are under way. */
  readonly #asking = new AbortController()

  constructor(kind: LockKind, args: LockArgs, servers: readonly Connection[], requestTimeoutMs: number) {
    this.#quorum = quorumOf(kind, servers.length)
    this.#grants = servers.map((server) => new Grant(server, kind, args))
    this.#requestTimeoutMs = requestTimeoutMs
  }

  /** The error of a request that failed, if there was one. */
  get failure(): unknown {
    return this.#grants.find(({ failure }) => failure !== undefined)?.failure
  }

  /** How often the grants must be refreshed, in ms. If one refresh fails, there is time for another. */
  get refreshEveryMs(): number {
    return Math.min(...this.#ttls()) / 3
  }

  /** A quorum surely holds until then, in the time of `performance.now()`. */
  get holdUntilMs(): number {
    const untils = this.#grants.map(({ untilMs }) => untilMs).sort((a, b) => b - a)
    return untils[this.#quorum - 1] ?? 0
  }

  /**
   * Asks all servers at once. Each has `timeoutMs` to answer. Resolves with true as soon as a quorum has granted, and with
   * false as soon as no quorum is possible or `signal` aborts.
   */
  async ask(timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    const giveUp = () => this.#asking.abort()
    signal?.addEventListener('abort', giveUp)
    try {
      const options = { timeout: timeoutMs, signal: this.#asking.signal }
      const answers = this.#grants.map((grant) => grant.ask(options))
      return (await this.#isQuorum(answers)) && this.holdUntilMs > performance.now()
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }
  }

  /**
   * Starts the time of all grants again, and asks again for missing ones. Resolves when all servers have answered. They
   * have until the next refresh: nobody waits for this, and a server that is slow to answer still keeps its grants.
   */
  async refresh(): Promise<void> {
    await Promise.all(this.#grants.map((grant) => grant.refresh(this.refreshEveryMs, this.#asking.signal)))
  }

  /** Gives back what was granted, or may have been. Resolves when the servers known to have granted have been told. */
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
