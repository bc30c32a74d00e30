/**
 * Waiting for conditions, in place of sleeping.
 */

import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { paced } from './clock/pace.ts'

/** How many turns are polled without a pause: what needs no network is there by then. */
const eagerTurns = 100
const pollMs = 2

/**
 * Resolves once `condition` holds; throws naming `what` when it does not in time: in `timeoutMs` of an idle machine, which
 * is there to end what hangs.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 15_000
): Promise<void> {
  const startedMs = performance.now()
  for (let turns = 0; !(await condition()); turns += 1) {
    const tookMs = performance.now() - startedMs
    if (tookMs > timeoutMs && tookMs > paced(timeoutMs)) throw new Error(`not within ${Math.round(tookMs)} ms: ${what}`)
    if (turns < eagerTurns) await turn()
    else await delay(pollMs)
  }
}

/** Resolves with a number once it did not change for so many turns of the event loop. */
export async function settled(read: () => number, quietTurns = 200): Promise<number> {
  let last = read()
  for (let quiet = 0; quiet < quietTurns; quiet += 1) {
    await (quiet % 10 === 9 ? delay(1) : turn())
    if (read() === last) continue
    last = read()
    quiet = 0
  }
  return last
}
