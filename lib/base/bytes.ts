/**
 * Bytes of the user, whose memory may be gone: transferred, or cut off by a buffer that shrank. And they may be of any class.
 *
 * What is asked here is answered by the view itself, never by a property of its class or of its own.
 */

import { types } from 'node:util'

const typedArray = Object.getPrototypeOf(Uint8Array.prototype)

function getterOf<T>(name: 'buffer' | 'byteLength' | 'byteOffset'): (this: Uint8Array) => T {
  return Object.getOwnPropertyDescriptor(typedArray, name)?.get as (this: Uint8Array) => T
}

const [buffer, byteLength] = [getterOf<ArrayBufferLike>('buffer'), getterOf<number>('byteLength')]
const byteOffset = getterOf<number>('byteOffset')
const { at } = Uint8Array.prototype

/** Not for a proxy of it, nor for what only inherits from it. */
export function isBytes(value: unknown): value is Uint8Array {
  return types.isUint8Array(value)
}

/** How many there are; 0 when their memory is gone. */
export function byteLengthOf(bytes: Uint8Array): number {
  return byteLength.call(bytes)
}

/** Whether the memory of a view is gone. */
export function isGone(bytes: Uint8Array): boolean {
  if (byteLengthOf(bytes) > 0) return false
  try {
    at.call(bytes, 0)
    return false
  } catch {
    return true
  }
}

/** A plain view of a part; its memory must be there. */
export function viewPart(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(buffer.call(bytes), byteOffset.call(bytes) + start, end - start)
}
