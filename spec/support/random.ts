/**
 * Random numbers from a seed, so that a failure can be seen again: `SEED=<n> node --test ...`.
 */

/** The seed of this run. */
export const seed: number = Number(process.env.SEED ?? Date.now() % 2 ** 31)

/** Uniform numbers in [0, 1), by the mulberry32 generator. */
export function randomFrom(start: number): () => number {
  let state = start >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Bytes of which no two places are alike, each time the same. */
export function noise(bytes: number): Buffer {
  const random = randomFrom(20_000)
  const noise = Buffer.alloc(bytes)
  for (let at = 0; at < bytes; at += 4) noise.writeUInt32LE(wholeBelow(random, 2 ** 32), at)
  return noise
}

/** A whole number from 0 to `below - 1`. */
export function wholeBelow(random: () => number, below: number): number {
  return Math.floor(random() * below)
}

export function oneOf<const T>(random: () => number, choices: readonly T[]): T {
  return choices[wholeBelow(random, choices.length)] as T
}

/** Runs `work` once per round with numbers of its own; a failure names seed and round. */
export function rounds(count: number, work: (random: () => number) => void): void {
  for (let round = 0; round < count; round++) {
    try {
      work(randomFrom(seed + round))
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      throw new Error(`round ${round} of SEED=${seed}: ${text}`, { cause: error })
    }
  }
}
