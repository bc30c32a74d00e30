/** What two servers say to each other over one stream, and the definition of that stream. */

import type { ClusterMessage } from 'socket.io-adapter'
import { bytes, streaming } from '../../index.ts'

/** Of the adapter that makes it; those who take it know for how long its answer is waited for, in ms. */
export type Word = ClusterMessage & { readonly within?: number }

/** To a word with a `requestId`, which is `id` here. */
export type Reply =
  /** Of how many clients an `ack` follows. */
  | { readonly id: string; readonly type: 'clients'; readonly value: number }
  | { readonly id: string; readonly type: 'ack'; readonly value: unknown }
  /** The only one. */
  | { readonly id: string; readonly type: 'value'; readonly value: unknown }
  /** Nobody answers here: no such namespace, or not any more. */
  | { readonly id: string; readonly type: 'nobody' }
  /** It cannot be answered. */
  | { readonly id: string; readonly type: 'error'; readonly value: string }

/**
 * From each server to each other one: requests are encoded words, responses encoded replies. One that offers it runs Socket.IO. A
 * later kind of words that this one cannot read would be another handler.
 */
export const clusterStream = streaming<void, Uint8Array, Uint8Array>('socket.io.cluster', {
  request: bytes(),
  response: bytes(),
  inCapacity: 1024,
  outCapacity: 1024
})
