/**
 * Memory for payloads that users may keep: a buffer each, or for small ones a part of a shared buffer.
 *
 * A buffer costs 2 us, so small payloads of all sessions follow each other in shared buffers, like small Buffers of Node.
 * A shared buffer cannot be transferred: the other payloads in it would be lost.
 */

import { Buffer } from 'node:buffer'
import { markAsUntransferable } from 'node:worker_threads'

/** From this size on a payload has a buffer of its own. */
const minOwnBytes = 4096
const sharedBytes = 8192

let shared: ArrayBufferLike = new ArrayBuffer(0)
let at = sharedBytes

/** `length` bytes of memory, with any content until they are set. */
export function allocatePayload(length: number): Uint8Array {
  if (length === 0) return new Uint8Array(0)
  if (length >= minOwnBytes) return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
  if (at + length > sharedBytes) {
    // With any content: it would cost as much again to clear it.
    shared = Buffer.allocUnsafeSlow(sharedBytes).buffer
    markAsUntransferable(shared)
    at = 0
  }
  const payload = new Uint8Array(shared, at, length)
  at += length
  return payload
}
