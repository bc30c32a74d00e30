/**
 * The sending end of a conn: pulls messages from a source and writes each to a carrier that says how much it holds.
 *
 * It pulls only while the carrier holds little enough. It does not know when a conn is over: `CarrierConn` tells it.
 */

import { ClosedError } from '../base/errors.ts'

export interface PumpTarget {
  /** Hands over one message. False when nothing can be sent any more: the pump then waits to be settled. */
  write(message: Uint8Array): boolean
  /** How much is written and not yet out, in the unit of `limit`. */
  unsent(): number
}

/** No amount is this small: waiting for it lasts until the pump is settled. */
const never = -1

/** What a source throws while it is given back says nothing of the conn, which is over and has its own error. */
function ignoreLateError(): void {}

async function giveBack(iterator: AsyncIterator<Uint8Array>): Promise<void> {
  await iterator.return?.()
}

/** Runs once. Each event of the conn (`drained`, `halt`, `settle`) may come at any time, also before `run`. */
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

  /** The pump waits while the target holds more than `limit`. A source that throws is reported to `onSourceError`. */
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
        this.#giveBack()
        return
      }
      this.#loop(iterator).catch((error: unknown) => {
        this.#exhausted = true
        // A source that fails once it is no longer wanted must not cut short what is still being sent.
        if (!this.#halted && !this.#stopped) this.#onSourceError(error)
      })
    })
  }

  /** The target got rid of something. */
  drained(): void {
    if (this.#wake !== undefined && this.#target.unsent() <= this.#wakeAt) this.#wakeUp()
  }

  /** Pulls no more. A pull that is under way is still written if it settles before `stop`. */
  halt(): void {
    this.#halted = true
    this.#wakeUp()
  }

  /** Writes no more, and gives the source back. */
  stop(): void {
    this.#stopped = true
    this.#wakeUp()
    this.#giveBack()
  }

  /** The conn is over: settles what `run` returned. The first call counts. */
  settle(error?: Error): void {
    this.#outcome ??= { error }
    this.stop()
    if (this.#outcome.error === undefined) this.#resolve?.()
    else this.#reject?.(this.#outcome.error)
  }

  async #loop(iterator: AsyncIterator<Uint8Array>): Promise<void> {
    for (;;) {
      const result = await iterator.next()
      if (result.done === true) break
      if (this.#stopped) return
      if (!this.#target.write(result.value)) await this.#room(never)
      else if (this.#target.unsent() > this.#limit && !this.#halted) await this.#room(this.#limit)
      if (this.#stopped || this.#halted) {
        this.#giveBack()
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

  #giveBack(): void {
    if (this.#exhausted || this.#iterator === undefined) return
    this.#exhausted = true
    giveBack(this.#iterator).catch(ignoreLateError)
  }
}
