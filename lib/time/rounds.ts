/**
 * Lets the event loop go round amid much work: no conn, and not all of them together, holds up timers and the others for long.
 *
 * One count and one clock for the process: of a hundred peers that each keep it busy for 10 ms, the loop would stand still for a second.
 */

// Not the global one, which fake timers replace.
import { setImmediate } from 'node:timers'
import { loopBytes, loopMs } from '../errors/options.ts'

/** In virtual time nobody is held up, and a program does the same each time. Fake timers replace the method or the whole object. */
const clock = performance
const { now } = clock

/** What may be done before the clock is looked at, in bytes. Behind a round that was due it is looked at once more at once. */
let leftBytes = loopBytes
/** The loop is to be seen to go round, since then, by `clock`. */
let isAwaited = false
let sinceMs = 0
let waiting: (() => void)[] = []

/**
 * Whether the loop is to go round before more is done, since it has not for `loopMs`: whoever asked waits by `afterRound`.
 *
 * @param workBytes what was done: as much as it is to send or receive so many bytes
 */
export function isRoundDue(workBytes: number): boolean {
  leftBytes -= workBytes
  if (leftBytes > 0 || performance.now !== now) return false
  // Nothing is left until it has: all others wait as well, however little they have done.
  if (isAwaited && performance.now() - sinceMs >= loopMs) return true
  awaitRound()
  leftBytes = loopBytes
  return false
}

/** Calls `run` when the loop has gone round; it must not throw. */
export function afterRound(run: () => void): void {
  waiting.push(run)
  awaitRound()
}

function awaitRound(): void {
  if (isAwaited) return
  isAwaited = true
  sinceMs = now.call(clock)
  setImmediate(onRound)
}

function onRound(): void {
  isAwaited = false
  const [first, ...others] = waiting
  waiting = []
  for (const run of others) run()
  // There may be time for little more than the first one: the first of this round is the last of the next.
  first?.()
}
