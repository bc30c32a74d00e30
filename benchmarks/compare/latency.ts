/**
 * Small requests at fixed moments, whatever the answers do. Each is timed from when it was due, so that a process that
 * is too busy to send it counts as slow, not as absent.
 *
 * Timers of Node are good to about 1 ms, which is in all figures alike.
 */

import { checkAnswer } from './checks.ts'
import type { ClientSide } from './contestant.ts'
import { ringOf } from './messages.ts'
import type { LatencyWorkload } from './workloads.ts'

/** Asks until the bulk is over, then waits for the last answers. */
export async function latenciesBeside(
  bulk: Promise<unknown>,
  request: NonNullable<ClientSide['request']>,
  { requestBytes, everyMs }: LatencyWorkload
): Promise<readonly number[]> {
  const ring = ringOf(requestBytes)
  const latenciesMs: number[] = []
  const asked: Promise<void>[] = []
  const startMs = performance.now()
  const nextDueMs = () => startMs + (asked.length + 1) * everyMs
  let isOver = false
  const over = bulk.finally(() => {
    isOver = true
  })
  const allAsked = new Promise<void>((resolve, reject) => {
    const tick = (): void => {
      for (let dueMs = nextDueMs(); dueMs <= performance.now(); dueMs = nextDueMs()) {
        const payload = ring.at(asked.length)
        const asking = request(payload).then((answer) => {
          checkAnswer(answer, payload)
          latenciesMs.push(performance.now() - dueMs)
        })
        asking.catch(reject)
        asked.push(asking)
      }
      // A round without a single one has no percentiles.
      if (isOver && asked.length > 0) resolve()
      else setTimeout(tick, nextDueMs() - performance.now())
    }
    tick()
  })
  await Promise.all([allAsked, over])
  await Promise.all(asked)
  return latenciesMs
}
