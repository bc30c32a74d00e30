/** Waiting for conditions where the timers may be real or fake: those of a runner go on by its own `advance`. */

import { setTimeout as realDelay, setImmediate as realTurn } from 'node:timers/promises'
import { InvalidOptionError } from '../../index.ts'

/** How the runner's fake timers go on. */
export type Advance = (ms: number) => PromiseLike<unknown>

/** What needs no time is there by then. */
const eagerTurns = 20
const pollMs = 2
/** Some 15 s, more on a busy machine: counted are polls, since every clock may be fake. */
const maxPolls = 7500
/** A second, or some: runners give a test 5 s, and say nothing of what it waits for. */
const slowPolls = 500
/** A check after so many polls finds timers that stand still. */
const suspiciousPolls = 25
/** Virtual time moves in fine steps first: what comes next shall find it as little moved as can be. */
const fineSteps = 200
const maxVirtualMs = 120_000

/** Moves fake timers, and says whether they are any. */
export async function move(ms: number, advance: Advance): Promise<boolean> {
  const before = performance.now()
  await advance(ms)
  return performance.now() - before > ms - 1
}

/** @throws {InvalidOptionError} when the time did not move by so much */
export async function advanceBy(ms: number, advance: Advance | undefined): Promise<void> {
  if (!(typeof ms === 'number' && ms >= 0 && ms < 2 ** 31)) {
    throw new InvalidOptionError(`advance() takes ms from 0 to 2^31-1; it was given ${String(ms)}`)
  }
  if (advance === undefined) {
    const how = 'vi.advanceTimersByTimeAsync, jest.advanceTimersByTimeAsync, or that of virtualTime()'
    throw new InvalidOptionError(`advance(${ms}) needs the option advance of testGrid(): ${how}`)
  }
  const before = performance.now()
  if (await move(ms, advance)) return
  const moved = Math.round(performance.now() - before)
  const why =
    'are the fake timers on, and do they replace performance? mock.timers of node:test do not: use virtualTime()'
  throw new InvalidOptionError(`advance(${ms}) moved performance.now() by ${moved} ms: ${why}`)
}

/**
 * Resolves once `condition` holds; warns after a while with what `missing` says, and throws with that when it does not in time.
 * Where `advance` fails, or moves nothing, the timers are real: a test may have put them back before its grid is closed.
 */
export async function until(
  condition: () => boolean,
  missing: () => string,
  advance: Advance | undefined
): Promise<void> {
  for (let turns = 0; turns < eagerTurns; turns++) {
    if (condition()) return
    await realTurn()
  }
  let polls = 0
  let virtualMs = 0
  for (let steps = 0; !condition(); steps++) {
    const stepMs = steps < fineSteps ? 1 : 10
    if (advance !== undefined && (await move(stepMs, advance).catch(() => false))) {
      virtualMs += stepMs
      await realTurn()
    } else {
      await realDelay(pollMs)
      if (++polls === suspiciousPolls) await throwIfStill()
      if (polls === slowPolls && !condition()) console.warn(`it-grid/testing still waits: ${missing()}`)
    }
    if (polls > maxPolls || virtualMs > maxVirtualMs) throw new Error(missing())
  }
}

/** Fake timers that nobody moves: nothing can happen any more. */
async function throwIfStill(): Promise<void> {
  let fired = false
  const timer = globalThis.setTimeout(() => {
    fired = true
  }, 1)
  await realDelay(50)
  globalThis.clearTimeout(timer)
  if (fired) return
  throw new InvalidOptionError(
    'the timers are fake and stand still: give testGrid() the option advance, such as vi.advanceTimersByTimeAsync'
  )
}
