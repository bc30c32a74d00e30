/**
 * Memory for payloads that users get to keep: of their own, or for small ones a part of a buffer that they share.
 *
 * A buffer costs 2 us to make, so small payloads of all sessions are laid one after the other into common ones, as Node
 * does for its small Buffers. Nobody may give such a buffer away, it would take other payloads along.
 */

import { Buffer } from 'node:buffer'
import { markAsUntransferable } from 'node:worker_threads'

/** From this size on a payload has memory of its own. */
const minOwnBytes = 4096
const sharedBytes = 8192

let shared = new ArrayBuffer(0)
let at = 0

/** Memory for `length` bytes, which hold anything until they are set. */
export function allocatePayload(length: number): Uint8Array {
  if (length === 0) return new Uint8Array(0)
  if (length >= minOwnBytes) return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
  if (at + length > shared.byteLength) {
    shared = new ArrayBuffer(sharedBytes)
    markAsUntransferable(shared)
    at = 0
  }
  const payload = new Uint8Array(shared, at, length)
  // Aligned, as memory of its own would be: views of wider numbers need it.
  at += (length + 7) & ~7
  return payload
}
