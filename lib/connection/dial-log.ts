/** Logs why a host cannot be reached: from the second attempt on, when the reason changes, and ever more rarely. */

import type { Logger } from '../base/logger.ts'
import { errorText } from '../base/text.ts'

export class DialLog {
  readonly #host: string
  readonly #logger: Logger
  #lastText = ''
  /** Dials that failed in this outage. */
  #failures = 0

  constructor(host: string, logger: Logger) {
    this.#host = host
    this.#logger = logger
  }

  /** There was a good session: the next failure begins another outage. Not a knock, nor a session that was lost at once. */
  reset(): void {
    this.#failures = 0
    this.#lastText = ''
  }

  logFailure(error: unknown): void {
    const before = this.#failures++
    const text = errorText(error)
    const isNews = text !== this.#lastText
    this.#lastText = text
    if (before > 0 && (isNews || Number.isInteger(Math.log2(before)))) {
      const what = `cannot connect to ${this.#host}`
      this.#logger.warn(`${what} (attempt ${before + 1}): ${text.replace(`${what}: `, '')}`)
    }
  }
}
