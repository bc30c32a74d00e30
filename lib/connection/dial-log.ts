/**
 * The dials of one connection: how many failed and how long they took, and why, in the log: from the second attempt on, when
 * the reason changes, and ever more rarely.
 */

import { errorText, printable } from '../base/text.ts'
import { RejectedError } from '../errors/errors.ts'
import { fieldsOf, type Logger } from '../errors/logger.ts'
import type { HostEvents } from '../figures/event-log.ts'
import { failureCode } from '../figures/figures.ts'
import type { DialStats } from '../report/stats.ts'

export class DialLog {
  readonly #host: string
  readonly #logger: Logger
  readonly #events: HostEvents
  #lastText = ''
  /** Dials that failed in this outage. */
  #failures = 0
  #allFailures = 0
  #beganMs = 0
  #lastDurationMs: number | undefined

  constructor(host: string, logger: Logger, events: HostEvents) {
    this.#host = host
    this.#events = events
    this.#logger = logger
  }

  /** There was a good session: the next failure begins another outage. Not a knock, nor a session that was lost at once. */
  reset(): void {
    this.#failures = 0
    this.#lastText = ''
  }

  begin(): void {
    this.#beganMs = performance.now()
  }

  /** It has led to a conn that has shaken hands, or to this error. */
  end(error?: Error): void {
    const durationMs = performance.now() - this.#beganMs
    this.#lastDurationMs = durationMs
    const told =
      error === undefined ? {} : { error: { code: failureCode(error), message: printable(errorText(error)) } }
    this.#events.add({ type: 'dial', durationMs, ...told })
    if (RejectedError.is(error)) {
      this.#events.add({
        type: 'refused',
        direction: 'outbound',
        reason: error.reason,
        message: printable(error.message)
      })
    }
  }

  /** @param nextAt when the next one begins */
  stats(nextAt: number | undefined): DialStats {
    const lastDurationMs = this.#lastDurationMs
    return {
      failures: this.#allFailures,
      ...(lastDurationMs === undefined ? {} : { lastDurationMs }),
      ...(nextAt === undefined ? {} : { nextAt })
    }
  }

  logFailure(error: unknown): void {
    this.#allFailures++
    const before = this.#failures++
    const text = errorText(error)
    const isNews = text !== this.#lastText
    this.#lastText = text
    if (before > 0 && (isNews || Number.isInteger(Math.log2(before)))) {
      const what = `cannot connect to ${this.#host}`
      this.#logger.warn(`${what} (attempt ${before + 1}): ${text.replace(`${what}: `, '')}`, {
        host: this.#host,
        ...fieldsOf(error)
      })
    }
  }
}
