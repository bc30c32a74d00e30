/**
 * Something of a source that is not as it should be, and when that is to be told: when it begins, when it is about something
 * else, and not each time where it comes and goes, such as where one of two servers fails.
 */

/** What lasts so long is told in any case. Of what goes on, another text is told after so long. */
const lastingMs = 60_000
/** So often it is told at once that it begins. */
const freely = 3
/** Then there is a pause before the next time, doubled each time up to this, and forgotten when it is away for as long. */
const mostQuietMs = 3_600_000
/** Of one that goes on. */
const maxTexts = 8

export class Condition {
  #sinceMs: number | undefined
  #toldMs = Number.NEGATIVE_INFINITY
  #seenMs = Number.NEGATIVE_INFINITY
  /** Times that its begin was told, since it was away for an hour. */
  #count = 0
  /** Told since it began; none where that was not told. */
  readonly #texts = new Set<string>()

  /** It is so, as it was before or not. Returns whether this is to be told now. */
  holds(text: string): boolean {
    const nowMs = performance.now()
    if (nowMs - this.#seenMs > mostQuietMs) this.#count = 0
    this.#seenMs = nowMs
    this.#sinceMs ??= nowMs
    if (this.#texts.size > 0) return this.#takes(text, nowMs)
    if (nowMs - this.#sinceMs < lastingMs && nowMs - this.#toldMs < this.#quietMs) return false
    this.#count++
    return this.#take(text, nowMs)
  }

  /** It is not so, or no more. Returns whether it had been told that it was. */
  ends(): boolean {
    const wasTold = this.#texts.size > 0
    this.#texts.clear()
    this.#sinceMs = undefined
    return wasTold
  }

  get #quietMs(): number {
    return this.#count < freely ? 0 : Math.min(mostQuietMs, lastingMs * 2 ** (this.#count - freely))
  }

  #takes(text: string, nowMs: number): boolean {
    if (nowMs - this.#toldMs < lastingMs || this.#texts.has(text) || this.#texts.size === maxTexts) return false
    return this.#take(text, nowMs)
  }

  #take(text: string, nowMs: number): true {
    this.#texts.add(text)
    this.#toldMs = nowMs
    return true
  }
}
