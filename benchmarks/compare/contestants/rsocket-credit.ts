/** Backpressure by request(n), in both versions of rsocket: how far a consumer asks ahead, and a sender that obeys. */

import type { StreamPlan } from '../contestant.ts'
import { ringOf } from '../messages.ts'

const maxWindow = 256
const maxWindowBytes = 4 * 1024 * 1024
const minWindow = 4

/** 256 is faster than 64, 1024 no faster; but no more bytes than one would hold ready for a stream. */
export function windowOf(messageBytes: number): number {
  return Math.max(minWindow, Math.min(maxWindow, Math.floor(maxWindowBytes / messageBytes)))
}

/** Says when to ask for more: whenever half of the window is free. */
export function renewing(window: number, ask: (n: number) => void): () => void {
  const renewal = Math.ceil(window / 2)
  let taken = 0
  return () => {
    if (++taken % renewal === 0) ask(renewal)
  }
}

/** Sends what is planned from the message `sent` on, as far as the other end asked for it. */
export function sendByCredit(
  { bytes, count, first }: StreamPlan,
  sent: number,
  send: (message: Buffer, isLast: boolean) => void
): (n: number) => void {
  const ring = ringOf(bytes)
  let next = sent
  let credit = 0
  let isSending = false
  return (n) => {
    credit += n
    // Whoever takes a message may ask for more within the call.
    if (isSending) return
    isSending = true
    while (credit > 0 && next < count) {
      credit--
      const message = ring.at(first + next++)
      send(message, next === count)
    }
    isSending = false
  }
}
