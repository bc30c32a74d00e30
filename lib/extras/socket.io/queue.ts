/**
 * What waits to be sent to one server, in order and bounded: a producer for a stream of the grid, which pulls only with credit.
 *
 * A server that reads too slowly for what is sent to it must not fill this one's memory: who pushes is told when it is full.
 */

import { type Many, many } from '../../index.ts'
import type { Message } from './message.ts'

/** So many places that are empty are kept in front of those that wait. */
const slack = 1024

export class Queue implements AsyncIterable<Many<Uint8Array>> {
  readonly #maxBytes: number
  #parts: (Uint8Array | undefined)[] = []
  #head = 0
  #bytes = 0
  #isEnded = false
  #wake: (() => void) | undefined

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Returns false when it has no room for it. */
  push({ parts, bytes }: Message): boolean {
    if (this.#bytes + bytes > this.#maxBytes) return false
    if (this.#isEnded) return true
    for (const part of parts) this.#parts.push(part)
    this.#bytes += bytes
    this.#wake?.()
    return true
  }

  /** What waits is still sent. */
  end(): void {
    this.#isEnded = true
    this.#wake?.()
  }

  /** Nobody pulls any more. */
  drop(): void {
    this.#parts = []
    this.#head = 0
    this.#bytes = 0
    this.end()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Many<Uint8Array>, void> {
    while (true) {
      if (this.#head < this.#parts.length) yield many(this.#take())
      else if (this.#isEnded) return
      else await this.#pushed()
    }
  }

  /** What a stream has credit for leaves the queue. */
  *#take(): Generator<Uint8Array, void> {
    for (let part = this.#parts[this.#head]; part !== undefined; part = this.#parts[this.#head]) {
      this.#parts[this.#head++] = undefined
      this.#bytes -= part.length
      if (this.#head > slack && this.#head * 2 > this.#parts.length) {
        this.#parts = this.#parts.slice(this.#head)
        this.#head = 0
      }
      yield part
    }
  }

  async #pushed(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    this.#wake = undefined
  }
}
