/** The end of a manager: closed when its grace is over. Of several graces the one that ends first counts. */

export class Grace {
  readonly #closed: Promise<void>
  #onClosed!: (all: Promise<void>) => void
  /** When the shortest grace ends that was given, of `performance.now()`. */
  #endsMs = Number.POSITIVE_INFINITY
  #isOver = false

  constructor() {
    this.#closed = new Promise((resolve) => {
      this.#onClosed = resolve
    })
    this.#closed.then(() => {
      this.#isOver = true
    })
  }

  /** All is closed. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Calls `close`, unless a grace was given that ends before. Resolves when the first of these calls is done. */
  end(graceMs: number, close: () => Promise<void>): Promise<void> {
    const endsMs = performance.now() + graceMs
    if (endsMs < this.#endsMs) {
      this.#endsMs = endsMs
      this.#onClosed(close())
    }
    return this.#closed
  }
}
