/**
 * The locks that one server has granted, in memory. It knows no network: `server.ts` registers it with the grid.
 *
 * A grant is a lease (Gray and Cheriton, "Leases: an efficient fault-tolerant mechanism for distributed file cache
 * consistency", 1989): unless it is refreshed it ends by itself, so that a dead owner keeps nothing for ever. A
 * request is granted all its resources at once or none, so that no owner holds one while it waits for another.
 */

import { checkArgs, checkLeap, checkResources, maxToken, maxTtlMs } from './check.ts'
import type { LockArgs, LockInfo, LockKind, LockReply, ServerQueue } from './definitions.ts'
import { LockError } from './errors.ts'
import { Resources } from './resources.ts'
import { lockBytes } from './size.ts'
import { Waiting } from './waiting.ts'

interface Held extends LockArgs {
  readonly kind: LockKind
  readonly sinceMs: number
  readonly bytes: number
  token: number
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
  /** Memory of the whole table. Default 64 MiB. */
  readonly maxBytes?: number
  /** First come, first served. Default false: the next to ask while it is free gets it. */
  readonly fair?: boolean
  /** A clock in milliseconds that never goes back. Default `performance.now`. */
  readonly now?: () => number
  /** The time of day in milliseconds, asked once: when the table begins to grant. Default `Date.now`. */
  readonly timeOfDay?: () => number
}

/** So many tokens a millisecond: fewer are given, so that the time of day is ahead of those of an earlier process. */
const tokensPerMs = 1024
/** Waits take at most this part of `maxBytes`: who waits cannot keep others from getting a lock. */
const waitingShare = 0.25
/** What is told of one resource has a bound: so many waits and holders, and of holders no more once they have so many names. */
const maxTold = 100
const maxToldNames = 1000
const perUidBytes = 700

export class LockTable {
  readonly #ttlMs: number
  readonly #maxLocks: number
  readonly #maxBytes: number
  readonly #isFair: boolean
  readonly #now: () => number
  readonly #timeOfDay: () => number
  /**
   * A new table may belong to a server that has forgotten what it granted. Until all of that has ended it must grant
   * nothing. Otherwise two quorums could overlap only in a server that knows just one of them.
   */
  readonly #opensAtMs: number
  #isOpen = false
  /** No lock ends before this, so that until then there is nothing to look for. */
  #quietUntilMs = 0
  /** In the order in which they expire, because all last equally long. */
  readonly #byUid = new Map<string, Held>()
  readonly #resources = new Resources<Held>()
  readonly #waiting = new Waiting()
  #heldBytes = 0
  /** Uids of locks that were taken away, by when they are forgotten: their owners may ask for them again before they learn it. */
  readonly #takenAway = new Map<string, number>()

  /** @throws {RangeError} whose text names the wrong option */
  constructor(options: LockTableOptions = {}) {
    const { ttlMs = 30_000, quietMs = ttlMs, maxLocks = 100_000, maxBytes = 64 * 2 ** 20, fair = false } = options
    const { now = () => performance.now(), timeOfDay = () => Date.now() } = options
    if (!(ttlMs > 0 && ttlMs <= maxTtlMs)) throw new RangeError(`ttlMs must be above 0 and at most ${maxTtlMs}`)
    if (!(quietMs >= 0)) throw new RangeError('quietMs must be 0 or more')
    if (!(maxLocks >= 1)) throw new RangeError('maxLocks must be at least 1')
    if (!(maxBytes >= 4096)) throw new RangeError('maxBytes must be at least 4096')
    this.#ttlMs = ttlMs
    this.#maxLocks = maxLocks
    this.#maxBytes = maxBytes
    this.#isFair = fair
    this.#now = now
    this.#timeOfDay = timeOfDay
    this.#opensAtMs = now() + quietMs
  }

  /** How many locks are held. */
  get size(): number {
    this.#expire()
    return this.#byUid.size
  }

  /** What the table takes in memory, from above. */
  get bytes(): number {
    return this.#heldBytes + this.#waiting.bytes + this.#resources.idleBytes + this.#takenAway.size * perUidBytes
  }

  /**
   * Grants all of `args.resources`, or none. If the same request comes again, for example because its answer was lost, it is
   * granted again, and its time starts again.
   *
   * @throws {LockError}
   */
  lock(kind: LockKind, args: LockArgs): LockReply {
    this.#check(args)
    this.#expire()
    if (this.#takenAway.has(args.uid)) throw new LockError('ERR_LOCK_NOT_HELD', 'the lock was taken away')
    if (this.#byUid.has(args.uid)) return this.#extended(this.#heldAs(args, kind, 'ERR_LOCK_UID_TAKEN'))
    if (!this.#opens()) {
      // An earlier process of this server may have known tokens as high.
      this.#resources.raiseAll(args.token ?? 0)
      return this.#refused(args, null)
    }
    const first = this.#firstInTheWay(kind, args) ?? (this.#isFair ? this.#waiting.firstBefore(kind, args) : undefined)
    if (first !== undefined) return this.#refused(args, first.owner, this.#wait(kind, args))
    return this.#add(kind, args)
  }

  /** @throws {LockError} when no such lock is held: by this owner, of this kind, on these resources */
  unlock(kind: LockKind, args: LockArgs): void {
    this.#check(args)
    this.#expire()
    this.#waiting.leave(args)
    this.#remove(this.#heldAs(args, kind, 'ERR_LOCK_NOT_HELD'))
  }

  /** @throws {LockError} when no such lock is held, by this owner, on these resources: its time may be over */
  refresh(args: LockArgs): LockReply {
    this.#check(args)
    this.#expire()
    const held = this.#heldAs(args, this.#byUid.get(args.uid)?.kind, 'ERR_LOCK_NOT_HELD')
    held.token = args.token ?? held.token
    this.#resources.raise(held.resources, held.token)
    return this.#extended(held)
  }

  /**
   * Takes away every lock that has one of these resources. Its owner continues to work until it learns that. Returns how
   * many locks were taken away.
   *
   * @throws {LockError}
   */
  forceUnlock(resources: readonly string[]): number {
    checkResources(resources)
    this.#expire()
    const found = new Set(resources.flatMap((resource) => [...(this.#resources.holders(resource) ?? [])]))
    for (const held of found) {
      this.#remove(held)
      this.#takenAway.set(held.uid, this.#now() + this.#ttlMs)
    }
    return found.size
  }

  /** The locks that are held when the generator begins, without those that have ended when it gets to them. */
  *list(): Generator<LockInfo & LockArgs, undefined> {
    this.#expire()
    // A copy, because a lock that is refreshed meanwhile moves to the end.
    for (const held of [...this.#byUid.values()]) {
      if (this.#byUid.get(held.uid) === held && held.expiresAtMs > this.#now()) yield this.#infoOf(held)
    }
  }

  /** The resources for which somebody waits, `max` of them, the longest waits first; of each no more waits and holders than go into a message. */
  top(max: number): ServerQueue[] {
    this.#expire()
    const now = this.#now()
    return this.#waiting
      .lines()
      .slice(0, Math.max(0, max))
      .map(({ resource, waiters }) => {
        const heldBy = this.#toldOf(resource).map((held) => this.#infoOf(held))
        const waiting = waiters.slice(0, maxTold).map(({ key: id, kind, owner, source, sinceMs }) => {
          return { id, kind, owner, source, waitedMs: now - sinceMs }
        })
        return { resource, heldBy, waiting }
      })
  }

  #toldOf(resource: string): Held[] {
    const told: Held[] = []
    let names = 0
    for (const held of this.#resources.holders(resource) ?? []) {
      if (told.length >= maxTold || names >= maxToldNames) break
      told.push(held)
      names += held.resources.length
    }
    return told
  }

  #check(args: LockArgs): void {
    checkArgs(args)
    checkLeap('token', args.token, this.#resources.tokenOf(args.resources))
    checkLeap('ticket', args.waiting?.ticket, this.#waiting.highestTicket)
  }

  /** Whether all has ended that an earlier process may have granted. */
  #opens(): boolean {
    if (this.#isOpen) return true
    if (this.#now() < this.#opensAtMs) return false
    this.#isOpen = true
    this.#resources.raiseAll(Math.min(Math.trunc(this.#timeOfDay() * tokensPerMs), maxToken))
    return true
  }

  #firstInTheWay(kind: LockKind, { resources }: LockArgs): Held | undefined {
    for (const resource of resources) {
      for (const held of this.#resources.holders(resource) ?? []) {
        // All holders of a resource are of one kind: only readers can share it.
        if (kind === 'read' && held.kind === 'read') break
        return held
      }
    }
    return undefined
  }

  /** Who finds no room to be noted waits all the same, and is not in the line. */
  #wait(kind: LockKind, args: LockArgs): number | undefined {
    const bytes = lockBytes(args) - this.#waiting.bytesOf(args)
    if (this.#waiting.bytes + bytes > waitingShare * this.#maxBytes || !this.#hasRoom(bytes)) return undefined
    return this.#waiting.add(kind, args, this.#now())
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

  #add(kind: LockKind, args: LockArgs): LockReply {
    const { uid, resources, owner, source, quorum } = args
    const bytes = lockBytes({ uid, resources, owner, source, quorum })
    this.#waiting.leave(args)
    if (this.#byUid.size >= this.#maxLocks) {
      throw new LockError('ERR_LOCK_TABLE_FULL', `there are already ${this.#maxLocks} locks`)
    }
    if (!this.#hasRoom(bytes)) {
      throw new LockError('ERR_LOCK_TABLE_FULL', `the locks already take ${this.bytes} of ${this.#maxBytes} bytes`)
    }
    const token = Math.max(this.#resources.nextToken({ kind, resources }), args.token ?? 0)
    const held: Held = {
      ...{ uid, resources, owner, source, quorum, kind, token, bytes },
      sinceMs: this.#now(),
      expiresAtMs: 0
    }
    this.#heldBytes += bytes
    this.#resources.add(held)
    this.#resources.raise(resources, token)
    return this.#extended(held)
  }

  /** Moves it to the end of the order of expiry. */
  #extended(held: Held): LockReply {
    this.#byUid.delete(held.uid)
    this.#byUid.set(held.uid, held)
    held.expiresAtMs = this.#now() + this.#ttlMs
    return { granted: true, ttlMs: this.#ttlMs, heldBy: null, token: held.token }
  }

  #remove(held: Held): void {
    this.#byUid.delete(held.uid)
    this.#heldBytes -= held.bytes
    this.#resources.remove(held)
  }

  #expire(): void {
    const now = this.#now()
    this.#waiting.expire(now)
    for (const [uid, untilMs] of this.#takenAway) {
      if (untilMs > now) break
      this.#takenAway.delete(uid)
    }
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

  /** Tokens of free resources give way. */
  #hasRoom(bytes: number): boolean {
    const missing = this.bytes + bytes - this.#maxBytes
    if (missing > 0) this.#resources.makeRoom(missing)
    return this.bytes + bytes <= this.#maxBytes
  }

  #infoOf({ uid, kind, resources, owner, source, quorum, token, sinceMs, expiresAtMs }: Held): LockInfo & LockArgs {
    const now = this.#now()
    const times = { heldMs: now - sinceMs, expiresInMs: expiresAtMs - now }
    return { ...{ uid, kind, resources, owner, source, quorum, token }, ...times }
  }

  #refused({ resources }: LockArgs, heldBy: string | null, ticket?: number): LockReply {
    const reply = { granted: false, ttlMs: this.#ttlMs, heldBy, token: this.#resources.tokenOf(resources) }
    return this.#isFair && ticket !== undefined ? { ...reply, ticket } : reply
  }
}
