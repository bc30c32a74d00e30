/** Tells of refused and failed handshakes once per remote and reason: a peer that retries for ever must not fill the log. */

import { errorText } from './errors.ts'
import type { Logger } from './logger.ts'

/** Pairs that are remembered; the oldest is forgotten, and may be told again. */
const maxRemembered = 1000

export class RefusalLog {
  /** All of them, for the stats. */
  count = 0
  readonly #logger: Logger
  readonly #told = new Set<string>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  add(error: unknown, address: string): void {
    this.count++
    const text = errorText(error)
    // The port of an address is new with each try.
    const key = text.replaceAll(address, address.replace(/:\d+$/, ''))
    if (this.#told.has(key)) return
    if (this.#told.size >= maxRemembered)
      for (const oldest of this.#told.values()) {
        this.#told.delete(oldest)
        break
      }
    this.#told.add(key)
    this.#logger.warn(`refused a conn from ${address}: ${text}`)
  }
}
