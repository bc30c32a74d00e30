/**
 * The three rulers: CPU, memory and promises of one operation, each taken by itself in a warm process.
 *
 * Memory is exact: between two readings no garbage is collected, so that what the heap has grown by is what was
 * allocated. For that the process needs `allocationFlags`.
 */

import { createHook } from 'node:async_hooks'
import { PerformanceObserver } from 'node:perf_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import { getHeapSpaceStatistics } from 'node:v8'
import { cpuUs } from '../commands.ts'
import type { Run } from './piece.ts'

/**
 * Room for a whole measurement in the young generation, whose collection would take away what is measured, and every
 * object is made there. One thread: which function is optimised when, and with it what is inlined, must not depend on
 * what else the machine does.
 */
export const allocationFlags: readonly string[] = [
  '--expose-gc',
  '--min-semi-space-size=128',
  '--max-semi-space-size=128',
  '--no-allocation-site-pretenuring',
  '--single-threaded'
]
/** Where objects are made. The other spaces also grow by what V8 notes about the code, now and then. */
const young: ReadonlySet<string> = new Set(['new_space', 'new_large_object_space'])
/** What one measurement may allocate: well below the semi-space, and below the buffers for which V8 collects anyway. */
const maxHeapBytes = 40 * 1024 * 1024
const maxBufferBytes = 20 * 1024 * 1024
const probeOperations = 500
const promiseOperations = 1_000
const spans = 3
const maxAttempts = 10

export interface Allocation {
  /** Bytes of JavaScript objects, per operation. */
  readonly heap: number
  /** Bytes of `ArrayBuffer`s outside of the heap, per operation. */
  readonly buffers: number
}

/**
 * Nanoseconds of CPU per operation over about `ms` of it. CPU and not the clock: on a machine that has other things to do
 * the clock tells more about those. What V8 does beside the program is counted with it.
 */
export async function measureTime(run: Run, ms: number): Promise<number> {
  const about = await cpuOf(run, probeOperations)
  return await cpuOf(run, Math.max(probeOperations, Math.round((ms * 1e6) / about)))
}

async function cpuOf(run: Run, count: number): Promise<number> {
  const beforeUs = cpuUs()
  await run(count)
  return (Math.max(1, cpuUs() - beforeUs) / count) * 1000
}

/** Runs so many of it; a number and not a time, so that each process is as warm as the other. */
export async function warmUp(run: Run, operations: number): Promise<void> {
  const step = 1024
  for (let done = 0; done < operations; done += step) await run(step)
}

/** Bytes per operation: the least of some measurements, for what disturbs one only adds to it. */
export async function measureBytes(run: Run, maxOperations: number): Promise<Allocation> {
  const probe = await measureSpan(run, probeOperations)
  const fits = Math.min(maxHeapBytes / probe.heap, maxBufferBytes / probe.buffers, maxOperations)
  const count = Math.max(probeOperations, Math.floor(fits))
  const all: Allocation[] = []
  for (let i = 0; i < spans; i++) all.push(await measureSpan(run, count))
  return { heap: Math.min(...all.map(({ heap }) => heap)), buffers: Math.min(...all.map(({ buffers }) => buffers)) }
}

/** @throws {Error} when V8 collects garbage in each attempt */
async function measureSpan(run: Run, most: number): Promise<Allocation> {
  let count = most
  let collections = 0
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length
  })
  observer.observe({ entryTypes: ['gc'] })
  try {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      await collectGarbage()
      collections = 0
      const heapBefore = youngBytes()
      const buffersBefore = process.memoryUsage().arrayBuffers
      await run(count)
      const heap = (youngBytes() - heapBefore) / count
      const buffers = (process.memoryUsage().arrayBuffers - buffersBefore) / count
      // Observers are told of a collection a turn later.
      await turn()
      await turn()
      if (collections === 0) return { heap, buffers }
      // More than the probe foretold.
      count = Math.max(probeOperations, count >> 1)
    }
  } finally {
    observer.disconnect()
  }
  throw new Error(`garbage was collected in each of ${maxAttempts} attempts to run ${most} operations or less`)
}

function youngBytes(): number {
  let sum = 0
  for (const { space_name, space_used_size } of getHeapSpaceStatistics())
    if (young.has(space_name)) sum += space_used_size
  return sum
}

/** Collects all there is, with its buffers: on one thread all of it is done here. Then the observers are told. */
async function collectGarbage(): Promise<void> {
  if (globalThis.gc === undefined) throw new Error(`memory can be measured only with ${allocationFlags.join(' ')}`)
  globalThis.gc()
  globalThis.gc()
  await turn()
  await turn()
}

/** Promises per operation, those of `await` included. */
export async function countPromises(run: Run): Promise<number> {
  let promises = 0
  const hook = createHook({
    init(_id, type) {
      if (type === 'PROMISE') promises++
    }
  })
  hook.enable()
  await run(promiseOperations)
  hook.disable()
  return promises / promiseOperations
}
