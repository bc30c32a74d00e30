/**
 * Locks over several servers, for users: `withLock`, `lock`, and what operators look at.
 *
 * No client waits at a server, and no client keeps some of its resources while it waits for the rest. It asks for all at
 * once. If it did not get enough, it gives everything back and tries again after a random time. So there is no deadlock,
 * because no client holds and waits (Coffman, Elphick and Shoshani, "System deadlocks", 1971). The wait is the truncated
 * exponential backoff of Ethernet (Metcalfe and Boggs, 1976), which lets one of several contenders through. It is fair only
 * where the servers are: they keep the order, and let nobody in before his turn.
 */

import { randomUUID } from 'node:crypto'
import { type Connection, InvalidOptionError, type Manager, QuorumError, retry, serverName } from '../../index.ts'
import { checkArgs, checkResources, readOptions } from './check.ts'
import type { LockInfo, LockKind } from './definitions.ts'
import { LockError } from './errors.ts'
import { Grants, type GrantsInit } from './grants.ts'
import { findServers } from './hosts.ts'
import { HeldLock, type Lock } from './lock.ts'
import { forceUnlockAt, type LockQueue, listLocks, topLocks } from './operate.ts'
import { quorumOf, toTimeoutError } from './quorum.ts'
import { Turn } from './turn.ts'

export interface LockClientOptions {
  /** The hosts of all lock servers, including this one if it is one. The same list everywhere: quorums depend on it. */
  readonly servers: readonly string[]
  /** How long one server has to answer when a lock is asked for or given back, in ms. Default 1000. */
  readonly requestTimeoutMs?: number
  /** That of the lock servers. Default none. */
  readonly subroute?: string
}

export interface LockOptions {
  /** How long to try to get the lock, in ms; `Infinity` for no limit. Default 30 000. */
  readonly timeout?: number
  /** Stops trying to get the lock, and aborts the signal that the function got. */
  readonly signal?: AbortSignal
  /** Where in the program the lock is taken; `list` shows it. */
  readonly source?: string
}

/** Runs while the lock is held. `signal` aborts when the lock is lost, or when `LockOptions.signal` aborts. */
export type LockedFn<T> = (signal: AbortSignal, lock: Lock) => T | PromiseLike<T>

/** The truncated exponential backoff, in ms. */
const backoff = { baseDelayMs: 5, maxDelayMs: 250 }
/** The longest time that a timer can count. */
const maxTimeoutMs = 2 ** 31 - 1

export class LockClient {
  readonly #init: GrantsInit
  /** The highest token that this client knows of. */
  #token = 0

  /**
   * @throws {UnknownHostError} when fewer than a write quorum of the servers are among the hosts of the grid now
   * @throws {TypeError} when there is no server, or one is named twice: it would count twice in a quorum
   * @throws {RangeError} when `requestTimeoutMs` is not above 0; {InvalidOptionError} when there is no such option
   */
  constructor(grid: Manager, options: LockClientOptions) {
    if (Array.isArray(options)) {
      throw new InvalidOptionError('LockClient takes its servers as an option: new LockClient(grid, { servers })')
    }
    const {
      servers,
      requestTimeoutMs = 1000,
      subroute = ''
    } = readOptions('LockClient', options, {
      ...{ servers: 'object', requestTimeoutMs: 'number', subroute: 'string' }
    })
    const names = [...servers].map((host) => serverName(host))
    const timeoutMs = Math.min(checkedMs('requestTimeoutMs', requestTimeoutMs), maxTimeoutMs)
    this.#init = { grid, servers: names, subroute, requestTimeoutMs: timeoutMs }
    if (names.length === 0 || new Set(names).size < names.length) {
      throw new TypeError('servers must name at least one lock server, and none twice')
    }
    const { found, unknown } = findServers(grid, names)
    if (found.length < quorumOf('write', names.length)) throw unknown[0]?.error
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

  /**
   * Takes a lock that is held until `unlock()`, or until the end of the block with `await using`. It is kept for as long as this
   * process lives: `withLock` cannot forget to give it back.
   *
   * @throws as `withLock`, before the lock is held
   */
  lock(resources: readonly string[], options: LockOptions = {}): Promise<Lock> {
    return this.#take('write', resources, options)
  }

  /** As `lock`, but other readers may have the resources at the same time. */
  rlock(resources: readonly string[], options: LockOptions = {}): Promise<Lock> {
    return this.#take('read', resources, options)
  }

  /**
   * All locks, as the servers that answer know them, each once. One that was not granted by a quorum may be among them: it is
   * being given back.
   *
   * @throws the error of a server when none answers; `signal.reason` when it aborts
   */
  async *list(options: { readonly signal?: AbortSignal } = {}): AsyncIterable<LockInfo> {
    yield* listLocks(this.#connections(), { ...options, subroute: this.#init.subroute })
  }

  /**
   * Who waits for what, and who has it: `max` resources (default 10), the longest waits first. Of each, a server tells 100 waits
   * at most.
   *
   * @throws {RangeError} when `max` is not a whole number above 0
   * @throws as `list`
   */
  async top(options: { readonly max?: number; readonly signal?: AbortSignal } = {}): Promise<readonly LockQueue[]> {
    return await topLocks(this.#connections(), { ...options, subroute: this.#init.subroute })
  }

  /**
   * Takes every lock that has one of these resources away from its owner, who works on until he learns it: use it where he does
   * not work any more. Returns how many locks there were. Allowed by `allowForceUnlock` of the servers.
   *
   * @throws {RejectedError} with the reason `denied` when a server does not allow it
   * @throws {LockError} `ERR_LOCK_TIMEOUT` when fewer servers than a write quorum have done it in time (default: that of a
   * request), `ERR_LOCK_RESOURCES` before any server is asked
   * @throws `signal.reason` when it aborts
   */
  async forceUnlock(resources: readonly string[], options: LockOptions = {}): Promise<number> {
    const timeoutMs = checkedMs('timeout', options.timeout ?? this.#init.requestTimeoutMs)
    return await forceUnlockAt(this.#init, resources, toTimeout(timeoutMs), options.signal)
  }

  /** @throws {UnknownHostError} when none of the servers is in the list of hosts */
  #connections(): readonly Connection[] {
    const { found, unknown } = findServers(this.#init.grid, this.#init.servers)
    if (found.length === 0) throw unknown[0]?.error
    return found
  }

  async #with<T>(kind: LockKind, resources: readonly string[], fn: LockedFn<T>, options: LockOptions): Promise<T> {
    const lock = await this.#take(kind, resources, options)
    const outcome = await settle(async () => {
      lock.signal.throwIfAborted()
      return await fn(lock.signal, lock)
    })
    const lost = await lock.end()
    if (lost === undefined) {
      if ('error' in outcome) throw outcome.error
      return outcome.value
    }
    // Work that was aborted because the lock was lost fails with errors of its own.
    const isOwn = 'error' in outcome && outcome.error !== lost
    throw isOwn ? new LockError(lost.code, lost.message, { cause: outcome.error }) : lost
  }

  async #take(kind: LockKind, resources: readonly string[], options: LockOptions): Promise<HeldLock> {
    const { timeout = 30_000, signal, source = 'unknown' } = options
    checkedMs('timeout', timeout)
    signal?.throwIfAborted()
    const turn = new Turn(this.#token, this.#init.servers.length)
    const startMs = performance.now()
    let last: Grants | undefined
    try {
      const ask: Attempt = async (left) => {
        const asked = this.#newGrants(kind, resources, source, turn)
        last = asked
        await asked.ask(Math.min(this.#init.requestTimeoutMs, left.timeout), left.signal, (reply) => turn.hear(reply))
        return asked
      }
      for (let leftMs = timeout; leftMs > 0; leftMs = timeout - (performance.now() - startMs)) {
        const grants = await untilGranted(ask, leftMs, signal)
        if (turn.wasRefused) grants.leave()
        const lock = new HeldLock([...resources], grants, signal)
        if (!lock.isLost) return lock
        // A process that stood still: nobody has begun to work by it, so it is asked for again.
        lock.end()
      }
      throw new QuorumError(quorumOf(kind, this.#init.servers.length), [], { text: 'the answers came too late' })
    } catch (error) {
      last?.release()
      last?.leave()
      if (signal?.aborted === true) throw error
      const { length } = this.#init.servers
      throw toTimeoutError(error, `no quorum of ${quorumOf(kind, length)} of ${length} servers within ${timeout} ms`)
    } finally {
      this.#token = Math.max(this.#token, turn.token)
    }
  }

  #newGrants(kind: LockKind, resources: readonly string[], source: string, turn: Turn): Grants {
    const { grid, servers } = this.#init
    // Here already: the letters of a text would be taken for names.
    if (!Array.isArray(resources)) checkResources(resources)
    const args = {
      // New each time, so that what an earlier attempt gives back late does not release the grants of this one.
      ...{ uid: randomUUID(), resources: [...resources].sort(), owner: grid.local, source },
      ...{ quorum: quorumOf(kind, servers.length), token: turn.nextToken, waiting: turn.begin() }
    }
    checkArgs(args)
    return new Grants(this.#init, kind, args)
  }
}

type Attempt = (left: { readonly timeout: number; readonly signal?: AbortSignal | undefined }) => Promise<Grants>

/** Most locks are free. What trying again takes, a timer and signals, is spared until the first attempt has failed. */
async function untilGranted(ask: Attempt, timeout: number, signal: AbortSignal | undefined): Promise<Grants> {
  const startMs = performance.now()
  try {
    return await ask({ timeout, signal })
  } catch (error) {
    const leftMs = timeout - (performance.now() - startMs)
    if (!QuorumError.is(error) || leftMs <= 0) throw error
    return await retry((left, attempt) => (attempt === 1 ? Promise.reject(error) : ask(left)), {
      ...backoff,
      ...(signal && { signal }),
      timeout: toTimeout(leftMs),
      shouldRetry: (reason) => QuorumError.is(reason)
    })
  }
}

/** What `fn` comes to. */
async function settle<T>(fn: () => Promise<T>): Promise<{ readonly value: T } | { readonly error: unknown }> {
  try {
    return { value: await fn() }
  } catch (error) {
    return { error }
  }
}

function checkedMs(name: string, ms: number): number {
  if (ms > 0) return ms
  throw new RangeError(`${name} must be a number of milliseconds above 0`)
}

/** A time that is longer than a timer can count is none. */
function toTimeout(ms: number): number {
  return ms > maxTimeoutMs ? Number.POSITIVE_INFINITY : ms
}
