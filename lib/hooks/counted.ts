/** A codec of a call that is published: the same in all that it says of itself, but it counts what it encodes, or what it decodes. */

import { isBytes } from '../base/bytes.ts'
import { type Codec, readFingerprint, readsInPlace } from '../codec/codec.ts'

interface Counts {
  /** A message of so many bytes is about to be sent. */
  countEncoded(bytes: number): void
  /** A message of so many bytes has arrived. */
  countReceived(bytes: number): void
}

export class Counted<T> implements Codec<T> {
  readonly #counts: Counts
  readonly #codec: Codec<T>
  readonly #direction: 'in' | 'out'

  constructor(counts: Counts, codec: Codec<T>, direction: 'in' | 'out') {
    this.#counts = counts
    this.#codec = codec
    this.#direction = direction
  }

  get readsInPlace(): boolean {
    return readsInPlace(this.#codec)
  }

  get fingerprint(): string | undefined {
    return readFingerprint(this.#codec)
  }

  encode(value: T): Uint8Array {
    const payload = this.#codec.encode(value)
    if (this.#direction === 'out' && isBytes(payload)) this.#counts.countEncoded(payload.length)
    return payload
  }

  decode(payload: Uint8Array): T {
    if (this.#direction === 'in') this.#counts.countReceived(payload.length)
    return this.#codec.decode(payload)
  }
}
