/** How often something happened within the running second, against a limit. */

const windowMs = 1000

export class Rate {
  readonly #limit: number
  #count = 0
  #sinceMs = 0

  /** @param limit what one second may hold */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** It happened once more; false when that is more than the limit allows. The clock is read only when it matters. */
  count(): boolean {
    if (++this.#count <= this.#limit) return true
    const now = performance.now()
    if (now - this.#sinceMs < windowMs) return false
    this.#sinceMs = now
    this.#count = 1
    return true
  }
}
