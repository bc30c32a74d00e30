/**
 * The model of one direction of a stream: what was handed over for sending, and what may be received because of it.
 *
 * Both ends of a schedule live in one process and tell it what they do at the moment they do it, so that it knows both
 * sides exactly: a sender that was let go beyond the window is seen even if its message is still on its way.
 */

import { fragmentBytes } from '../../../lib/errors/options.ts'
import type { Call } from './call.ts'
import { isSame, messageOf } from './messages.ts'
import { maxMessageBytes } from './plan.ts'

export type Half = ReturnType<typeof newHalf>

/**
 * @param number 0 for requests, 1 for responses
 * @param windowBytes of the end that receives
 */
export function newHalf(call: Call, number: 0 | 1, capacity: number, windowBytes: number) {
  const fail = (text: string) => call.fail(`${number === 0 ? 'requests' : 'responses'}: ${text}`)
  /** Bytes of each message handed over for sending, in their order. */
  const sizes: number[] = []
  let untakenBytes = 0
  /** Messages whose sender was told that the window took them. */
  let confirmed = 0
  const half = {
    /** Messages whose sender was told that they were not sent. */
    refused: new Set<number>(),
    taken: 0,
    /** By its sender, behind all that was handed over. */
    ended: false,
    /** How its consumer saw it end. */
    outcome: undefined as 'clean' | 'failed' | 'broken off' | undefined,

    /** The next message that is handed over. */
    next(size: number): Uint8Array {
      if (half.ended) fail('handed over after their end')
      const message = messageOf(call.number, number, sizes.length, size)
      sizes.push(size)
      untakenBytes += size
      return message
    },

    /** The library asks the producer for one more: there must be room for it. */
    onPulled(): void {
      const waiting = sizes.length - half.taken
      // A producer that may send nothing is pulled once, for its end.
      if (waiting >= Math.max(1, capacity)) fail(`pulled with ${waiting} untaken of ${capacity}`)
      const bound = Math.max(windowBytes, maxMessageBytes) + fragmentBytes
      if (untakenBytes > bound) fail(`pulled with ${untakenBytes} bytes untaken of ${bound}`)
    },

    /** The sender was told that the window took the next message. */
    onConfirmed(): void {
      const ahead = ++confirmed - half.taken
      if (ahead > capacity) fail(`${ahead} taken by a window of ${capacity}`)
    },

    /** The consumer got a message. */
    onTaken(message: Uint8Array): void {
      const index = half.taken++
      const size = sizes[index]
      if (half.outcome !== undefined) return fail('a message after the end')
      if (size === undefined) return fail(`message ${index} was received and never sent`)
      if (!isSame(message, messageOf(call.number, number, index, size)))
        return fail(`message ${index} of ${size} bytes arrived as another one, of ${message.length} bytes`)
      if (half.refused.has(index)) fail(`message ${index} was received, and its sender told that it was not sent`)
      untakenBytes -= size
      // It is the receiver's to keep: nobody else may see what he writes.
      message.fill(0xee)
    },

    /** The consumer saw a clean end. */
    onEnd(): void {
      if (half.outcome !== undefined) return fail('a second end')
      half.outcome = 'clean'
      if (!half.ended) fail('a clean end, and the sender has not ended')
      half.checkComplete('a clean end')
    },

    /** All that was handed over has been received. */
    checkComplete(why: string): void {
      const missing = sizes.length - half.taken
      if (missing !== 0) fail(`${why} with ${missing} of ${sizes.length} messages missing`)
    }
  }
  return half
}
