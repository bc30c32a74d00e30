/** What one server grants to one lock: asked for, kept alive, and given back whatever happens to the network. */

import { ClosedError, type Connection, GridError, RemoteError, type SingleDefinition } from '../../lib/index.ts'
import { type LockArgs, type LockReply, lock, refresh, rlock, runlock, unlock } from './definitions.ts'
import { pause } from './pause.ts'
import type { LockKind } from './table.ts'

/** What is left to clocks that run apart, and to an owner that has to stop. */
const safeShare = 0.9
const giveBackAgainMs = 100

export class Grant {
  /** The server surely keeps it until then; of `performance.now()`, 0 for none. */
  untilMs = 0
  /** How long a grant of this server lasts; 0 before it has said so. */
  ttlMs = 0
  /** The last error that came in place of an answer. */
  failure: unknown
  readonly #server: Connection
  readonly #kind: LockKind
  readonly #args: LockArgs
  /** The process that granted it: a later one has forgotten it. */
  #instance: string | undefined
  /** The server has it, or may have: a request for it is under way, or was lost. */
  #mayBeHeld = false
  /** It is not asked for again: an operator took it away, or the lock is given back. */
  #isGone = false

  constructor(server: Connection, kind: LockKind, args: LockArgs) {
    this.#server = server
    this.#kind = kind
    this.#args = args
  }

  /** True when the server has granted; whatever goes wrong, it is not sure to have. */
  async ask(timeout: number, signal?: AbortSignal): Promise<boolean> {
    const mightBeHeld = this.#mayBeHeld
    this.#mayBeHeld = true
    try {
      await this.#extend(this.#kind === 'write' ? lock : rlock, timeout, signal)
    } catch (error) {
      this.failure = error
      if (error instanceof GridError && error.delivery !== 'maybeRan') this.#mayBeHeld = mightBeHeld
    }
    return this.untilMs > 0
  }

  /** Begins its time anew, or asks again for one that is missing. */
  async refresh(timeout: number, signal: AbortSignal): Promise<void> {
    if (this.#isGone) return
    if (this.untilMs === 0) return void (await this.ask(timeout, signal))
    try {
      await this.#extend(refresh, timeout, signal)
    } catch (error) {
      // Everything else leaves in doubt whether it was refreshed: then it was not.
      if (!(error instanceof RemoteError && error.code === 'ERR_LOCK_NOT_HELD')) return
      const isOver = this.untilMs <= performance.now()
      this.untilMs = 0
      // A server that was restarted, or cut off for too long, may grant it again. One that has no reason to have forgotten
      // it was made to: somebody wanted the lock gone.
      this.#isGone = !isOver && this.#instance === this.#server.instance
    }
  }

  /**
   * Resolves when the server knows, but after `patienceMs` in any case, and at once when it is not known to have granted.
   * The server is told, in the background, until it answers or the grant is over by itself after `ttlMs`.
   */
  async giveBack(patienceMs: number, ttlMs: number): Promise<void> {
    this.#isGone = true
    if (!this.#mayBeHeld) return
    const known = new AbortController()
    const telling = this.#tell(performance.now() + Math.max(ttlMs, patienceMs)).then(() => known.abort())
    if (this.untilMs > 0) await Promise.race([telling, pause(patienceMs, known.signal)])
  }

  async #tell(endMs: number): Promise<void> {
    const definition = this.#kind === 'write' ? unlock : runlock
    for (let leftMs = endMs - performance.now(); leftMs > 0; leftMs = endMs - performance.now()) {
      try {
        return await this.#server.request(definition, this.#args, { timeout: leftMs, waitForReady: true })
      } catch (error) {
        // It has answered, and has no such lock; or nobody will ever ask it again.
        if (error instanceof RemoteError || error instanceof ClosedError) return
      }
      await pause(giveBackAgainMs)
    }
  }

  async #extend(
    definition: SingleDefinition<LockArgs, LockReply>,
    timeout: number,
    signal: AbortSignal | undefined
  ): Promise<void> {
    // The time of the server begins later than this.
    const sentAtMs = performance.now()
    const { granted, ttlMs } = await this.#server.request(definition, this.#args, { timeout, signal })
    this.ttlMs = ttlMs
    this.#mayBeHeld = granted
    if (!granted) return
    this.untilMs = sentAtMs + safeShare * ttlMs
    this.#instance = this.#server.instance
  }
}
