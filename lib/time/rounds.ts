/**
 * Lets the event loop go round amid much work: no conn, and not all of them together, holds up timers and the others for long.
 *
 * One count and one clock for the process: of a hundred peers that each keep it busy for 10 ms, the loop would stand still for a second.
 */

// Not the global one, which fake timers replace.
import { setImmediate } from 'node:timers'
import { loopBytes, loopMs } from '../errors/options.ts'

/** What may be done before the clock is looked at, in bytes. */
let leftBytes = 0
/** The loop is waited for, since then, of `performance.now()`. */
let isAwaited = false
let sinceMs = 0
let waiting: (() => void)[] = []

/**
 * Whether the loop is to go round before more is done, since it has not for `loopMs`.
 *
 * @param workBytes what was done: as much as it is to send or receive so many bytes
 */
export function isRoundDue(workBytes: number): boolean {
  leftBytes -= workBytes
  if (leftBytes > 0) return false
  // Fake timers that are put back set the clock back.
  if (Math.abs(performance.now() - sinceMs) >= loopMs) {
    if (isAwaited) return true
    awaitRound()
  }
  leftBytes = loopBytes
  return false
}

/** Calls `run` when the loop has gone round. */
export function afterRound(run: () => void): void {
  waiting.push(run)
  if (!isAwaited) awaitRound()
}

function awaitRound(): void {
  isAwaited = true
  sinceMs = performance.now()
  setImmediate(onRound)
}

function onRound(): void {
  isAwaited = false
  leftBytes = 0
  const all = waiting
  waiting = []
  // There may be time for little more than the first one: it is another one each time.
  const start = Math.floor(Math.random() * all.length)
  for (const run of all.slice(start)) run()
  for (const run of all.slice(0, start)) run()
}
