/**
 * The locks that one server has granted, in memory. It knows no network: `server.ts` registers it with the grid.
 *
 * A grant is a lease (Gray and Cheriton, "Leases: an efficient fault-tolerant mechanism for distributed file cache
 * consistency", 1989): unless it is refreshed it ends by itself, so that a dead owner keeps nothing for ever. A
 * request is granted all its resources at once or none, so that no owner holds one while it waits for another.
 */

import { checkArgs, checkResources } from './check.ts'
import type { LockArgs, LockInfo, LockReply } from './definitions.ts'
import { LockError } from './errors.ts'

export type LockKind = 'write' | 'read'

interface Held extends LockArgs {
  readonly kind: LockKind
  readonly sinceMs: number
  expiresAtMs: number
}

export interface LockTableOptions {
  /**
   * How long a grant lasts without a refresh, in ms. Default 30 000. The same on all servers.
   */
  readonly ttlMs?: number
  /**
   * Time after the start in which nothing is granted, in ms. Default `ttlMs`. It must be at least the longest `ttlMs` that
   * this server had before, which matters when `ttlMs` is lowered. And the earlier process must have ended.
   */
  readonly quietMs?: number
  /** How many locks can be held at once. Default 100 000. */
  readonly maxLocks?: number
  /** A clock in milliseconds that never goes back. Default `performance.now`. */
  readonly now?: () => number
}

/** One hour: long enough for a dead owner to block the others, and short enough for a timer. */
const maxTtlMs = 3_600_000

export class LockTable {
  readonly #ttlMs: number
  readonly #maxLocks: number
  readonly #now: () => number
  /**
   * A new table may belong to a server that has forgotten what it granted. Until all of that has ended it must grant
   * nothing. Otherwise two quorums could overlap only in a server that knows just one of them.
   */
  readonly #opensAtMs: number
  /** No lock ends before this, so that until then there is nothing to look for. */
  #quietUntilMs = 0
  /** In the order in which they expire, because all last equally long. */
  readonly #byUid = new Map<string, Held>()
  /** One writer, or any number of readers. */
  readonly #byResource = new Map<string, Set<Held>>()

  /** @throws {RangeError} whose text names the wrong option */
  constructor(options: LockTableOptions = {}) {
    const { ttlMs = 30_000, quietMs = ttlMs, maxLocks = 100_000, now = () => performance.now() } = options
    if (!(ttlMs > 0 && ttlMs <= maxTtlMs)) throw new RangeError(`ttlMs must be above 0 and at most ${maxTtlMs}`)
    if (!(quietMs >= 0)) throw new RangeError('quietMs must be 0 or more')
    if (!(maxLocks >= 1)) throw new RangeError('maxLocks must be at least 1')
    this.#ttlMs = ttlMs
    this.#maxLocks = maxLocks
    this.#now = now
    this.#opensAtMs = now() + quietMs
  }

  /** How many locks are held. */
  get size(): number {
    this.#expire()
    return this.#byUid.size
  }

  /**
   * Grants all of `args.resources`, or none. If the same request comes again, for example because its answer was lost, it is
   * granted again, and its time starts again.
   *
   * @throws {LockError}
   */
  lock(kind: LockKind, args: LockArgs): LockReply {
    checkArgs(args)
    this.#expire()
    if (this.#byUid.has(args.uid)) return this.#extended(this.#heldAs(args, kind, 'ERR_LOCK_UID_TAKEN'))
    if (this.#now() < this.#opensAtMs) return this.#refused(null)
    for (const resource of args.resources) {
      for (const held of this.#byResource.get(resource) ?? []) {
        // All holders of a resource are of one kind: only readers can share it.
        if (kind === 'read' && held.kind === 'read') break
        return this.#refused(held.owner)
      }
    }
    if (this.#byUid.size >= this.#maxLocks) {
      throw new LockError('ERR_LOCK_TABLE_FULL', `there are already ${this.#maxLocks} locks`)
    }
    const { uid, resources, owner, source, quorum } = args
    return this.#add({ uid, resources, owner, source, quorum, kind, sinceMs: this.#now(), expiresAtMs: 0 })
  }

  /** @throws {LockError} when no such lock is held: by this owner, of this kind, on these resources */
  unlock(kind: LockKind, args: LockArgs): void {
    checkArgs(args)
    this.#expire()
    this.#remove(this.#heldAs(args, kind, 'ERR_LOCK_NOT_HELD'))
  }

  /** @throws {LockError} when no such lock is held, by this owner, on these resources: its time may be over */
  refresh(args: LockArgs): LockReply {
    checkArgs(args)
    this.#expire()
    return this.#extended(this.#heldAs(args, this.#byUid.get(args.uid)?.kind, 'ERR_LOCK_NOT_HELD'))
  }

  /**
   * Takes away every lock that has one of these resources. Its owner continues to work until it learns that. Returns how
   * many locks were taken away.
   *
   * @throws {LockError}
   */
  forceUnlock(resources: readonly string[]): number {
    checkResources(resources)
    const found = new Set(resources.flatMap((resource) => [...(this.#byResource.get(resource) ?? [])]))
    for (const held of found) this.#remove(held)
    return found.size
  }

  /** The locks that are held when the generator begins, without those that have ended when it gets to them. */
  *list(): Generator<LockInfo, undefined> {
    this.#expire()
    // A copy, because a lock that is refreshed meanwhile moves to the end.
    for (const held of [...this.#byUid.values()]) {
      const { uid, kind, resources, owner, source, quorum, sinceMs, expiresAtMs } = held
      const now = this.#now()
      if (this.#byUid.get(uid) !== held || expiresAtMs <= now) continue
      yield { uid, kind, resources, owner, source, quorum, heldMs: now - sinceMs, expiresInMs: expiresAtMs - now }
    }
  }

  /** The lock that `args` describe. */
  #heldAs(args: LockArgs, kind: LockKind | undefined, otherwise: 'ERR_LOCK_NOT_HELD' | 'ERR_LOCK_UID_TAKEN'): Held {
    const held = this.#byUid.get(args.uid)
    if (held === undefined) throw new LockError('ERR_LOCK_NOT_HELD', 'no such lock is held here')
    if (held.owner !== args.owner) throw new LockError('ERR_LOCK_OTHER_OWNER', 'the lock belongs to another owner')
    if (held.kind !== kind)
      throw new LockError(otherwise, `the lock is held for ${held.kind === 'read' ? 'reading' : 'writing'}`)
    const { resources } = held
    if (resources.length !== args.resources.length || !resources.every((name, at) => name === args.resources[at])) {
      throw new LockError('ERR_LOCK_RESOURCES', 'the lock is held on other resources, or in another order')
    }
    return held
  }

  #add(held: Held): LockReply {
    for (const resource of held.resources) {
      const holders = this.#byResource.get(resource)
      if (holders === undefined) this.#byResource.set(resource, new Set([held]))
      else holders.add(held)
    }
    return this.#extended(held)
  }

  /** Moves it to the end of the order of expiry. */
  #extended(held: Held): LockReply {
    this.#byUid.delete(held.uid)
    this.#byUid.set(held.uid, held)
    held.expiresAtMs = this.#now() + this.#ttlMs
    return this.#granted()
  }

  #remove(held: Held): void {
    this.#byUid.delete(held.uid)
    for (const resource of held.resources) {
      const holders = this.#byResource.get(resource)
      holders?.delete(held)
      if (holders?.size === 0) this.#byResource.delete(resource)
    }
  }

  #expire(): void {
    const now = this.#now()
    if (now < this.#quietUntilMs) return
    this.#quietUntilMs = now + this.#ttlMs
    for (const held of this.#byUid.values()) {
      if (held.expiresAtMs > now) {
        this.#quietUntilMs = held.expiresAtMs
        return
      }
      this.#remove(held)
    }
  }

  #granted(): LockReply {
    return { granted: true, ttlMs: this.#ttlMs, heldBy: null }
  }

  #refused(heldBy: string | null): LockReply {
    return { granted: false, ttlMs: this.#ttlMs, heldBy }
  }
}
