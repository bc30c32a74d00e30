/**
 * The payloads: rings of random messages that both processes make for themselves, and that are the same in both.
 *
 * They are made once and never written again, so that sending one costs no allocation and no copy, and comparing
 * what arrived costs every contestant the same. Each begins with its index, so a lost or swapped one is noticed.
 */

import { createHash } from 'node:crypto'

/** Enough that a stream repeats itself late; small sizes stay within the caches of any CPU. */
const maxRingBytes = 4 * 1024 * 1024
const maxRingLength = 1024
const minRingLength = 4

export class MessageRing {
  /** All messages in a row. */
  readonly whole: Buffer
  readonly #messages: readonly Buffer[]
  readonly #mask: number

  constructor(bytes: number) {
    // A power of two, so that an index finds its message by a mask.
    let length = maxRingLength
    while (length > minRingLength && length * bytes > maxRingBytes) length /= 2
    this.#mask = length - 1
    this.whole = randomBytes(bytes * length)
    this.#messages = Array.from({ length }, (_, i) => {
      const message = this.whole.subarray(i * bytes, (i + 1) * bytes)
      if (bytes >= 4) message.writeUInt32LE(i)
      return message
    })
  }

  at(index: number): Buffer {
    return this.#messages[index & this.#mask] as Buffer
  }
}

const rings = new Map<number, MessageRing>()

/** The ring of messages of that size. */
export function ringOf(bytes: number): MessageRing {
  const ring = rings.get(bytes) ?? new MessageRing(bytes)
  rings.set(bytes, ring)
  return ring
}

/** The same in both processes. */
function randomBytes(count: number): Buffer {
  return createHash('shake256', { outputLength: count }).update('a ring of messages').digest()
}
