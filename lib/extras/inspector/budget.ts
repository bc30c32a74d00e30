/**
 * How much pages may be told now. A page reads some kilobytes a second, at night and on a phone too: what is more waits for
 * its turn. What must be seen at once may be told on credit, and then all else waits the longer.
 */

const bytesPerSecond = 19 * 1024
/** The picture forms in the first seconds, and is told at once. */
const first = { bytes: 256 * 1024, forMs: 10_000 } as const
/** On credit: as much as two seconds have. */
const mostDebt = 2 * bytesPerSecond

export class Budget {
  #bytes: number = first.bytes
  readonly #startedMs: number
  #filledMs: number

  constructor(nowMs: number) {
    this.#startedMs = nowMs
    this.#filledMs = nowMs
  }

  fill(nowMs: number): void {
    const most = nowMs - this.#startedMs < first.forMs ? first.bytes : bytesPerSecond
    this.#bytes = Math.min(most, this.#bytes + ((nowMs - this.#filledMs) / 1000) * bytesPerSecond)
    this.#filledMs = nowMs
  }

  spend(bytes: number): void {
    this.#bytes -= bytes
  }

  get isLeft(): boolean {
    return this.#bytes > 0
  }

  get hasCredit(): boolean {
    return this.#bytes > -mostDebt
  }
}

/** As it travels. */
export function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}
