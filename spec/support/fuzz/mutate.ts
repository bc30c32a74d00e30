/** Bytes that were valid, and random ones: flipped, cut, doubled, spliced, with other numbers in them. */

import { noise, oneOf, wholeBelow } from '../random.ts'

type Random = () => number

/** Varints, lengths and heads that live at an edge. */
const edges: readonly (readonly number[])[] = [
  [0x00],
  [0x01],
  [0x7f],
  [0x80],
  [0xff],
  [0x80, 0x00],
  [0x80, 0x01],
  [0xff, 0xff, 0xff, 0xff, 0x07],
  [0x80, 0x80, 0x80, 0x80, 0x10],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0xc1],
  [0xc7, 0xff, 0xff],
  [0xdb, 0xff, 0xff, 0xff, 0xff],
  [0xdd, 0x7f, 0xff, 0xff, 0xff],
  [0xdf, 0x80, 0x00, 0x00, 0x00],
  [0xa9, 0x5f, 0x5f, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x5f, 0x5f]
]

const source = noise(128 * 1024)

/** At most 128 KiB of random bytes, a view that must not be changed. */
export function randomBytes(random: Random, length: number): Uint8Array {
  const start = wholeBelow(random, source.length - length + 1)
  return source.subarray(start, start + length)
}

/** A changed copy of `bytes`; `other` is what a part of it may be taken from. Not empty, unless `bytes` is. */
export function mutateBytes(random: Random, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  const changes = random() < 0.7 ? 1 : 1 + wholeBelow(random, 4)
  let changed: Uint8Array = Buffer.from(bytes)
  for (let i = 0; i < changes; i++) changed = change(random, changed, other)
  return changed.length === 0 ? Buffer.from(bytes) : changed
}

function change(random: Random, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  const start = wholeBelow(random, bytes.length + 1)
  const end = start + wholeBelow(random, Math.min(bytes.length - start, 64) + 1)
  const [before, part, after] = [bytes.subarray(0, start), bytes.subarray(start, end), bytes.subarray(end)]
  switch (wholeBelow(random, 8)) {
    case 0:
    case 1:
      if (start < bytes.length) bytes[start] = (bytes[start] as number) ^ (1 << wholeBelow(random, 8))
      return bytes
    case 2:
      return before
    case 3:
      return Buffer.concat([before, after])
    case 4:
      return Buffer.concat([before, part, part, after])
    case 5: {
      const from = wholeBelow(random, other.length + 1)
      return Buffer.concat([before, other.subarray(from, from + wholeBelow(random, 64)), after])
    }
    case 6:
      return Buffer.concat([before, Uint8Array.from(oneOf(random, edges)), bytes.subarray(Math.min(start + 1, end))])
    default:
      return Buffer.concat([before, randomBytes(random, wholeBelow(random, 9)), after])
  }
}
