/**
 * Locks over several servers, for users: `withLock` and `withRLock`.
 *
 * No client waits at a server, and no client keeps some of its resources while it waits for the rest. It asks for all at
 * once. If it did not get enough, it gives everything back and tries again after a random time. So there is no deadlock,
 * because no client holds and waits (Coffman, Elphick and Shoshani, "System deadlocks", 1971). The wait is the truncated
 * exponential backoff of Ethernet (Metcalfe and Boggs, 1976), which lets one of several contenders through. It is not fair:
 * the first to ask need not be the first to get the lock, and readers that overlap can keep a writer out.
 */

import { randomUUID } from 'node:crypto'
import { ClosedError, type Manager } from '../../index.ts'
import { checkArgs } from './check.ts'
import { LockError } from './errors.ts'
import { Grants, quorumOf } from './grants.ts'
import { pause } from './pause.ts'
import type { LockKind } from './table.ts'
import { Watch } from './watch.ts'

export interface LockClientOptions {
  /** The hosts of all lock servers, including this one if it is one. The same list everywhere: quorums depend on it. */
  readonly servers: readonly string[]
  /** How long one server has to answer when a lock is asked for or given back, in ms. Default 1000. */
  readonly requestTimeoutMs?: number
}

export interface LockOptions {
  /** How long to try to get the lock, in ms. Default 30 000. */
  readonly timeout?: number
  /** Stops trying to get the lock, and aborts the signal that the function got. */
  readonly signal?: AbortSignal
  /** Where in the program the lock is taken; `list` shows it. */
  readonly source?: string
}

/** Runs while the lock is held. `signal` aborts when the lock is lost, or when `LockOptions.signal` aborts. */
export type LockedFn<T> = (signal: AbortSignal) => T | PromiseLike<T>

const firstBackoffMs = 5
const maxBackoffMs = 250
/** The longest time that a timer can count. */
const maxRequestTimeoutMs = 2 ** 31 - 1

export class LockClient {
  readonly #grid: Manager
  readonly #servers: readonly string[]
  readonly #requestTimeoutMs: number

  /**
   * @throws {UnknownHostError} when a server is not among the hosts of the grid
   * @throws {TypeError} when there is no server, or one is named twice: it would count twice in a quorum
   */
  constructor(grid: Manager, { servers, requestTimeoutMs = 1000 }: LockClientOptions) {
    this.#grid = grid
    this.#servers = servers.map((host) => grid.connection(host).host)
    this.#requestTimeoutMs = Math.min(checkedMs('requestTimeoutMs', requestTimeoutMs), maxRequestTimeoutMs)
    if (servers.length === 0 || new Set(this.#servers).size < servers.length) {
      throw new TypeError('servers must name at least one lock server, and none twice')
    }
  }

  /**
   * Runs `fn` while no other owner has any of these resources. Returns what `fn` returns. The lock is given back in any
   * case. It is not re-entrant: an `fn` that asks for one of the resources again waits for itself.
   *
   * @throws {LockError} `ERR_LOCK_TIMEOUT` when the lock was not granted in time, with the error of a failed request, if
   * there was one, as cause; `ERR_LOCK_LOST` when the lock was lost while `fn` ran, whatever `fn` returned or threw (what it
   * threw is the cause); `ERR_LOCK_RESOURCES` or `ERR_LOCK_ARGUMENT` before any server is asked
   * @throws `signal.reason` when it aborts before `fn` began, and whatever `fn` throws
   * @throws {ClosedError} when the grid is closed; {RangeError} when the timeout is not a number above 0
   */
  withLock<T>(resources: readonly string[], fn: LockedFn<T>, options: LockOptions = {}): Promise<T> {
    return this.#with('write', resources, fn, options)
  }

  /** As `withLock`, but other readers may have the resources at the same time. */
  withRLock<T>(resources: readonly string[], fn: LockedFn<T>, options: LockOptions = {}): Promise<T> {
    return this.#with('read', resources, fn, options)
  }

  async #with<T>(kind: LockKind, resources: readonly string[], fn: LockedFn<T>, options: LockOptions): Promise<T> {
    const grants = await this.#acquire(kind, resources, options)
    const watch = new Watch(grants, options.signal)
    try {
      watch.signal.throwIfAborted()
      const result = await fn(watch.signal)
      if (watch.lost !== undefined) throw watch.lost
      return result
    } catch (error) {
      const { lost } = watch
      // Work that was aborted because the lock was lost fails with errors of its own.
      throw lost === undefined || lost === error ? error : new LockError(lost.code, lost.message, { cause: error })
    } finally {
      watch.stop()
      await grants.release()
    }
  }

  async #acquire(kind: LockKind, resources: readonly string[], options: LockOptions): Promise<Grants> {
    const { timeout = 30_000, signal, source = 'unknown' } = options
    const deadlineMs = performance.now() + checkedMs('timeout', timeout)
    const quorum = quorumOf(kind, this.#servers.length)
    let cause: unknown
    for (let backoffMs = firstBackoffMs; ; backoffMs = Math.min(2 * backoffMs, maxBackoffMs)) {
      signal?.throwIfAborted()
      const leftMs = deadlineMs - performance.now()
      if (leftMs <= 0) {
        const text = `no quorum of ${quorum} of ${this.#servers.length} servers within ${timeout} ms`
        throw new LockError('ERR_LOCK_TIMEOUT', text, { cause })
      }
      // New each time, so that what an earlier attempt gives back late does not release the grants of this one.
      const args = { uid: randomUUID(), resources: [...resources].sort(), owner: this.#grid.local, source, quorum }
      checkArgs(args)
      // New each time too: a host that was removed from the list and came back has another connection.
      const servers = this.#servers.map((host) => this.#grid.connection(host))
      const grants = new Grants(kind, args, servers, this.#requestTimeoutMs)
      if (await grants.ask(Math.min(this.#requestTimeoutMs, leftMs), signal)) return grants
      // Not awaited: what it sends arrives before what the next attempt sends.
      grants.release()
      cause = grants.failure
      if (ClosedError.is(cause)) throw cause
      await pause(Math.min(Math.random() * backoffMs, deadlineMs - performance.now()), signal)
    }
  }
}

function checkedMs(name: string, ms: number): number {
  if (ms > 0) return ms
  throw new RangeError(`${name} must be a number of milliseconds above 0`)
}
