/** A lock that is held: what its owner has in hand. */

import type { LockError } from './errors.ts'
import type { Grants } from './grants.ts'
import { Watch } from './watch.ts'

/** A lock that is held. */
export interface Lock {
  readonly resources: readonly string[]
  /**
   * Grows with each grant of a resource, but that readers that share it may have the same: what is written with an older one
   * must be refused by the store.
   */
  readonly token: number
  /** Aborts when it is lost, or when the signal aborts that was given. */
  readonly signal: AbortSignal
  /**
   * Gives it back. Resolves when the servers have been told, or after the time that a request has. A second call changes
   * nothing.
   *
   * @throws {LockError} `ERR_LOCK_LOST` when it was lost before
   */
  unlock(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export class HeldLock implements Lock {
  readonly resources: readonly string[]
  readonly token: number
  readonly #grants: Grants
  readonly #watch: Watch
  #ending: Promise<LockError | undefined> | undefined

  constructor(resources: readonly string[], grants: Grants, given: AbortSignal | undefined) {
    this.resources = resources
    this.token = grants.token
    this.#grants = grants
    this.#watch = new Watch(grants, given)
  }

  get signal(): AbortSignal {
    return this.#watch.signal
  }

  get isLost(): boolean {
    return this.#watch.lost !== undefined
  }

  async unlock(): Promise<void> {
    const lost = await this.end()
    if (lost !== undefined) throw lost
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.unlock()
  }

  /** Gives it back, and says why it was lost before, if it was. Never rejects. */
  end(): Promise<LockError | undefined> {
    this.#ending ??= this.#end()
    return this.#ending
  }

  async #end(): Promise<LockError | undefined> {
    const { lost } = this.#watch
    this.#watch.stop()
    await this.#grants.release()
    return lost
  }
}
