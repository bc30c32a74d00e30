/** Builds messages from frames. An `Assembly` exists only while a message is incomplete. */

import { MessageTooLargeError } from '../errors/errors.ts'
import type { FrameReader } from '../wire/frame-reader.ts'
import { allocatePayload } from '../wire/payload-memory.ts'

export interface AssemblyLimits {
  readonly maxMessageBytes: number
  readonly maxFragments: number
}

/** Smaller fragments are copied together: a peer may send thousands, and an object for each costs more than its bytes. */
const minPartBytes = 4096
const noBytes = new Uint8Array(0)

export class Assembly {
  readonly #limits: AssemblyLimits
  readonly #parts: Uint8Array[] = []
  #fragments = 0
  #bytes = 0
  /** Small fragments, one after the other, in its first `gatheredBytes` bytes. */
  #gathered = noBytes
  #gatheredBytes = 0

  constructor(limits: AssemblyLimits) {
    this.#limits = limits
  }

  /** @throws {MessageTooLargeError} when the message exceeds a limit */
  add(reader: FrameReader): void {
    this.#bytes += reader.payloadLength
    checkMessageBytes(this.#bytes, this.#limits.maxMessageBytes)
    if (++this.#fragments > this.#limits.maxFragments) {
      throw new MessageTooLargeError(`a message of more than ${this.#limits.maxFragments} fragments`)
    }
    if (reader.payloadLength < minPartBytes) return this.#gather(reader.viewPayload())
    this.#endGathered()
    this.#parts.push(reader.takePayload())
  }

  /** The whole message, with its last fragment. @throws {MessageTooLargeError} likewise */
  complete(last: FrameReader): Uint8Array {
    this.add(last)
    return this.join()
  }

  /** The whole message, as a copy. */
  join(): Uint8Array {
    this.#endGathered()
    const whole = allocatePayload(this.#bytes)
    let at = 0
    for (const part of this.#parts) {
      whole.set(part, at)
      at += part.length
    }
    return whole
  }

  #gather(fragment: Uint8Array): void {
    const bytes = this.#gatheredBytes + fragment.length
    if (bytes > this.#gathered.length) {
      const grown = new Uint8Array(Math.max(bytes, 2 * this.#gathered.length))
      grown.set(this.#gathered.subarray(0, this.#gatheredBytes))
      this.#gathered = grown
    }
    this.#gathered.set(fragment, this.#gatheredBytes)
    this.#gatheredBytes = bytes
  }

  #endGathered(): void {
    if (this.#gatheredBytes === 0) return
    this.#parts.push(this.#gathered.subarray(0, this.#gatheredBytes))
    this.#gathered = noBytes
    this.#gatheredBytes = 0
  }
}

/**
 * The message that is in one frame.
 *
 * @param inPlace a view is enough that is valid only while the frame is handled
 * @throws {MessageTooLargeError}
 */
export function readMessage(reader: FrameReader, { maxMessageBytes }: AssemblyLimits, inPlace: boolean): Uint8Array {
  checkMessageBytes(reader.payloadLength, maxMessageBytes)
  return inPlace ? reader.viewPayload() : reader.takePayload()
}

function checkMessageBytes(bytes: number, maxMessageBytes: number): void {
  if (bytes > maxMessageBytes) throw new MessageTooLargeError(`a message of more than ${maxMessageBytes} bytes`)
}
