/** What a process holds once all garbage is collected, and what things cost of it. */

import { setTimeout as delay } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export interface Memory {
  /** Bytes of JavaScript objects. */
  readonly heap: number
  /** Bytes that JavaScript objects hold outside of the heap, such as buffers. */
  readonly external: number
  /** Bytes that the operating system has given the process. */
  readonly resident: number
}

// So that each script runs by itself, without a flag.
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Buffers are freed beside the program; with a turn between, what finalizers let go of is collected too. */
const settleMs = 50

export async function memoryNow(): Promise<Memory> {
  for (let i = 0; i < 3; i++) {
    collect()
    await delay(settleMs)
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heap: heapUsed, external, resident: rss }
}

/** What each of `count` things costs that are there `after` and were not there `before`. */
export function perThing(before: Memory, after: Memory, count: number): Memory {
  return {
    heap: (after.heap - before.heap) / count,
    external: (after.external - before.external) / count,
    resident: (after.resident - before.resident) / count
  }
}

/** Heap and external together: what the aims are about. */
export function held({ heap, external }: Memory): number {
  return heap + external
}

export function mib(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}
