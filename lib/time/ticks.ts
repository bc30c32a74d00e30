/**
 * The clock of the figures: whole ticks, fine enough for the fastest call.
 *
 * Whole numbers cost no memory where they are kept for each call, as other numbers do.
 */

const ticksPerMs = 64

/** @param nowMs of `performance.now()` */
export function toTicks(nowMs: number): number {
  return Math.floor(nowMs * ticksPerMs)
}

export function ticksToMs(ticks: number): number {
  return ticks / ticksPerMs
}
