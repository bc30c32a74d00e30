/**
 * The grants of one lock, by all servers: how they are asked for, kept alive and given back, and how long they hold.
 *
 * A lock holds while a quorum of servers has granted it. Any two write quorums have a server in common, and so have a
 * write and a read quorum (Gifford, "Weighted voting for replicated data", 1979), and that server grants only one of them.
 */

import { type Connection, GridError, RemoteError, type SingleDefinition } from '../../lib/index.ts'
import { type LockArgs, type LockReply, lock, refresh, rlock, runlock, unlock } from './definitions.ts'
import type { LockKind } from './table.ts'

/** Grants that a lock needs of `servers`: more than half to write, as many as meet each of those to read. */
export function quorumOf(kind: LockKind, servers: number): number {
  const write = Math.floor(servers / 2) + 1
  return kind === 'write' ? write : servers - write + 1
}

/** Clocks of two servers may run apart by so much, and the owner wants to hear of the end before it. */
const safetyShare = 0.1

interface Grant {
  readonly server: Connection
  /** The server surely keeps it until then; of `performance.now()`, 0 for none. */
  untilMs: number
  /** The process that granted it: a later one has forgotten it. */
  instance: string | undefined
  /** The server has it, or may have: a request for it is under way, or was lost. */
  mayHold: boolean
  /** It is not asked for again: an operator took it away, or its time was over. */
  isGone: boolean
}

export class Grants {
  readonly args: LockArgs
  readonly #kind: LockKind
  readonly #quorum: number
  readonly #grants: readonly Grant[]
  readonly #requestTimeoutMs: number
  /** Ends the requests for grants that are under way. */
  readonly #asking = new AbortController()
  #ttlMs = 0

  constructor(kind: LockKind, args: LockArgs, servers: readonly Connection[], requestTimeoutMs: number) {
    this.#kind = kind
    this.#quorum = args.quorum ?? quorumOf(kind, servers.length)
    this.args = args
    this.#grants = servers.map((server) => ({ server, untilMs: 0, instance: undefined, mayHold: false, isGone: false }))
    this.#requestTimeoutMs = requestTimeoutMs
  }

  /** How long a grant lasts, as the servers say; 0 before any has. */
  get ttlMs(): number {
    return this.#ttlMs
  }

  /** Until then a quorum surely holds; of `performance.now()`. */
  get holdUntilMs(): number {
    const untils = this.#grants.map(({ untilMs }) => untilMs).sort((a, b) => b - a)
    return (untils[this.#quorum - 1] ?? 0) - this.#ttlMs * safetyShare
  }

  /**
   * Asks all servers at once, each of which has `timeoutMs` to answer. Resolves with true as soon as a quorum has granted,
   * with false as soon as none can, or when `signal` aborts.
   */
  async ask(timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    const giveUp = () => this.#asking.abort()
    signal?.addEventListener('abort', giveUp)
    try {
      return await this.#quorumOf(this.#grants.map((grant) => this.#ask(grant, timeoutMs)))
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }
  }

  /** Begins the time of all grants anew, and asks again for those that are missing. Resolves when all have answered. */
  async refresh(): Promise<void> {
    const timeoutMs = Math.min(this.#requestTimeoutMs, this.#ttlMs / 3)
    await Promise.all(this.#grants.map((grant) => this.#refresh(grant, timeoutMs)))
  }

  /** Gives back what was granted, or may have been. Resolves when the servers that are known to have granted know. */
  async release(): Promise<void> {
    this.#asking.abort()
    const definition = this.#kind === 'write' ? unlock : runlock
    const released = this.#grants.map(async (grant) => {
      grant.isGone = true
      if (!grant.mayHold) return
      // Where it cannot be given back it ends with its time.
      const done = this.#call(grant, definition, this.#requestTimeoutMs).catch(() => undefined)
      if (grant.untilMs > 0) await done
    })
    await Promise.all(released)
  }

  #quorumOf(answers: readonly Promise<boolean>[]): Promise<boolean> {
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

  /** True when the server has granted; whatever goes wrong, it is not sure to have. */
  async #ask(grant: Grant, timeoutMs: number): Promise<boolean> {
    const definition = this.#kind === 'write' ? lock : rlock
    grant.mayHold = true
    try {
      await this.#extend(grant, definition, timeoutMs, this.#asking.signal)
    } catch (error) {
      if (error instanceof GridError && error.delivery !== 'maybeRan') grant.mayHold = false
    }
    return grant.untilMs > 0
  }

  async #refresh(grant: Grant, timeoutMs: number): Promise<void> {
    if (grant.isGone) return
    if (grant.untilMs === 0) return void (await this.#ask(grant, timeoutMs))
    try {
      await this.#extend(grant, refresh, timeoutMs)
    } catch (error) {
      // Everything else leaves in doubt whether it was refreshed: then it was not.
      if (!(error instanceof RemoteError && error.code === 'ERR_LOCK_NOT_HELD')) return
      grant.untilMs = 0
      // A server that was restarted may grant it again. Where the same one says so, somebody wanted the lock gone.
      grant.isGone = grant.instance === grant.server.instance
    }
  }

  async #extend(
    grant: Grant,
    definition: SingleDefinition<LockArgs, LockReply>,
    timeoutMs: number,
    signal?: AbortSignal
  ): Promise<void> {
    // The time of the server begins later than this.
    const sentAtMs = performance.now()
    const { granted, ttlMs } = await this.#call(grant, definition, timeoutMs, signal)
    this.#ttlMs = ttlMs
    grant.mayHold = granted
    if (!granted) return
    grant.untilMs = sentAtMs + ttlMs
    grant.instance = grant.server.instance
  }

  #call<Res>(
    { server }: Grant,
    definition: SingleDefinition<LockArgs, Res>,
    timeoutMs: number,
    signal?: AbortSignal
  ): Promise<Res> {
    return server.request(definition, this.args, { timeout: timeoutMs, signal })
  }
}
