/**
 * Runs fuzzers: rounds of random inputs, each round from a seed of its own, so that one that failed can be run again.
 *
 * Counts what became of the inputs, and measures what the process holds after the first tenth and at the end.
 */

import { memoryNow } from '../../../benchmarks/harness/memory.ts'
import { errorStack, watchStrays } from '../errors.ts'
import { randomFrom } from '../random.ts'

/** What one round may do, and where it says what it does. */
export interface Round {
  readonly random: () => number
  /** Inputs that the round may use up. */
  readonly budget: number
  /** What comes now does not depend on the inputs so far. */
  begin(): void
  /** Keeps the input, for a failure to show; called before each one is given to the library. */
  input(bytes: Uint8Array): void
  /** What became of it, in a few words. */
  outcome(words: string): void
}

/** Does one round; throws when the library did what it must not. */
export type Fuzzer = (round: Round) => Promise<void>

export type FuzzReport = Awaited<ReturnType<typeof fuzz>>

export interface FuzzOptions {
  readonly fuzzer: Fuzzer
  readonly name: string
  readonly inputs: number
  readonly seed: number
  onProgress?(inputs: number): void
  /** Asked after each round: stop here. */
  isOver?(): boolean
  /** Called at each input, for a watchdog. */
  onInput?(bytes: Uint8Array): void
}

/** Inputs in one round at most: as long a history a failure may have. */
const roundInputs = 500
const maxShownBytes = 200
/** By then everything is compiled and every cache filled. */
const maxEarlyInputs = 50_000
const slowMs = 1000
/** After so long with nothing to do but to wait for one input, that one hangs. */
const hangMs = 10_000

/** Counts outcomes, and heap and external bytes: after the first tenth (or 50,000 inputs), and at the end. */
export async function fuzz(options: FuzzOptions) {
  const { fuzzer, name, inputs, seed } = options
  const outcomes = new Map<string, number>()
  const untouched = prototypesNow()
  const early = Math.min(inputs / 10, maxEarlyInputs)
  let done = 0
  let heldEarly = 0
  let stray: { readonly reason: unknown } | undefined
  using _ = watchStrays((reason) => {
    stray = { reason }
  }, 5)
  const startMs = performance.now()
  for (let round = 0; done < inputs && options.isOver?.() !== true; round++) {
    let used = 0
    let history: Uint8Array[] = []
    const budget = Math.min(roundInputs, inputs - done)
    const clock = new InputClock()
    try {
      await orHang(
        fuzzer({
          random: randomFrom(seed + round),
          budget,
          begin() {
            history = []
          },
          input(bytes) {
            clock.next()
            if (stray !== undefined) throw stray.reason
            used++
            history.push(bytes)
            options.onInput?.(bytes)
          },
          outcome: (words) => outcomes.set(words, (outcomes.get(words) ?? 0) + 1)
        }),
        () => used
      )
      if (stray !== undefined) throw stray.reason
      if (prototypesNow() !== untouched) throw new Error('a prototype was changed')
    } catch (error) {
      throw failure(`--only ${name} --seed ${seed + round} --inputs ${budget}`, history, error)
    }
    const before = done
    done += Math.max(1, used)
    options.onProgress?.(done)
    if (before < early && done >= early) heldEarly = await heldNow()
  }
  const seconds = (performance.now() - startMs) / 1000
  return { inputs: done, seconds, outcomes, heldEarly, heldLate: await heldNow() }
}

/** Rows of `outcome` and count, most frequent first. */
export function outcomeTable({ outcomes }: FuzzReport): [string, number][] {
  return [...outcomes].sort(([, a], [, b]) => b - a)
}

/** The last input is shown whole, of those before only what tells which they were: the seed makes them again. */
function failure(options: string, history: readonly Uint8Array[], cause: unknown): Error {
  const inputs = history.map((bytes, i) => {
    const isShort = bytes.length <= maxShownBytes || i === history.length - 1
    const hex = Buffer.from(isShort ? bytes : bytes.subarray(0, maxShownBytes)).toString('hex')
    return isShort ? hex : `${hex}... ${bytes.length} bytes`
  })
  const again = `node --import tsx spec/long/fuzz.ts ${options}`
  return new Error(
    `${errorStack(cause)}\nafter these inputs:\n${inputs.slice(-20).join('\n')}\nit fails again by: ${again}`,
    {
      cause
    }
  )
}

/** The round, unless there is no input for too long. */
async function orHang(round: Promise<void>, used: () => number): Promise<void> {
  let watch: NodeJS.Timeout | undefined
  let usedBefore = 0
  const hang = new Promise<never>((_, reject) => {
    watch = setInterval(() => {
      if (used() === usedBefore) reject(new Error(`the last input is not dealt with after ${hangMs} ms`))
      usedBefore = used()
    }, hangMs)
  })
  try {
    await Promise.race([round, hang])
  } finally {
    clearInterval(watch)
  }
}

/** Sees inputs that take more than a second. */
class InputClock {
  #sinceMs = performance.now()
  #sampledMs = this.#sinceMs
  #cpu = process.cpuUsage()

  next(): void {
    const now = performance.now()
    if (now - this.#sinceMs > slowMs) {
      // Another process may have had the processor meanwhile: only what this one burnt is the fault of the input.
      const { user, system } = process.cpuUsage(this.#cpu)
      if ((user + system) / 1000 > slowMs) throw new Error('the last input took more than a second')
    }
    this.#sinceMs = now
    // Asking costs more than a usual input.
    if (now - this.#sampledMs < 100) return
    this.#sampledMs = now
    this.#cpu = process.cpuUsage()
  }
}

const prototypes = [Object, Array, Function, String, Number, Map, Promise, Error, Uint8Array, Buffer, ArrayBuffer, Date]

/** What the prototypes of the language have, as one text. */
function prototypesNow(): string {
  return prototypes.map(({ prototype }) => Reflect.ownKeys(prototype).map(String).join()).join('\n')
}

async function heldNow(): Promise<number> {
  const { heap, external } = await memoryNow()
  return heap + external
}
