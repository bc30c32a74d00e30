/**
 * Small requests at fixed moments, whatever the answers do. Each is timed from when it was due, so that a process that
 * is too busy to send it counts as slow, not as absent.
 *
 * Timers of Node are good to about 1 ms, which is in all figures alike.
 */

import { checkAnswer } from './checks.ts'
import { ringOf } from './messages.ts'
import type { LatencyWorkload } from './workloads.ts'

type Request = (payload: Uint8Array) => Promise<Uint8Array>

export function probe(request: Request, { requestBytes, everyMs }: LatencyWorkload) {
  const ring = ringOf(requestBytes)
  const latenciesMs: number[] = []
  const startMs = performance.now()
  let isOver = false

  async function ask(index: number, dueMs: number): Promise<void> {
    const payload = ring.at(index)
    checkAnswer(await request(payload), payload)
    latenciesMs.push(performance.now() - dueMs)
  }

  async function askUntilOver(): Promise<void> {
    const asked: Promise<void>[] = []
    await new Promise<void>((resolve, reject) => {
      const tick = (): void => {
        const nextDueMs = () => startMs + (asked.length + 1) * everyMs
        while (nextDueMs() <= performance.now()) {
          const asking = ask(asked.length, nextDueMs())
          asking.catch(reject)
          asked.push(asking)
        }
        // A round without a single one has no percentiles.
        if (isOver && asked.length > 0) resolve()
        else setTimeout(tick, nextDueMs() - performance.now())
      }
      tick()
    })
    await Promise.all(asked)
  }

  return {
    /** Asks until the bulk is over, then waits for the last answers. */
    async until(bulk: Promise<unknown>): Promise<readonly number[]> {
      const over = bulk.finally(() => {
        isOver = true
      })
      await Promise.all([askUntilOver(), over])
      return latenciesMs
    }
  }
}
