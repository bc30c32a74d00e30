/** A message that arrives, in one frame or in fragments. An `Assembly` exists only while a message is in pieces. */

import { MessageTooLargeError } from './errors.ts'
import type { FrameReader } from './frame-reader.ts'
import { allocatePayload } from './payload-memory.ts'

export interface AssemblyLimits {
  readonly maxMessageBytes: number
  readonly maxFragments: number
}

export class Assembly {
  readonly #limits: AssemblyLimits
  #parts: Uint8Array[] = []
  #bytes = 0

  constructor(limits: AssemblyLimits) {
    this.#limits = limits
  }

  /** @throws {MessageTooLargeError} when the message has grown over a limit */
  add(reader: FrameReader): void {
    this.#bytes += reader.payloadLength
    checkMessageBytes(this.#bytes, this.#limits.maxMessageBytes)
    this.#parts.push(reader.takePayload())
    if (this.#parts.length > this.#limits.maxFragments) {
      throw new MessageTooLargeError(`a message of more than ${this.#limits.maxFragments} fragments`)
    }
  }

  /** The whole message, in memory of its own. */
  join(): Uint8Array {
    const whole = allocatePayload(this.#bytes)
    let at = 0
    for (const part of this.#parts) {
      whole.set(part, at)
      at += part.length
    }
    return whole
  }
}

/**
 * The message that the last frame of it makes whole: the only frame, or the last of `assembly`.
 *
 * @param inPlace a view that is valid only while the frame is dealt with will do
 * @throws {MessageTooLargeError}
 */
export function wholeMessage(
  reader: FrameReader,
  assembly: Assembly | undefined,
  limits: AssemblyLimits,
  inPlace: boolean
): Uint8Array {
  if (assembly !== undefined) {
    assembly.add(reader)
    return assembly.join()
  }
  checkMessageBytes(reader.payloadLength, limits.maxMessageBytes)
  return inPlace ? reader.viewPayload() : reader.takePayload()
}

function checkMessageBytes(bytes: number, maxMessageBytes: number): void {
  if (bytes > maxMessageBytes) throw new MessageTooLargeError(`a message of more than ${maxMessageBytes} bytes`)
}
