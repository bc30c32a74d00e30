/** Compares everything that arrives with what was sent. One answer that differs ends the whole run. */

import { WrongAnswer } from '../harness/commands.ts'
import type { RunStreams, StreamPlan, TakeMessage } from './contestant.ts'
import { ringOf } from './messages.ts'

export function checkAnswer(answer: Uint8Array, expected: Buffer): void {
  if (Buffer.compare(answer, expected) !== 0) throw new WrongAnswer(`an answer of ${answer.length} bytes differs`)
}

/** What one stream must bring, in order and to its end: messages, or their bytes where it does not keep the bounds of messages. */
function checkOf({ bytes, count, first }: StreamPlan, streamsBytes: boolean) {
  const ring = ringOf(bytes)
  const { whole } = ring
  let taken = 0
  const takeMessage = (message: Uint8Array): void => {
    const expected = ring.at(first + taken++)
    if (Buffer.compare(message, expected) !== 0) throw new WrongAnswer(`message ${taken} of a stream differs`)
  }
  const takePiece = (piece: Uint8Array): void => {
    for (let start = 0; start < piece.length; ) {
      const at = (first * bytes + taken) % whole.length
      const length = Math.min(piece.length - start, whole.length - at)
      const isSame = whole.compare(piece, start, start + length, at, at + length) === 0
      if (!isSame) throw new WrongAnswer(`the bytes of a stream differ after ${taken}`)
      start += length
      taken += length
    }
  }
  /** Throws unless all of it came. */
  const end = (): void => {
    const [all, what] = streamsBytes ? [count * bytes, 'bytes'] : [count, 'messages']
    if (taken !== all) throw new WrongAnswer(`a stream of ${all} ${what} brought ${taken}`)
  }
  return { take: streamsBytes ? takePiece : takeMessage, end }
}

/**
 * Runs streams and rejects with the first thing that differs.
 *
 * What a contestant calls back may not throw: in an event listener nothing would catch it.
 */
export async function checkStreams(plans: readonly StreamPlan[], streamsBytes: boolean, run: RunStreams) {
  const checks = plans.map((plan) => checkOf(plan, streamsBytes))
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
