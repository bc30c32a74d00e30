/**
 * The sending end of a conn: pulls messages from a source and writes each to a carrier.
 *
 * It pulls only while the carrier holds little unsent. It does not know when a conn is over: `CarrierConn` tells it.
 */

import { ClosedError } from '../errors/errors.ts'

export interface PumpTarget {
  /** Writes one message. Returns false when nothing can be sent any more: the pump then waits to be settled. */
  write(message: Uint8Array): boolean
  /** How much is written and not sent yet, in the unit of `limit`. */
  unsent(): number
}

/** `unsent()` is never this small: waiting for it lasts until the pump is settled. */
const never = -1

/** The conn is over and has its own error, so errors of `return()` are ignored. */
function ignoreLateError(): void {}

async function returnSource(iterator: AsyncIterator<Uint8Array>): Promise<void> {
  await iterator.return?.()
}

/** Runs once. The events of the conn (`drained`, `halt`, `settle`) may come at any time, also before `run`. */
export class Pump {
  readonly #target: PumpTarget
  readonly #limit: number
  readonly #onSourceError: (error: unknown) => void
  #iterator: AsyncIterator<Uint8Array> | undefined
  #exhausted = false
  #halted = false
  #stopped = false
  #outcome: { error: Error | undefined } | undefined
  #resolve: (() => void) | undefined
  #reject: ((error: Error) => void) | undefined
  #wake: (() => void) | undefined
  #wakeAt = 0

  /** The pump waits while the target holds more than `limit` unsent. Errors of the source go to `onSourceError`. */
  constructor(target: PumpTarget, limit: number, onSourceError: (error: unknown) => void) {
    this.#target = target
    this.#limit = limit
    this.#onSourceError = onSourceError
  }

  run(source: AsyncIterable<Uint8Array>): Promise<void> {
    if (this.#iterator !== undefined) return Promise.reject(new ClosedError('sink of a conn was called twice'))
    return new Promise((resolve, reject) => {
      const iterator = source[Symbol.asyncIterator]()
      this.#iterator = iterator
      this.#resolve = resolve
      this.#reject = reject
      if (this.#outcome !== undefined) this.settle(this.#outcome.error)
      if (this.#halted || this.#stopped) {
        this.#returnSource()
        return
      }
      this.#loop(iterator).catch((error: unknown) => {
        this.#exhausted = true
        // A source that fails after `halt` must not stop what is still being sent.
        if (!this.#halted && !this.#stopped) this.#onSourceError(error)
      })
    })
  }

  /** The target has sent something. */
  drained(): void {
    if (this.#wake !== undefined && this.#target.unsent() <= this.#wakeAt) this.#wakeUp()
  }

  /** Pulls no more. A pull in progress is still written if it settles before `stop`. */
  halt(): void {
    this.#halted = true
    this.#wakeUp()
  }

  /** Writes no more, and calls `return()` of the source. */
  stop(): void {
    this.#stopped = true
    this.#wakeUp()
    this.#returnSource()
  }

  /** The conn is over: settles the promise of `run`. The first call counts. */
  settle(error?: Error): void {
    this.#outcome ??= { error }
    this.stop()
    if (this.#outcome.error === undefined) this.#resolve?.()
    else this.#reject?.(this.#outcome.error)
  }

  async #loop(iterator: AsyncIterator<Uint8Array>): Promise<void> {
    for (;;) {
      const result = await iterator.next()
      if (result.done) break
      if (this.#stopped) return
      if (!this.#target.write(result.value)) await this.#room(never)
      else if (this.#target.unsent() > this.#limit && !this.#halted) await this.#room(this.#limit)
      if (this.#stopped || this.#halted) {
        this.#returnSource()
        return
      }
    }
    this.#exhausted = true
    if (this.#target.unsent() > 0 && !this.#halted && !this.#stopped) await this.#room(0)
    if (!this.#halted && !this.#stopped) this.settle()
  }

  #room(wakeAt: number): Promise<void> {
    this.#wakeAt = wakeAt
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  #returnSource(): void {
    if (this.#exhausted || this.#iterator === undefined) return
    this.#exhausted = true
    returnSource(this.#iterator).catch(ignoreLateError)
  }
}
