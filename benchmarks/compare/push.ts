/** Sending the messages of a plan under backpressure, for contestants whose writes say when to wait. */

import type { Writable } from 'node:stream'
import type { StreamPlan } from './contestant.ts'
import { ringOf } from './messages.ts'

/** Writes what is planned to a stream of Node, waits for `drain` as its contract has it, and ends it. */
export function writeAll(stream: Writable, plan: StreamPlan): void {
  const ring = ringOf(plan.bytes)
  let sent = 0
  const push = (): void => {
    while (sent < plan.count) {
      if (!stream.write(ring.at(plan.first + sent++))) {
        stream.once('drain', push)
        return
      }
    }
    stream.end()
  }
  push()
}

/**
 * Sends several streams over one conn, one message of each in turn, so that they run at once and not one by one.
 *
 * `send` says whether it takes more; if not, it calls `resume` once it does.
 */
export function pushInTurn(
  plans: readonly StreamPlan[],
  send: (stream: number, message: Buffer, resume: () => void) => boolean
): void {
  const running = plans.map((plan, stream) => ({ plan, stream, ring: ringOf(plan.bytes), sent: 0 }))
  let turn = 0
  const push = (): void => {
    while (running.length > 0) {
      const next = running[turn]
      if (next === undefined) {
        turn = 0
      } else if (next.sent === next.plan.count) {
        running.splice(turn, 1)
      } else {
        turn++
        if (!send(next.stream, next.ring.at(next.plan.first + next.sent++), push)) return
      }
    }
  }
  push()
}
