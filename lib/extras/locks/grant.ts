/** The grant of one server to one lock: asked for, kept alive, and given back whatever happens to the network. */

import {
  type CallOptions,
  ClosedError,
  type Connection,
  GridError,
  RemoteError,
  type SingleDefinition
} from '../../index.ts'
import { type LockArgs, type LockReply, lock, refresh, rlock, runlock, unlock } from './definitions.ts'
import { pause } from './pause.ts'
import type { LockKind } from './table.ts'

/** The rest is a margin for clocks that differ in speed, and for the time that an owner needs to stop. */
const safeShare = 0.9
const giveBackAgainMs = 100

export class Grant {
  /** The server surely keeps the grant until then, in the time of `performance.now()`; 0 for no grant. */
  untilMs = 0
  /** How long a grant of this server lasts, in ms; 0 until the server has said it. */
  ttlMs = 0
  /** The last error that came in place of an answer. */
  failure: unknown
  readonly #server: Connection
  readonly #kind: LockKind
  readonly #args: LockArgs
  /** The process that granted it. A later process of the same server has forgotten it. */
  #instance: string | undefined
  /** The server has granted it, or may have: a request for it is under way, or was lost. */
  #mayBeHeld = false
  /** It must not be asked for again: an operator took it away, or the lock is given back. */
  #isGone = false

  constructor(server: Connection, kind: LockKind, args: LockArgs) {
    this.#server = server
    this.#kind = kind
    this.#args = args
  }

  /** True when the server has granted. An error counts as false, although the server may have granted. */
  async ask(options: CallOptions): Promise<boolean> {
    const mightBeHeld = this.#mayBeHeld
    this.#mayBeHeld = true
    try {
      await this.#extend(this.#kind === 'write' ? lock : rlock, options)
    } catch (error) {
      this.failure = error
      if (GridError.is(error) && error.delivery !== 'maybeRan') this.#mayBeHeld = mightBeHeld
    }
    return this.untilMs > 0
  }

  /** Starts its time again, or asks again for a missing grant. Waits for a server that is not connected. */
  async refresh(timeout: number, signal: AbortSignal): Promise<void> {
    if (this.#isGone) return
    const options = { timeout, signal, waitForReady: true }
    // A process that has just started grants nothing to others for the time of a grant: what an earlier one has granted
    // counts until it would have ended.
    if (this.untilMs === 0 || !this.#isSameProcess()) return void (await this.ask(options))
    try {
      await this.#extend(refresh, options)
    } catch (error) {
      // After any other error it is not known whether the grant was refreshed, so it counts as not refreshed.
      if (!(RemoteError.is(error) && error.code === 'ERR_LOCK_NOT_HELD') || !this.#isSameProcess()) return
      // A server that was cut off for too long may grant it again. Otherwise an operator has taken it away.
      this.#isGone = this.untilMs > performance.now()
      this.untilMs = 0
    }
  }

  /**
   * Resolves when the server has been told, but after `patienceMs` at the latest, and at once if it is not known to have
   * granted. In the background the server is told until it answers, or until the grant ends by itself after `ttlMs`.
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
        // The server has answered that it has no such lock, or the connection is closed for good.
        if (RemoteError.is(error) || ClosedError.is(error)) return
      }
      await pause(giveBackAgainMs)
    }
  }

  async #extend(definition: SingleDefinition<LockArgs, LockReply>, options: CallOptions): Promise<void> {
    // The time at the server starts later than this, and a process that starts meanwhile is another one.
    const sentAtMs = performance.now()
    const { instance } = this.#server
    const { granted, ttlMs } = await this.#server.request(definition, this.#args, options)
    this.ttlMs = ttlMs
    this.#mayBeHeld = granted
    if (!granted) return
    this.untilMs = sentAtMs + safeShare * ttlMs
    this.#instance = instance ?? this.#server.instance
  }

  /** The process that granted it is there still, as far as is known. */
  #isSameProcess(): boolean {
    return this.#instance === this.#server.instance
  }
}
