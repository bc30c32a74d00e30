/** Counts events within the current second against a limit. */

const windowMs = 1000

export class Rate {
  readonly #limit: number
  #count = 0
  #sinceMs = 0

  /** @param limit events allowed within one second */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Counts one event; returns false when it exceeds the limit. Reads the clock only at the limit. */
  count(): boolean {
    if (++this.#count <= this.#limit) return true
    const now = performance.now()
    if (now - this.#sinceMs < windowMs) return false
    this.#sinceMs = now
    this.#count = 1
    return true
  }
}
