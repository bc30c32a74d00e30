/** All fuzzers by name, and the share of the inputs that each one gets. */

import { frameFuzzer } from './frames.ts'
import type { Fuzzer } from './fuzz.ts'
import { helloFuzzer, msgpackFuzzer } from './values.ts'

/** A frame costs ten times what a value costs. */
export const shares = { frames: 0.15, msgpack: 0.7, hello: 0.15 } as const
export type FuzzerName = keyof typeof shares

export const fuzzers: Readonly<Record<FuzzerName, Fuzzer>> = {
  frames: frameFuzzer,
  msgpack: msgpackFuzzer,
  hello: helloFuzzer
}
