/**
 * How much slower than an idle machine this one is just now, for the specs in which a real time is the point: what they
 * wait and what they allow is that of an idle machine, `paced`.
 *
 * Measured is how long a little computing takes, beside how much of a processor it got. Timers would not tell: whoever
 * waits most of the time is soon let in, while those who have much to do, such as processes that start, wait for long.
 */

import { cpuMs } from './machine.ts'

/** Computing that is measured, in ms: some turns of the scheduler. */
const sampleMs = 10
/** A measurement counts for so long. */
const freshMs = 250
/** Every time and limit of the specs has room for a machine that is so many times slower. */
const spare = 4

/** Since this process started: a first measurement that costs nothing. */
let slowest = performance.now() / cpuMs()
let measuredMs = performance.now()

/** `ms` on an idle machine, more on a busy one: by the slowest that this process has seen it. */
export function paced(ms: number): number {
  if (performance.now() - measuredMs > freshMs) measure()
  return Math.ceil(ms * Math.max(1, slowest / spare))
}

function measure(): void {
  const [startedMs, startedCpuMs] = [performance.now(), cpuMs()]
  while (cpuMs() - startedCpuMs < sampleMs);
  measuredMs = performance.now()
  slowest = Math.max(slowest, (measuredMs - startedMs) / sampleMs)
}
