/** Compares everything that arrives with what was sent. One answer that differs ends the whole run. */

import { WrongAnswer } from '../harness/commands.ts'
import type { RunStreams, StreamPlan, TakeMessage } from './contestant.ts'
import { ringOf } from './messages.ts'

export function checkAnswer(answer: Uint8Array, expected: Buffer): void {
  if (Buffer.compare(answer, expected) !== 0) throw new WrongAnswer(`an answer of ${answer.length} bytes differs`)
}

/** What one stream must bring, in order and to its end. */
interface StreamCheck {
  take(arrived: Uint8Array): void
  /** Throws unless all of it came. */
  end(): void
}

class MessageCheck implements StreamCheck {
  readonly #plan: StreamPlan
  readonly #ring
  #taken = 0

  constructor(plan: StreamPlan) {
    this.#plan = plan
    this.#ring = ringOf(plan.bytes)
  }

  take(message: Uint8Array): void {
    const expected = this.#ring.at(this.#plan.first + this.#taken++)
    if (Buffer.compare(message, expected) !== 0) throw new WrongAnswer(`message ${this.#taken} of a stream differs`)
  }

  end(): void {
    const { count } = this.#plan
    if (this.#taken !== count) throw new WrongAnswer(`a stream of ${count} messages brought ${this.#taken}`)
  }
}

/** For streams that do not keep the bounds of messages: the bytes in a row. */
class ByteCheck implements StreamCheck {
  readonly #plan: StreamPlan
  readonly #whole: Buffer
  #taken = 0

  constructor(plan: StreamPlan) {
    this.#plan = plan
    this.#whole = ringOf(plan.bytes).whole
  }

  take(piece: Uint8Array): void {
    const whole = this.#whole
    for (let start = 0; start < piece.length; ) {
      const at = (this.#plan.first * this.#plan.bytes + this.#taken) % whole.length
      const length = Math.min(piece.length - start, whole.length - at)
      if (whole.compare(piece, start, start + length, at, at + length) !== 0) {
        throw new WrongAnswer(`the bytes of a stream differ after ${this.#taken}`)
      }
      start += length
      this.#taken += length
    }
  }

  end(): void {
    const expected = this.#plan.count * this.#plan.bytes
    if (this.#taken !== expected) throw new WrongAnswer(`a stream of ${expected} bytes brought ${this.#taken}`)
  }
}

/**
 * Runs streams and rejects with the first thing that differs.
 *
 * What a contestant calls back may not throw: in an event listener nobody would catch it.
 */
export async function checkStreams(
  plans: readonly StreamPlan[],
  streamsBytes: boolean,
  run: RunStreams
): Promise<void> {
  const checks = plans.map((plan) => (streamsBytes ? new ByteCheck(plan) : new MessageCheck(plan)))
  await new Promise<void>((resolve, reject) => {
    const take: TakeMessage = (stream, message) => {
      try {
        ;(checks[stream] as StreamCheck).take(message)
      } catch (error) {
        reject(error)
      }
    }
    run(plans, take).then(resolve, reject)
  })
  for (const check of checks) check.end()
}
