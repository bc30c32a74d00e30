/**
 * The model of one direction of a stream: what was handed over for sending, and what may be received because of it.
 *
 * Both ends of a schedule live in one process and tell it what they do at the moment they do it, so that it knows both
 * sides exactly: a sender that was let go beyond the window is seen even if its message is still on its way.
 */

import { fragmentBytes } from '../../../lib/base/options.ts'
import { isSame, messageOf } from './messages.ts'

export interface HalfInit {
  readonly call: number
  /** 0 for requests, 1 for responses. */
  readonly half: 0 | 1
  readonly capacity: number
  /** Of the end that receives. */
  readonly windowBytes: number
  readonly maxMessageBytes: number
  readonly fail: (text: string) => void
}

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
  readonly #init: HalfInit
  #untakenBytes = 0

  constructor(init: HalfInit) {
    this.#init = init
  }

  get name(): string {
    return this.#init.half === 0 ? 'requests' : 'responses'
  }

  /** The next message that is handed over. */
  next(size: number): Uint8Array {
    const { call, half, fail } = this.#init
    if (this.ended) fail(`the model handed over ${this.name} after their end`)
    const message = messageOf(call, half, this.sizes.length, size)
    this.sizes.push(size)
    this.#untakenBytes += size
    return message
  }

  /** The library asks the producer for one more: there must be room for it. */
  onPulled(): void {
    const { capacity, windowBytes, maxMessageBytes, fail } = this.#init
    const waiting = this.sizes.length - this.taken
    // A producer that may send nothing is pulled once, for its end.
    if (waiting >= Math.max(1, capacity)) fail(`${this.name}: pulled with ${waiting} untaken of ${capacity}`)
    const bound = Math.max(windowBytes, maxMessageBytes) + fragmentBytes
    if (this.#untakenBytes > bound) fail(`${this.name}: pulled with ${this.#untakenBytes} bytes untaken of ${bound}`)
  }

  /** The sender was told that the window took the next message. */
  onConfirmed(): void {
    const { capacity, fail } = this.#init
    this.confirmed++
    if (this.confirmed - this.taken > capacity)
      fail(`${this.name}: ${this.confirmed - this.taken} taken by a window of ${capacity}`)
  }

  /** The consumer got a message. */
  onTaken(message: Uint8Array): void {
    const { call, half, fail } = this.#init
    const index = this.taken++
    const size = this.sizes[index]
    if (this.outcome !== undefined) return fail(`${this.name}: a message after the end`)
    if (size === undefined) return fail(`${this.name}: message ${index} was received and never sent`)
    if (!isSame(message, messageOf(call, half, index, size))) {
      return fail(`${this.name}: message ${index} of ${size} bytes arrived as another one, of ${message.length} bytes`)
    }
    if (this.refused.has(index))
      fail(`${this.name}: message ${index} was received, and its sender told that it was not sent`)
    this.#untakenBytes -= size
    // It is the receiver's to keep: nobody else may see what he writes.
    message.fill(0xee)
  }

  /** The consumer saw a clean end. */
  onEnd(): void {
    if (this.outcome !== undefined) return this.#init.fail(`${this.name}: a second end`)
    this.outcome = 'clean'
    if (!this.ended) this.#init.fail(`${this.name}: a clean end, and the sender has not ended`)
    this.checkComplete('a clean end')
  }

  /** All that was handed over has been received. */
  checkComplete(why: string): void {
    const missing = this.sizes.length - this.taken
    if (missing !== 0) this.#init.fail(`${this.name}: ${why} with ${missing} of ${this.sizes.length} messages missing`)
  }
}
