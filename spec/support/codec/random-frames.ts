/** Random frames that the page allows, with numbers that like the edges. */

import type { Frame, HandlerEntry } from '../../../lib/wire/frame.ts'
import { oneOf, wholeBelow } from '../random.ts'

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

function id(random: Random): number {
  return Math.max(1, number(random))
}

function bytes(random: Random): Uint8Array {
  const length = oneOf(random, [0, 1, 5, 127, 128, 300, 4096, 20_000])
  return Uint8Array.from({ length: wholeBelow(random, length + 1) }, () => wholeBelow(random, 256))
}

function text(random: Random, maxLength = 60): string {
  return Array.from({ length: wholeBelow(random, maxLength) }, () => oneOf(random, alphabet)).join('')
}

function entry(random: Random): HandlerEntry {
  return {
    kind: wholeBelow(random, 2),
    inCapacity: wholeBelow(random, 2 ** 16),
    outCapacity: wholeBelow(random, 300),
    subroute: text(random),
    id: text(random)
  }
}

/** One frame; the flags of an OPEN include `metadata`. */
export function randomFrame(random: Random): Frame {
  const streamId = id(random)
  const type = 1 + wholeBelow(random, 8)
  switch (type) {
    case 1: {
      const metadata = random() < 0.5 ? bytes(random) : undefined
      const flags = oneOf(random, [0, 0x10, 0x20]) | (metadata === undefined ? 0 : 0x80)
      return {
        type,
        flags,
        streamId,
        handler: number(random),
        timeoutMs: number(random),
        metadata,
        payload: bytes(random)
      }
    }
    case 2: {
      const flags = oneOf(random, [0, 0x10, 0x20, 0x50, 0x90])
      return { type, flags, streamId, payload: flags === 0x90 ? new Uint8Array() : bytes(random) }
    }
    case 3:
      return { type, flags: 0, streamId, messages: number(random), bytes: number(random) }
    case 4:
      return { type, flags: 0, streamId, code: number(random), text: text(random) }
    case 5:
    case 6:
      return { type, flags: 0, token: number(random) }
    case 7: {
      const entries = Array.from({ length: wholeBelow(random, 5) }, () => entry(random))
      return { type, flags: oneOf(random, [0, 0x20]), entries }
    }
    default:
      return {
        ...{ type: 8, code: number(random), lastStreamId: number(random), text: text(random) },
        ...(random() < 0.5 ? { flags: 0, graceMs: undefined } : { flags: 0x80, graceMs: number(random) % 2 ** 31 })
      }
  }
}

/** One to twelve frames. */
export function randomFrames(random: Random): Frame[] {
  return Array.from({ length: 1 + wholeBelow(random, 12) }, () => randomFrame(random))
}
