/** The deadline of a whole call with interceptors, which holds whatever they do. */

import { setImmediate } from 'node:timers'
import { DeadlineError, type Delivery } from '../errors/errors.ts'
import { DeadlineTimer } from '../time/after-reading.ts'
import type { CallerView } from './caller-view.ts'

/** What is left of the time of a call, in ms; 0 for no limit. @throws {DeadlineError} when nothing is */
export function toLeftMs(call: CallerView): number {
  if (call.endsMs === Number.POSITIVE_INFINITY) return 0
  const leftMs = call.endsMs - performance.now()
  if (leftMs > 0) return leftMs
  throw createLateError(call, 'notSent')
}

export function createLateError({ host, timeout }: CallerView, delivery: Delivery | undefined): DeadlineError {
  return new DeadlineError(`no answer from ${host} within ${timeout} ms`, { delivery })
}

export interface DeadlineOwner {
  /** Something was sent, and has not ended. */
  readonly isSent: boolean
  /** The time is over, and nothing is sent any more. */
  onLate(): void
}

/** What was sent has a deadline of its own, no later one, whose error says more: so that one is to come first. */
export class CallDeadline {
  readonly #owner: DeadlineOwner
  #endsMs = Number.NEGATIVE_INFINITY
  #timer: DeadlineTimer | undefined
  #isDue = false

  constructor(owner: DeadlineOwner) {
    this.#owner = owner
  }

  /** It is no earlier than this, of `performance.now()`. */
  extend(endsMs: number): void {
    if (endsMs <= this.#endsMs) return
    this.#endsMs = endsMs
    this.clear()
    this.#timer = endsMs === Number.POSITIVE_INFINITY ? undefined : new DeadlineTimer(endsMs, () => this.#onDue())
  }

  /** What was sent has ended, and is heard of by the interceptors first: they may give the call more time. */
  onEnded(): void {
    if (!this.#isDue || this.#owner.isSent) return
    setImmediate(() => {
      if (this.#isDue) this.#owner.onLate()
    })
  }

  clear(): void {
    this.#isDue = false
    this.#timer?.clear()
  }

  #onDue(): void {
    this.#isDue = true
    this.onEnded()
  }
}
