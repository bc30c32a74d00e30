/** A sink between a producer that counts what is asked of it and a stream with one slot, which the spec empties. */

import { type Many, many } from '../../lib/producer/many.ts'
import type { SinkOwner } from '../../lib/stream/port.ts'
import { Sink, type SinkPort } from '../../lib/stream/sink.ts'
import { SendWindow } from '../../lib/stream/window.ts'

/** A stream with one slot, which the spec empties. */
export class Port implements SinkPort {
  readonly sent: string[] = []
  readonly failures: unknown[] = []
  ends = 0
  slot: string | undefined
  /** Empties the slot by itself, as an outbox with room does. */
  readonly autoEmpty: boolean

  constructor(autoEmpty = true) {
    this.autoEmpty = autoEmpty
  }

  get canTake(): boolean {
    return this.slot === undefined && this.ends + this.failures.length === 0
  }

  sendMessage(payload: Uint8Array): void {
    const text = Buffer.from(payload).toString()
    this.sent.push(text)
    if (!this.autoEmpty) this.slot = text
  }

  sendEnd(): void {
    this.ends++
  }
}

/** A producer that counts what is asked of it. */
export class Counted {
  pulls = 0
  finallyRan = 0
  readonly #total: number

  constructor(total = Number.POSITIVE_INFINITY) {
    this.#total = total
  }

  *#each<T>(of: (value: string) => T): Generator<T> {
    try {
      while (this.pulls < this.#total) yield of(String(++this.pulls))
    } finally {
      this.finallyRan++
    }
  }

  sync(): Generator<string> {
    return this.#each((value) => value)
  }

  async *async(): AsyncGenerator<string> {
    yield* this.sync()
  }

  /** All of it in the place of one. */
  many(): Iterable<Many<string>> {
    return [many(this.sync())]
  }

  promises(): Generator<Promise<string>> {
    return this.#each((value) => Promise.resolve(value))
  }
}

export const kinds = ['sync', 'async', 'promises', 'many'] as const
export const encode = (value: string): Uint8Array => Buffer.from(value)

export function bench(messages: number, options: { bytes?: number; autoEmpty?: boolean; encode?: typeof encode } = {}) {
  const port = new Port(options.autoEmpty)
  const window = new SendWindow(messages, options.bytes ?? 1_000_000)
  const owner: SinkOwner<string> = {
    encode: options.encode ?? encode,
    onFailed: (error) => port.failures.push(error),
    onSettled: () => {
      made.settles++
    }
  }
  const made = { port, window, owner, sink: new Sink(port, window, owner), settles: 0 }
  return made
}
