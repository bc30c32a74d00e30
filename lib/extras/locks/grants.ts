/**
 * The grants of all servers to one lock: how many it needs, until when it holds, and its token.
 *
 * A lock holds while a quorum of servers has granted it. Any two write quorums have a server in common, and so have a
 * write and a read quorum (Gifford, "Weighted voting for replicated data", 1979), and that server grants only one of them.
 */

import { type Answer, type Manager, QuorumError, type QuorumOptions, type SingleDefinition } from '../../index.ts'
import { type LockArgs, type LockKind, type LockReply, lock, refresh, rlock } from './definitions.ts'
import { Grant } from './grant.ts'
import { findServers } from './hosts.ts'
import { type GrantReply, isGrant, quorumOf, toRetriable } from './quorum.ts'

/** What all locks of a client have in common. */
export interface GrantsInit {
  readonly grid: Manager
  readonly servers: readonly string[]
  readonly subroute: string
  readonly requestTimeoutMs: number
}

export class Grants {
  readonly #init: GrantsInit
  readonly #quorum: number
  readonly #kind: LockKind
  /** The token is added when it is known. */
  readonly #args: LockArgs
  readonly #grants: ReadonlyMap<string, Grant>
  /** Aborts the refreshes that are under way. Most locks are given back before the first one. */
  #refreshing: AbortController | undefined
  #isReleased = false

  constructor(init: GrantsInit, kind: LockKind, args: LockArgs) {
    const { grid, servers, subroute } = init
    this.#init = init
    this.#quorum = quorumOf(kind, servers.length)
    this.#kind = kind
    this.#args = args
    this.#grants = new Map(servers.map((host) => [host, new Grant(() => grid.connection(host), subroute, kind, args)]))
  }

  /** Higher than that of any owner before; 0 until it is granted. */
  get token(): number {
    return this.#args.token ?? 0
  }

  /** How often the grants must be refreshed, in ms. If one refresh fails, there is time for another. */
  get refreshEveryMs(): number {
    return Math.min(...this.#ttls()) / 3
  }

  /** A quorum surely holds until then, in the time of `performance.now()`. */
  get holdUntilMs(): number {
    const untils = [...this.#grants.values()].map(({ untilMs }) => untilMs).sort((a, b) => b - a)
    return untils[this.#quorum - 1] ?? 0
  }

  /**
   * Asks all servers at once. Each has `timeoutMs` to answer. Resolves as soon as a quorum has granted, and knows the token.
   *
   * @param hear gets each reply, and says whether it can be
   * @throws {QuorumError} `notSent` as soon as there can be no quorum; everything is being given back then
   * @throws `signal.reason` when it aborts
   */
  async ask(timeoutMs: number, signal: AbortSignal | undefined, hear: (reply: LockReply) => boolean): Promise<void> {
    try {
      const accepted = await this.#askAll(timeoutMs, signal, hear)
      const token = Math.max(...accepted.map(({ value }) => value.token))
      this.#args.token = token
      // Whoever is granted the lock next has one of this quorum on his side: each of them has to know the token.
      const behind = accepted.filter(({ value }) => value.token < token).map(({ host }) => host)
      if (behind.length > 0) await this.#call(refresh, behind, behind.length, { timeout: timeoutMs, signal })
      if (this.holdUntilMs <= performance.now())
        throw new QuorumError(this.#quorum, [], { text: 'the answers came too late' })
      signal?.throwIfAborted()
      if (this.#args.waiting !== undefined) this.#args.waiting = { ...this.#args.waiting, waitedMs: 0, ticket: 0 }
    } catch (error) {
      this.release()
      throw toRetriable(error)
    }
  }

  /**
   * Starts the time of all grants again, and asks again for missing ones. Resolves when all servers have answered. They
   * have until the next refresh: nobody waits for this, and a server that is slow to answer still keeps its grants.
   */
  async refresh(): Promise<void> {
    this.#refreshing ??= new AbortController()
    const { signal } = this.#refreshing
    const timeoutMs = this.refreshEveryMs
    await Promise.all([...this.#grants.values()].map((grant) => grant.refresh(timeoutMs, signal)))
  }

  /** Gives back what was granted, or may have been. Resolves when the servers known to have granted have been told. */
  async release(): Promise<void> {
    this.#isReleased = true
    this.#refreshing?.abort()
    await Promise.all([...this.#grants.values()].map((grant) => this.#giveBack(grant)))
  }

  /** Nobody waits for this lock any more: he has it, or has given up. Tells those that have not granted it. */
  leave(): void {
    for (const grant of this.#grants.values()) grant.leave(this.#init.requestTimeoutMs)
  }

  async #askAll(timeout: number, signal: AbortSignal | undefined, hear: (reply: LockReply) => boolean) {
    const instances = new Map([...this.#grants].map(([host, { instance }]) => [host, instance]))
    const sentAtMs = performance.now()
    const { accepted } = await this.#call(this.#kind === 'write' ? lock : rlock, this.#init.servers, this.#quorum, {
      ...{ timeout, signal },
      accept: (reply) => hear(reply) && isGrant(reply),
      undo: (answer) => this.#onUndone(answer)
    })
    const granted = accepted as readonly { readonly host: string; readonly value: GrantReply }[]
    for (const { host, value } of granted) this.#grants.get(host)?.onGranted(value, sentAtMs, instances.get(host))
    return granted
  }

  /** A server that has granted, or may have, and is not of the quorum: its grant counts once it has been asked again. */
  #onUndone({ host, value }: Answer<LockReply>): void {
    const grant = this.#grants.get(host)
    if (grant === undefined || value?.granted === false) return
    grant.onUnknown()
    if (this.#isReleased) this.#giveBack(grant)
  }

  #call(
    definition: SingleDefinition<LockArgs, LockReply>,
    hosts: readonly string[],
    need: number,
    options: Pick<QuorumOptions<LockReply>, 'timeout' | 'signal' | 'accept' | 'undo'>
  ) {
    const { grid, subroute } = this.#init
    const { found, unknown } = findServers(grid, hosts)
    if (found.length < need) throw new QuorumError(need, unknown, { delivery: 'notSent' })
    return grid.quorum(definition, this.#args, { ...options, hosts: found.map(({ host }) => host), need, subroute })
  }

  #giveBack(grant: Grant): Promise<void> {
    return grant.giveBack(this.#init.requestTimeoutMs, Math.max(0, ...this.#ttls()))
  }

  #ttls(): number[] {
    return [...this.#grants.values()].map(({ ttlMs }) => ttlMs).filter((ttlMs) => ttlMs > 0)
  }
}
