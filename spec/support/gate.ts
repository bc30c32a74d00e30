/** A point that code waits at until the spec lets it go on. */

export class Gate {
  /** Resolves when the gate is opened. */
  readonly opened: Promise<void>
  #open!: () => void

  constructor() {
    this.opened = new Promise((resolve) => {
      this.#open = resolve
    })
  }

  open(): void {
    this.#open()
  }
}

/** What happened to a call, once it has. */
export class Outcome<T> {
  settled = false
  /** It rejected, with whatever `error` is. */
  failed = false
  value: T | undefined
  error: unknown
  readonly done: Promise<void>

  constructor(promise: Promise<T>) {
    this.done = promise.then(
      (value) => {
        this.value = value
        this.settled = true
      },
      (error) => {
        this.error = error
        this.failed = true
        this.settled = true
      }
    )
  }
}
