/** Random frames that the page allows, with numbers that like the edges. */

import type { Frame } from '../../../lib/wire/frame.ts'
import { oneOf, wholeBelow } from '../random.ts'
import { naiveFrame, naiveHeads } from './naive.ts'

type Random = () => number

const edges = [0, 1, 127, 128, 255, 300, 16383, 16384, 2 ** 21, 2 ** 28, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 35]
const highEdges = [2 ** 42, 2 ** 49 - 1, 2 ** 49, 2 ** 53 - 1]
const alphabet = ['a', 'Z', '7', '/', '.', 'é', '€', '𝄞', '\n', '']

function number(random: Random): number {
  const kind = random()
  if (kind < 0.4) return wholeBelow(random, 200)
  if (kind < 0.8) return oneOf(random, [...edges, ...highEdges])
  return wholeBelow(random, 2 ** 53)
}

function bytes(random: Random): Uint8Array {
  const length = oneOf(random, [0, 1, 5, 127, 128, 300, 4096, 20_000])
  return Uint8Array.from({ length: wholeBelow(random, length + 1) }, () => wholeBelow(random, 256))
}

function text(random: Random): string {
  return Array.from({ length: wholeBelow(random, 60) }, () => oneOf(random, alphabet)).join('')
}

const entry = (random: Random) => ({
  ...{ kind: wholeBelow(random, 2), inCapacity: wholeBelow(random, 2 ** 16), outCapacity: wholeBelow(random, 300) },
  ...{ subroute: text(random), id: `x${text(random)}` }
})

const drawFingerprint = (random: Random) => {
  const fingerprint = Buffer.from(bytes(random).subarray(0, wholeBelow(random, 33))).toString('hex')
  return fingerprint === '' ? {} : { fingerprint }
}

/** The fields that are no plain numbers. */
const draws: Readonly<Record<string, (random: Random) => unknown>> = {
  streamId: (random) => Math.max(1, number(random)),
  graceMs: (random) => number(random) % 2 ** 31,
  metadata: bytes,
  payload: bytes,
  text,
  changes: (random) => Array.from({ length: wholeBelow(random, 5) }, () => number(random)),
  entries: (random) => Array.from({ length: wholeBelow(random, 5) }, () => entry(random))
}

/** One frame; the flags of an OPEN include `metadata`. */
export function randomFrame(random: Random): Frame {
  const type = 1 + wholeBelow(random, 8)
  const heads = [...naiveHeads].filter((head) => (head & 0x0f) === type)
  const head = oneOf(random, heads)
  const frame = naiveFrame(head, (name) => (head === 0x87 && name === 'entries' ? [] : (draws[name] ?? number)(random)))
  if (frame.type !== 7 || (frame.flags & 0x40) === 0) return frame
  return { ...frame, entries: frame.entries.map((each) => ({ ...each, ...drawFingerprint(random) })) }
}

/** One to twelve frames. */
export function randomFrames(random: Random): Frame[] {
  return Array.from({ length: 1 + wholeBelow(random, 12) }, () => randomFrame(random))
}
