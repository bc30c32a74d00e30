/** In which order values are taken, and what they come to. Ratios are taken value by value, for what disturbs a round disturbs all that run in it. */

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: least(values), max: Math.max(...values) }
}

export function least(values: readonly number[]): number {
  return Math.min(...values)
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** The smallest value that so large a part of all does not exceed; the mean of the middle two for an even median. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  if (part === 0.5 && sorted.length % 2 === 0 && sorted.length > 0) {
    const middle = sorted.length / 2
    return ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
  }
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN
}

/** Of each value to the one of the same round. */
export function ratios(values: readonly number[], floor: readonly number[]): Spread {
  return spread(values.map((value, round) => value / (floor[round] as number)))
}

/** The order of a round: all of them, each round begins with another one. */
export function rotated<T>(all: readonly T[], round: number): readonly T[] {
  const cut = round % all.length
  return [...all.slice(cut), ...all.slice(0, cut)]
}
