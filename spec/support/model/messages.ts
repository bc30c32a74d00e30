/** The messages of a schedule: which bytes message number n of a half has, so that any other is told from it. */

import { noise } from '../random.ts'

const maxOffset = 128 * 1024
const pattern = noise(512 * 1024)

/** Bytes of a payload from which on it names its call itself. */
export const namedBytes = 8

/** Message `index` of half `half` of call `call`. It is not to be written to. */
export function messageOf(call: number, half: number, index: number, size: number): Uint8Array {
  const offset = Math.imul(call * 2 + half + 1, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)
  const start = (offset >>> 0) % maxOffset
  return pattern.subarray(start, start + size)
}

/** What opens call `call`: its number, where there is room for it, and more. */
export function payloadOf(call: number, size: number): Uint8Array {
  if (size < namedBytes) return messageOf(call, 0, -1, size)
  const payload = Buffer.from(messageOf(call, 0, -1, size))
  payload.writeUInt32LE(call, 0)
  payload.writeUInt32LE(~call >>> 0, 4)
  return payload
}

/** The number of the call that a payload opens, undefined where it has no room for one. */
export function callIn(payload: Uint8Array): number | undefined {
  if (payload.length < namedBytes) return undefined
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0, true)
}

export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
