/** A signal that is not of Node: as of a polyfill, or of another realm. It may break in the middle. */

export class ForeignSignal {
  aborted = false
  readonly #listeners = new Set<() => void>()
  readonly #reason: () => unknown
  readonly #breaks: 'add' | 'remove' | undefined

  /** Aborts with what `reason` returns or throws; `breaks` when it is asked to `add` or `remove` a listener. */
  constructor(reason: () => unknown = () => undefined, breaks?: 'add' | 'remove') {
    this.#reason = reason
    this.#breaks = breaks
  }

  get reason(): unknown {
    return this.#reason()
  }

  get listeners(): number {
    return this.#listeners.size
  }

  addEventListener(_type: string, listener: () => void): void {
    if (this.#breaks === 'add') throw new Error('no more listeners')
    this.#listeners.add(listener)
  }

  removeEventListener(_type: string, listener: () => void): void {
    if (this.#breaks === 'remove') throw new Error('a listener stays')
    this.#listeners.delete(listener)
  }

  abort(): void {
    this.aborted = true
    for (const listener of [...this.#listeners]) listener()
  }

  /** As what a caller has to hand over. */
  get signal(): AbortSignal {
    return this as unknown as AbortSignal
  }
}
