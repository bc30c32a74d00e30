/** The built library as its users have it, and what both ends of the scale benchmarks share. */

import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Manager } from '../../lib/index.ts'
import { refuse } from '../harness/arguments.ts'
import { builtLibrary, checkLibrary, libraryIn } from '../harness/library.ts'

try {
  checkLibrary(builtLibrary)
} catch (error) {
  refuse(error instanceof Error ? error.message : String(error))
}

export const grid = await libraryIn(builtLibrary)('index')

export const auth = grid.sharedSecret('a secret of the benchmarks')
export const logger = grid.silentLogger

const { bytes } = grid
/** Two-way: what comes back is what was sent. */
export const echoes = grid.streaming<void, Uint8Array, Uint8Array>('echoes', { request: bytes(), response: bytes() })
/** One way: one message, and then silence until the caller leaves. Its handler costs next to nothing. */
export const news = grid.streaming<void, never, Uint8Array>('news', { inCapacity: 0, response: bytes() })
/** The same from an async generator that waits for the signal of its context, as handlers often do. */
export const watch = grid.streaming<void, never, Uint8Array>('watch', { inCapacity: 0, response: bytes() })

/** A name that dials `remote`, number `index` of them. */
export function dialingName(remote: string, index = 0): string {
  return nameOf(index, (name) => grid.dialerOf(name, remote) === name)
}

/** A name that `remote` dials, number `index` of them. */
export function dialedName(remote: string, index = 0): string {
  return nameOf(index, (name) => grid.dialerOf(name, remote) === remote)
}

/** Half of all names will do. */
function nameOf(index: number, fits: (name: string) => boolean): string {
  for (let port = 1; ; port++) {
    const name = `http://node-${index}:${port}`
    if (fits(name)) return name
  }
}

/** Listens on a free port of loopback; returns its origin. */
export async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** What is open or runs at a manager; all zero when its work is done. */
export interface Counts {
  readonly inboundStreams: number
  readonly outboundStreams: number
  readonly runningHandlers: number
  readonly sendQueueStreams: number
}

export function countsOf(manager: Manager): Counts {
  const counts = { inboundStreams: 0, outboundStreams: 0, runningHandlers: 0, sendQueueStreams: 0 }
  for (const { session } of manager.stats().connections) {
    for (const name of Object.keys(counts) as (keyof Counts)[]) counts[name] += session?.[name] ?? 0
  }
  return counts
}

export function isIdle(counts: Counts): boolean {
  return Object.values(counts).every((count) => count === 0)
}
