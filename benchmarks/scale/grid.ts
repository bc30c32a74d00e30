/** The built library as its users have it, and what both ends of the scale benchmarks share. */

import type { ConnDialer, Manager } from '../../lib/index.ts'
import { secret } from '../harness/grid.ts'
import { libraryAt, libraryIn } from '../harness/library.ts'

export const grid = await libraryIn(libraryAt(''))('index')

/** What all managers have. */
export const options = { auth: grid.sharedSecret(secret), logger: grid.silentLogger }

const { bytes } = grid
/** Two-way: what comes back is what was sent. */
export const echoes = grid.streaming<void, Uint8Array, Uint8Array>('echoes', { request: bytes(), response: bytes() })
/** One way: one message, and then silence until the caller leaves. Its handler costs next to nothing. */
export const news = grid.streaming<void, never, Uint8Array>('news', { inCapacity: 0, response: bytes() })
/** The same from an async generator that waits for the signal of its context, as handlers often do. */
export const watch = grid.streaming<void, never, Uint8Array>('watch', { inCapacity: 0, response: bytes() })

/** Dials names that stand for other addresses. */
export function dialerBy(addressOf: (name: string) => string): ConnDialer {
  return (name, options) => grid.connectWS()(addressOf(name), options)
}

export type Counts = ReturnType<typeof countsOf>

/** What is open or runs at a manager; all zero when its work is done. */
export function countsOf(manager: Manager) {
  const counts = { inboundStreams: 0, outboundStreams: 0, runningHandlers: 0, sendQueueStreams: 0 }
  for (const { session } of manager.stats().connections) {
    for (const name of Object.keys(counts) as (keyof typeof counts)[]) counts[name] += session?.[name] ?? 0
  }
  return counts
}

export function isIdle(counts: Counts): boolean {
  return Object.values(counts).every((count) => count === 0)
}
