/**
 * Why there is no session with a host, and since when: the last error that is known, and the errors of calls that need one.
 */

import type { AnySignal } from '../base/abort.ts'
import { errorText } from '../base/text.ts'
import { ClosedError, DeadlineError, DisconnectedError, RejectedError } from '../errors/errors.ts'
import { causeBehind, toError } from '../errors/failure.ts'
import type { Logger } from '../errors/logger.ts'
import type { HostEvents } from '../figures/event-log.ts'
import type { ConnectionStats } from '../report/stats.ts'
import { Silence, type WhileWaiting } from './silence.ts'
import type { ConnectionState } from './state.ts'

export interface AbsenceInit {
  readonly host: string
  readonly dials: boolean
  readonly logger: Logger
  readonly whileWaiting?: WhileWaiting
}

export class Absence {
  /** Undefined while connected. */
  lastError: Error | undefined
  readonly #init: AbsenceInit
  readonly #signal: AnySignal
  readonly #events: HostEvents
  #toldAtMs = -Infinity
  #lostAtMs: number | undefined
  /** In ms since the epoch; undefined while connected. */
  #downSince: number | undefined = Date.now()
  /** Undefined where this side dials. */
  readonly #silence: Silence | undefined

  /** @param signal aborts when the connection is closed */
  constructor(init: AbsenceInit, signal: AnySignal, events: HostEvents) {
    this.#init = init
    this.#events = events
    this.#signal = signal
    if (!init.dials) this.#silence = new Silence(() => this.#onSilent())
  }

  get stats(): Pick<ConnectionStats, 'downSince' | 'lastError'> {
    return {
      ...(this.#downSince === undefined ? {} : { downSince: this.#downSince }),
      ...(this.lastError === undefined ? {} : { lastError: errorText(this.lastError) })
    }
  }

  onState(state: ConnectionState): void {
    if (state !== 'connected') this.#downSince ??= Date.now()
    if (state === 'waiting') this.#silence?.begin()
    else this.#silence?.end()
  }

  /** Tells the host, which is to dial, that this server is there. It dials by itself when it starts: one try is enough. */
  knock(state: () => ConnectionState): void {
    this.#init.whileWaiting?.knock(this.#init.host, this.#signal).then(
      () => {
        if (state() === 'waiting') this.#toldAtMs = performance.now()
      },
      (thrown) => {
        if (state() === 'waiting') this.lastError ??= toError(thrown)
      }
    )
  }

  /** There is a session. What was known before says nothing of the time after it. */
  end(): void {
    this.#silence?.reset()
    this.#downSince = undefined
    this.#toldAtMs = -Infinity
    this.lastError = undefined
  }

  /** There was a session. */
  onLost(error: Error): void {
    this.#lostAtMs = performance.now()
    this.lastError = error
  }

  /** The error of a call that does not wait. */
  createError(isClosed: boolean): Error {
    const { host, dials } = this.#init
    const delivery = 'notSent'
    if (isClosed) return new ClosedError(errorText(this.#signal.reason), { delivery })
    const cause = this.lastError
    if (RejectedError.is(cause)) return new RejectedError(cause.reason, cause.message, causeBehind(cause))
    const why =
      cause?.message ??
      (dials
        ? 'the first dial is under way; with waitForReady: true a call waits for it'
        : 'it is the one that dials, and no conn of it has been accepted yet; with waitForReady: true a call waits for one')
    return new DisconnectedError('notConnected', `not connected to ${host}: ${why}`, {
      delivery,
      recent: this.#events.recentUntilNow(),
      ...causeBehind(cause)
    })
  }

  /** The error of a call that has waited until its deadline, which was so long. */
  createLateError(timeoutMs: number): Error {
    const cause = this.lastError ?? this.#createSilenceError()
    const text = `no connection to ${this.#init.host} within ${timeoutMs} ms`
    return new DeadlineError(text, { delivery: 'notSent', cause })
  }

  #onSilent(): void {
    const { host, logger, whileWaiting } = this.#init
    whileWaiting?.onSilent(this.#signal)
    const before = this.lastError
    const error = this.#createSilenceError()
    if (error === undefined) return
    const last = before === undefined ? '' : ` The last that is known: ${before.message}`
    logger.warn(`waiting for ${host}: ${error.message}${last}`)
    // A refusal says more.
    if (!RejectedError.is(before)) this.lastError = error
  }

  #createSilenceError(): Error | undefined {
    if (this.#init.dials) return undefined
    const now = performance.now()
    const lostMsAgo = this.#lostAtMs === undefined ? undefined : now - this.#lostAtMs
    const text = this.#init.whileWaiting?.describeSilence(this.#init.host, {
      toldMsAgo: now - this.#toldAtMs,
      lostMsAgo
    })
    if (text !== undefined) return new DisconnectedError('notConnected', text, { cause: this.lastError })
  }
}
