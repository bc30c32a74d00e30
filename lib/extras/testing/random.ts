/** Numbers by chance from a seed: the same again. */

/** Uniform numbers in [0, 1), by the mulberry32 generator. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function newSeed(): number {
  return Math.floor(Math.random() * 2 ** 31)
}
