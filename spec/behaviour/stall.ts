/** A process that stands still: its timers are due, and what arrives meanwhile lies unread in its sockets. */

import assert from 'node:assert/strict'
import { nextTick } from 'node:process'

/** All that microtasks and ticks do. Sockets are written to at once, but nothing is read, and no timer runs. */
export async function ticks(count = 200): Promise<void> {
  for (let tick = 0; tick < count; tick++) await new Promise<void>((resolve) => nextTick(resolve))
}

/** Nothing runs for `ms`: no timer, no socket, no promise. */
export function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/**
 * `send` and all that it gives rise to in this turn; then nothing runs for `ms`. In one process the remote end stands
 * still as well: what it has sent by then is in the socket, and nothing can follow it.
 */
export async function standStillBehind(send: () => void, ms: number): Promise<void> {
  let hasTurned = false
  // The check phase is behind timers and sockets: the turn that begins with it is whole.
  await new Promise<void>((resolve) => setImmediate(resolve))
  const next = setImmediate(() => {
    hasTurned = true
  })
  const nowMs = performance.now()
  // However slow the machine is, nothing of it takes long: else a conn would let the event loop go round.
  performance.now = () => nowMs
  try {
    send()
    await ticks()
  } finally {
    Reflect.deleteProperty(performance, 'now')
  }
  assert.ok(!hasTurned, 'the event loop went round')
  clearImmediate(next)
  standStill(ms)
}
