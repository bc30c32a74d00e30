/**
 * What a process holds when it rests: memory after a collection, what keeps its event loop alive, files, open streams.
 *
 * Two of them tell of a leak.
 */

import { readdirSync } from 'node:fs'
import { memoryNow } from '../../../benchmarks/harness/memory.ts'
import type { Manager } from '../../../lib/index.ts'

export type Vitals = Awaited<ReturnType<typeof takeVitals>>

/** A leak smaller than this is not told from what V8 keeps for itself. */
const slackBytes = 4 * 1024 * 1024

export async function takeVitals(manager: Manager) {
  const { heap, external } = await memoryNow()
  return {
    ageMinutes: performance.now() / 60_000,
    heapBytes: heap,
    /** Buffers. */
    externalBytes: external,
    /** Kinds of what keeps the event loop alive, with how many there are. */
    handles: countKinds(process.getActiveResourcesInfo()),
    files: process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0,
    /** Open at either end, with handlers that run, and those that wait to write. */
    streams: openStreams(manager),
    sessions: manager.stats().connections.filter(({ session }) => session !== undefined).length
  }
}

export function openStreams(manager: Manager): number {
  let open = 0
  for (const { session } of manager.stats().connections) {
    if (session === undefined) continue
    open += session.inboundStreams + session.outboundStreams + session.runningHandlers + session.sendQueueStreams
  }
  return open
}

/** What `end` has more than `start`, in words; empty when that is nothing. */
export function leaks(start: Vitals, end: Vitals): string[] {
  const found: string[] = []
  const grew = (what: string, before: number, after: number) => {
    if (after > before) found.push(`${what} went from ${before} to ${after}`)
  }
  const bound = (bytes: number) => bytes * 1.1 + slackBytes
  if (end.heapBytes > bound(start.heapBytes)) grew('heap bytes', start.heapBytes, end.heapBytes)
  if (end.externalBytes > bound(start.externalBytes)) grew('external bytes', start.externalBytes, end.externalBytes)
  for (const [kind, count] of Object.entries(end.handles)) {
    // The timer of a session's deadlines may run on after its last call.
    const slack = kind === 'Timeout' ? end.sessions : 0
    if (count > (start.handles[kind] ?? 0) + slack) grew(kind, start.handles[kind] ?? 0, count)
  }
  grew('open files', start.files, end.files)
  grew('open streams', 0, end.streams)
  return found
}

export function handlesText({ handles }: Vitals): string {
  return Object.entries(handles)
    .map(([kind, count]) => `${count} ${kind.replace(/Wrap$/, '')}`)
    .join(', ')
}

export function megabytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(2)
}

function countKinds(kinds: readonly string[]): Readonly<Record<string, number>> {
  return Object.fromEntries(
    [...kinds].sort().map((kind, _at, all) => [kind, all.filter((each) => each === kind).length])
  )
}
