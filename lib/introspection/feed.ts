/**
 * What happens, for one reader of a stream: a bounded queue, of which the oldest go when the reader is slow. It follows its
 * source only while it is read, and ends with its call, or when the server drains.
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

  /** @param start returns what ends the source */
  follow(start: () => () => void): void {
    this.#stop = start()
    for (const signal of this.#signals) signal.addEventListener('abort', this.#end)
    if (this.#isOver) this.#end()
  }

  add(value: T): void {
    if (this.#waiting.length >= this.#max) {
      this.#waiting.shift()
      this.#skipped++
    }
    this.#waiting.push(value)
    this.#wake?.()
  }

  /** @param make makes what is read, of a value and how many were left out before it */
  async *read<R>(make: (value: T, skipped: number) => R): AsyncGenerator<R, void> {
    try {
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
