/** The grant of one server to one lock: kept alive, asked for again, and given back whatever happens to the network. */

import { randomUUID } from 'node:crypto'
import {
  type CallOptions,
  GridError,
  RemoteError,
  retry,
  type SingleDefinition,
  UnknownHostError
} from '../../index.ts'
import { type LockArgs, type LockKind, type LockReply, lock, refresh, rlock, runlock, unlock } from './definitions.ts'
import type { FindServer } from './hosts.ts'
import { type GrantReply, isGrant } from './quorum.ts'

/** The rest is a margin for clocks that differ in speed, and for the time that an owner needs to stop. */
const safeShare = 0.9
const giveBackAgainMs = 100

export class Grant {
  /** The server surely keeps the grant until then, in the time of `performance.now()`; 0 for no grant. */
  untilMs = 0
  /** How long a grant of this server lasts, in ms; 0 until the server has said it. */
  ttlMs = 0
  readonly #find: FindServer
  readonly #subroute: string
  readonly #kind: LockKind
  readonly #args: LockArgs
  /** The process that granted it. A later process of the same server has forgotten it. */
  #instance: string | undefined
  /** The server has granted it, or may have: a request for it is under way, or was lost. */
  #mayBeHeld = false
  /** The server has refused a refresh, and may keep a place in its line for that. */
  #isInLine = false
  /** It must not be asked for again: an operator took it away, or the lock is given back. */
  #isGone = false

  /** @param args as they are whenever a request is made */
  constructor(find: FindServer, subroute: string, kind: LockKind, args: LockArgs) {
    this.#find = find
    this.#subroute = subroute
    this.#kind = kind
    this.#args = args
  }

  /** The process that would answer now, as far as is known. */
  get instance(): string | undefined {
    try {
      return this.#find().instance
    } catch {
      // It is not in the list.
      return undefined
    }
  }

  /** It was granted by an answer to what was sent at `sentAtMs`, when `instance` was there. */
  onGranted({ ttlMs }: GrantReply, sentAtMs: number, instance: string | undefined): void {
    this.ttlMs = ttlMs
    this.#mayBeHeld = true
    // The time at the server starts later than this, and a process that starts meanwhile is another one.
    this.untilMs = sentAtMs + safeShare * ttlMs
    this.#instance = instance ?? this.instance
  }

  /** It was asked for, and what came of that is not known. */
  onUnknown(): void {
    this.#mayBeHeld = true
  }

  /** Starts its time again, or asks for a missing grant. Waits for a server that is not connected. */
  async refresh(timeout: number, signal: AbortSignal): Promise<void> {
    if (this.#isGone) return
    const options = { timeout, signal, waitForReady: true }
    // A process that has just started grants nothing to others for the time of a grant: what an earlier one has granted
    // counts until it would have ended.
    if (this.untilMs === 0 || !this.#isSameProcess()) return await this.#ask(options)
    try {
      await this.#extend(refresh, options)
    } catch (error) {
      // After any other error it is not known whether the grant was refreshed, so it counts as not refreshed.
      if (!isNotHeld(error) || !this.#isSameProcess()) return
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
    if (this.#isInLine) this.#leaveLine(patienceMs)
    if (!this.#mayBeHeld) return
    this.#mayBeHeld = false
    const telling = this.#tell(Math.max(ttlMs, patienceMs))
    if (this.untilMs === 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, patienceMs)
      telling.then(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  /** Nobody waits for it any more. A server that does not hear of it finds out by itself. */
  leave(timeout: number): void {
    if (this.untilMs === 0) this.#leaveLine(timeout)
  }

  #leaveLine(timeout: number): void {
    this.#isInLine = false
    // The uid of no lock: it must not take back what is granted later.
    const args = { ...this.#args, uid: randomUUID() }
    this.#request(this.#unlock, args, { timeout }).catch(() => undefined)
  }

  get #unlock() {
    return this.#kind === 'write' ? unlock : runlock
  }

  async #tell(timeout: number): Promise<void> {
    // The wait that it belongs to may go on.
    const args = { ...this.#args, waiting: undefined }
    const ask = (left: CallOptions) => this.#request(this.#unlock, args, { ...left, waitForReady: true })
    // An answer, be it that there is no such lock, ends it; and so does a grid that is closed, or has the server no more. The
    // first one nearly always comes: what trying again takes is spared until then.
    const shouldRetry = (error: unknown) => !UnknownHostError.is(error)
    const again = (error: unknown) => {
      if (RemoteError.is(error)) return undefined
      return retry(ask, { timeout, idempotent: true, baseDelayMs: giveBackAgainMs, shouldRetry })
    }
    await ask({ timeout })
      .catch(again)
      .catch(() => undefined)
  }

  async #ask(options: CallOptions): Promise<void> {
    const mightBeHeld = this.#mayBeHeld
    this.#mayBeHeld = true
    try {
      await this.#extend(this.#kind === 'write' ? lock : rlock, options)
    } catch (error) {
      if (GridError.is(error) && error.delivery !== 'maybeRan') this.#mayBeHeld = mightBeHeld
      // An operator has taken it away, though its grant was not known here.
      if (isNotHeld(error)) this.#isGone = true
    }
  }

  async #extend(definition: SingleDefinition<LockArgs, LockReply>, options: CallOptions): Promise<void> {
    const { instance } = this
    const sentAtMs = performance.now()
    const reply = await this.#request(definition, this.#args, options)
    if (isGrant(reply)) this.onGranted(reply, sentAtMs, instance)
    else this.#mayBeHeld = reply.granted
    this.#isInLine = !reply.granted
  }

  async #request<Res>(definition: SingleDefinition<LockArgs, Res>, args: LockArgs, options: CallOptions): Promise<Res> {
    return await this.#find().subroute(this.#subroute).request(definition, args, options)
  }

  /** The process that granted it is there still, as far as is known. */
  #isSameProcess(): boolean {
    return this.#instance === this.instance
  }
}

function isNotHeld(error: unknown): boolean {
  return RemoteError.is(error) && error.code === 'ERR_LOCK_NOT_HELD'
}
