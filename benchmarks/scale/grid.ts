/** The built library as its users have it, and what both ends of the scale benchmarks share. */

import { createServer, type Server } from 'node:http'
import type { Manager } from '../../lib/index.ts'
import { secret } from '../harness/grid.ts'
import { listen } from '../harness/http.ts'
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

/** Which of a peer and the hub dials the other; that is decided by their names. */
export type Dialing = 'hub' | 'peer' | 'either'

/** A server that listens on loopback, and its address, which is the name of its manager. */
export interface Place {
  readonly server: Server
  readonly local: string
}

/** Tries ports until one makes a name for the dialing that is wanted: half of them do. */
export async function listenBeside(hub: string, dialing: Dialing): Promise<Place> {
  for (;;) {
    const server = createServer()
    const local = await listen(server)
    if (dialing === 'either' || (dialing === 'hub') === (grid.dialerOf(local, hub) === hub)) return { server, local }
    server.close()
  }
}

export async function allConnected({ connections }: Manager): Promise<void> {
  await Promise.all(connections.map((connection) => connection.waitForConnect()))
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
