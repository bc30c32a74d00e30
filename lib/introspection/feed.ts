/**
 * What happens, for one reader of a stream: a bounded queue, of which the oldest go when the reader is slow. It follows its
 * source from the first pull on, so that nothing is left of one that is never read, and ends with its call, or when the
 * server drains.
 */

export class Feed<T> {
  /** Left out since the last one that was read. */
  #skipped = 0
  readonly #max: number
  readonly #signals: readonly AbortSignal[]
  readonly #waiting: T[] = []
  #wake: (() => void) | undefined
  #stop: () => void = () => undefined

  /** @param signals of which the first to abort ends it */
  constructor(max: number, signals: readonly AbortSignal[]) {
    this.#max = max
    this.#signals = signals
  }

  add(value: T): void {
    if (this.#waiting.length >= this.#max) {
      this.#waiting.shift()
      this.#skipped++
    }
    this.#waiting.push(value)
    this.#wake?.()
  }

  /**
   * @param follow follows the source from now on, and returns what ends that
   * @param make makes what is read, of a value and how many were left out before it
   */
  async *read<R>(follow: () => () => void, make: (value: T, skipped: number) => R): AsyncGenerator<R, void> {
    if (this.#isOver) return
    try {
      this.#stop = follow()
      for (const signal of this.#signals) signal.addEventListener('abort', this.#end)
      for (;;) {
        while (this.#waiting.length > 0) {
          const value = this.#waiting.shift() as T
          const skipped = this.#skipped
          this.#skipped = 0
          yield make(value, skipped)
        }
        if (this.#isOver) return
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      this.#end()
    }
  }

  get #isOver(): boolean {
    return this.#signals.some(({ aborted }) => aborted)
  }

  readonly #end = (): void => {
    this.#stop()
    for (const signal of this.#signals) signal.removeEventListener('abort', this.#end)
    this.#wake?.()
  }
}
