/** Logs why a host cannot be reached: from the second attempt on, when the reason changes, and ever more rarely. */

import type { Logger } from '../base/logger.ts'
import { errorText } from '../base/text.ts'

export class DialLog {
  readonly #host: string
  readonly #logger: Logger
  #lastText = ''

  constructor(host: string, logger: Logger) {
    this.#host = host
    this.#logger = logger
  }

  /** @param attempts dials that failed before this one since the last good session */
  logFailure(error: unknown, attempts: number): void {
    const text = errorText(error)
    const isNews = text !== this.#lastText
    this.#lastText = text
    if (attempts > 0 && (isNews || Number.isInteger(Math.log2(attempts)))) {
      const what = `cannot connect to ${this.#host}`
      this.#logger.warn(`${what} (attempt ${attempts + 1}): ${text.replace(`${what}: `, '')}`)
    }
  }
}
