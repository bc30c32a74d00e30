/** Who takes part. Their files are loaded in their own processes only, so that one that is not installed harms nobody. */

import type * as contest from '../harness/contest/contestant.ts'
import { besides } from '../harness/library.ts'

export interface Entry extends contest.Entry {
  readonly about: string
  /** In charts, on a white card and on a black one. */
  readonly color: string
  /** Measured by payload size too when nobody asks for certain contestants. */
  readonly inSizes?: boolean
  /** A variant that would only crowd the chart of ratios. */
  readonly isTableOnly?: boolean
}

/** The unit of all ratios. */
export const floorId = 'ws'

const ours = { isRival: false, inSizes: true }
const isVariant = 'only the window of streams differs: as it-grid'
const onlyStreams = { isRival: false, isTableOnly: true, lacks: { request: isVariant, latency: isVariant } }

export const roster: readonly Entry[] = [
  entry('it-grid', '#e8590c', 'it-grid', 'it-grid', {
    about: 'all defaults: checksum, keep-alive, deadlines, credits, limits',
    ...ours
  }),
  entry('it-grid-no-checksum', '#f29b66', 'it-grid, no checksum', 'it-grid', {
    about: 'the same without the CRC-32, as over TLS',
    ...ours,
    isTableOnly: true
  }),
  entry('it-grid-out-1', '#d9822b', 'it-grid, outCapacity 1', 'it-grid', {
    about: 'a window of 1 message from server to client',
    ...onlyStreams
  }),
  entry('it-grid-out-16', '#d9822b', 'it-grid, outCapacity 16', 'it-grid', {
    about: 'a window of 16 messages from server to client',
    ...onlyStreams
  }),
  entry('ws', '#868e96', 'bare ws', 'ws', {
    about: 'the floor, 1.0: one WebSocket message per payload, no ids, no batching',
    ...ours
  }),
  entry('ws-batched', '#c69214', 'ws, batched by hand', 'ws-batched', {
    about: 'the ceiling: ids and batches over ws, zero mask, no features',
    ...ours
  }),
  entry('grpc-js', '#1c9a8b', 'grpc-js', 'grpc-js', {
    about: '@grpc/grpc-js, Buffers passed through, no protobuf'
  }),
  entry('grpc-js-wide', '#45b8a8', 'grpc-js, wide', 'grpc-js', {
    about: 'the same with a window of 4 MiB for flow control, in place of 64 KiB'
  }),
  entry('http2', '#4c9a2a', 'http2 (bytes)', 'http2', {
    about: 'node:http2 without TLS; its streams keep no message bounds, messages are bytes / size'
  }),
  entry('http2-wide', '#87a330', 'http2, wide (bytes)', 'http2', {
    about: 'the same with windows of 1 MiB for a stream and 4 MiB for the session, in place of 64 KiB'
  }),
  entry('rsocket-tcp', '#9c5fd6', 'rsocket-tcp 1.0-alpha', 'rsocket', { about: 'rsocket-js 1.0.0-alpha.3 over TCP' }),
  entry('rsocket-ws', '#c05bb4', 'rsocket-ws 1.0-alpha', 'rsocket', {
    about: 'rsocket-js 1.0.0-alpha.3 over WebSocket'
  }),
  entry('rsocket-tcp-0', '#7a6ff0', 'rsocket-tcp 0.0.27', 'rsocket-0', { about: 'rsocket-js 0.0.27 over TCP' }),
  entry('undici', '#2f81d6', 'undici (bytes)', 'undici', {
    about: 'undici Pool, 64 connections of HTTP/1.1; streams are bodies without message bounds',
    lacks: { 'echo-stream': 'no two-way streams', latency: 'no request passes a stream' }
  })
]

/** What is not said to be ours is a rival. */
function entry(
  id: string,
  color: string,
  label: string,
  file: string,
  more: Partial<Entry> & { about: string }
): Entry {
  return { id, label, color, module: besides(import.meta.url, `./contestants/${file}`).href, isRival: true, ...more }
}
