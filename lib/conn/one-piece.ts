/** A head and a small body in one piece: two pieces, by `writev`, take a socket 2.5 us more of a processor than one does. */

import { Buffer } from 'node:buffer'

/**
 * What is smaller comes from the pool of Node. Memory of its own would cost as much as the second piece does, and so does the copy
 * of more: in the pool of Node 26, of 64 KiB, 16 KB in one piece cost a fifth more than in two, and 30 KB half more.
 */
const maxBytes = Math.min(4096, Buffer.poolSize >>> 1)

export function onePiece(head: Uint8Array, body: Uint8Array): Uint8Array | undefined {
  return head.length + body.length < maxBytes ? Buffer.concat([head, body]) : undefined
}
