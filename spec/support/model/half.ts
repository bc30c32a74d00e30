/**
 * The model of one direction of a stream: what was handed over for sending, and what may be received because of it.
 *
 * Both ends of a schedule live in one process and tell it what they do at the moment they do it, so that it knows both
 * sides exactly: a sender that was let go beyond the window is seen even if its message is still on its way.
 */

import { fragmentBytes } from '../../../lib/base/options.ts'
import type { Call } from './call.ts'
import { isSame, messageOf } from './messages.ts'
import { maxMessageBytes } from './plan.ts'

export class Half {
  /** Bytes of each message handed over for sending, in their order. */
  readonly sizes: number[] = []
  /** Messages whose sender was told that they were not sent. */
  readonly refused = new Set<number>()
  /** Messages whose sender was told that the window took them. */
  confirmed = 0
  taken = 0
  /** By its sender, behind all that was handed over. */
  ended = false
  /** How its consumer saw it end. */
  outcome: 'clean' | 'failed' | 'broken off' | undefined
  readonly name: string
  readonly #call: Call
  readonly #half: 0 | 1
  readonly #capacity: number
  readonly #windowBytes: number
  #untakenBytes = 0

  /**
   * @param half 0 for requests, 1 for responses
   * @param windowBytes of the end that receives
   */
  constructor(call: Call, half: 0 | 1, capacity: number, windowBytes: number) {
    this.name = half === 0 ? 'requests' : 'responses'
    this.#call = call
    this.#half = half
    this.#capacity = capacity
    this.#windowBytes = windowBytes
  }

  /** The next message that is handed over. */
  next(size: number): Uint8Array {
    if (this.ended) this.#fail('handed over after their end')
    const message = messageOf(this.#call.number, this.#half, this.sizes.length, size)
    this.sizes.push(size)
    this.#untakenBytes += size
    return message
  }

  /** The library asks the producer for one more: there must be room for it. */
  onPulled(): void {
    const waiting = this.sizes.length - this.taken
    // A producer that may send nothing is pulled once, for its end.
    if (waiting >= Math.max(1, this.#capacity)) this.#fail(`pulled with ${waiting} untaken of ${this.#capacity}`)
    const bound = Math.max(this.#windowBytes, maxMessageBytes) + fragmentBytes
    if (this.#untakenBytes > bound) this.#fail(`pulled with ${this.#untakenBytes} bytes untaken of ${bound}`)
  }

  /** The sender was told that the window took the next message. */
  onConfirmed(): void {
    const ahead = ++this.confirmed - this.taken
    if (ahead > this.#capacity) this.#fail(`${ahead} taken by a window of ${this.#capacity}`)
  }

  /** The consumer got a message. */
  onTaken(message: Uint8Array): void {
    const index = this.taken++
    const size = this.sizes[index]
    if (this.outcome !== undefined) return this.#fail('a message after the end')
    if (size === undefined) return this.#fail(`message ${index} was received and never sent`)
    if (!isSame(message, messageOf(this.#call.number, this.#half, index, size)))
      return this.#fail(`message ${index} of ${size} bytes arrived as another one, of ${message.length} bytes`)
    if (this.refused.has(index)) this.#fail(`message ${index} was received, and its sender told that it was not sent`)
    this.#untakenBytes -= size
    // It is the receiver's to keep: nobody else may see what he writes.
    message.fill(0xee)
  }

  /** The consumer saw a clean end. */
  onEnd(): void {
    if (this.outcome !== undefined) return this.#fail('a second end')
    this.outcome = 'clean'
    if (!this.ended) this.#fail('a clean end, and the sender has not ended')
    this.checkComplete('a clean end')
  }

  /** All that was handed over has been received. */
  checkComplete(why: string): void {
    const missing = this.sizes.length - this.taken
    if (missing !== 0) this.#fail(`${why} with ${missing} of ${this.sizes.length} messages missing`)
  }
  #fail(text: string): void {
    this.#call.fail(`${this.name}: ${text}`)
  }
}
