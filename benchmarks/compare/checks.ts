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

function messageCheck({ bytes, count, first }: StreamPlan): StreamCheck {
  const ring = ringOf(bytes)
  let taken = 0
  return {
    take(message) {
      const expected = ring.at(first + taken++)
      if (Buffer.compare(message, expected) !== 0) throw new WrongAnswer(`message ${taken} of a stream differs`)
    },
    end() {
      if (taken !== count) throw new WrongAnswer(`a stream of ${count} messages brought ${taken}`)
    }
  }
}

/** For streams that do not keep the bounds of messages: the bytes in a row. */
function byteCheck({ bytes, count, first }: StreamPlan): StreamCheck {
  const { whole } = ringOf(bytes)
  let taken = 0
  return {
    take(piece) {
      for (let start = 0; start < piece.length; ) {
        const at = (first * bytes + taken) % whole.length
        const length = Math.min(piece.length - start, whole.length - at)
        const isSame = whole.compare(piece, start, start + length, at, at + length) === 0
        if (!isSame) throw new WrongAnswer(`the bytes of a stream differ after ${taken}`)
        start += length
        taken += length
      }
    },
    end() {
      if (taken !== count * bytes) throw new WrongAnswer(`a stream of ${count * bytes} bytes brought ${taken}`)
    }
  }
}

/**
 * Runs streams and rejects with the first thing that differs.
 *
 * What a contestant calls back may not throw: in an event listener nothing would catch it.
 */
export async function checkStreams(plans: readonly StreamPlan[], streamsBytes: boolean, run: RunStreams) {
  const checks = plans.map(streamsBytes ? byteCheck : messageCheck)
  await new Promise<void>((resolve, reject) => {
    const take: TakeMessage = (stream, message) => {
      try {
        checks[stream]?.take(message)
      } catch (error) {
        reject(error)
      }
    }
    run(plans, take).then(resolve, reject)
  })
  for (const check of checks) check.end()
}
