/** Holds pulls back until the messages are wanted, or are not wanted any more. */

import { shield } from '../base/promise.ts'

export class Gate {
  isOpen = false
  #resolve!: () => void
  #reject!: (reason: unknown) => void
  /** Rejects when it will not be opened. */
  readonly opened = new Promise<void>((resolve, reject) => {
    this.#resolve = resolve
    this.#reject = reject
  })

  constructor() {
    shield(this.opened)
  }

  open(): void {
    this.isOpen = true
    this.#resolve()
  }

  fail(reason: unknown): void {
    this.#reject(reason)
  }
}
