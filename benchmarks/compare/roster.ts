/** The contestants. Each file is loaded in its own processes only, so that a missing package concerns only its own row. */

import type * as contest from '../harness/contest/contestant.ts'
import { besides } from '../harness/library.ts'

export interface Entry extends contest.Entry {
  readonly about: string
  /** In charts, on a white card and on a black one. */
  readonly color: string
  /** Measured by payload size too, unless `--only` asks for certain contestants. */
  readonly inSizes?: boolean
  /** A variant that would only crowd the chart of ratios. */
  readonly isTableOnly?: boolean
}

/** The unit of all ratios. */
export const floorId = 'ws'

const abouts: Readonly<Record<string, string>> = {
  'it-grid': 'all defaults: checksum, keep-alive, deadlines, credits, limits',
  'it-grid-batches': 'messages, by batches: many() at the sender, batches() at the receiver',
  'it-grid-no-checksum': 'the same without the CRC-32, as over TLS',
  'it-grid-out-1': 'a window of 1 message from server to client',
  'it-grid-out-16': 'a window of 16 messages from server to client',
  ws: 'the floor, 1.0: one WebSocket message per payload, no ids, no batching',
  'ws-batched': 'the ceiling: ids and batches over ws, zero mask, no features',
  'grpc-js': '@grpc/grpc-js, Buffers passed through, no protobuf',
  'grpc-js-wide': 'the same with a window of 4 MiB for flow control, in place of 64 KiB',
  http2: 'node:http2 without TLS; its streams keep no message bounds, messages are bytes / size',
  'http2-wide': 'the same with windows of 1 MiB for a stream and 4 MiB for the session, in place of 64 KiB',
  'rsocket-tcp': 'rsocket-js 1.0.0-alpha.3 over TCP',
  'rsocket-ws': 'rsocket-js 1.0.0-alpha.3 over WebSocket',
  'rsocket-tcp-0': 'rsocket-js 0.0.27 over TCP',
  undici: 'undici Pool, 64 connections of HTTP/1.1; streams are bodies without message bounds'
}

const ours = { isRival: false, inSizes: true }
const isVariant = 'only its streams differ: as it-grid'
const onlyStreams = { isRival: false, isTableOnly: true, lacks: { request: isVariant, latency: isVariant } }
const noTwoWay = { lacks: { 'echo-stream': 'no two-way streams', latency: 'no request passes a stream' } }

/** Ids, the files that export them, labels, colours. */
export const roster: readonly Entry[] = [
  entry('it-grid', 'it-grid', 'it-grid', '#e8590c', ours),
  entry('it-grid-batches', 'it-grid', 'it-grid, by batches', '#c2410c', onlyStreams),
  entry('it-grid-no-checksum', 'it-grid', 'it-grid, no checksum', '#f29b66', { ...ours, isTableOnly: true }),
  entry('it-grid-out-1', 'it-grid', 'it-grid, outCapacity 1', '#d9822b', onlyStreams),
  entry('it-grid-out-16', 'it-grid', 'it-grid, outCapacity 16', '#d9822b', onlyStreams),
  entry('ws', 'ws', 'bare ws', '#868e96', ours),
  entry('ws-batched', 'ws-batched', 'ws, batched by hand', '#c69214', ours),
  entry('grpc-js', 'grpc-js', 'grpc-js', '#1c9a8b'),
  entry('grpc-js-wide', 'grpc-js', 'grpc-js, wide', '#45b8a8'),
  entry('http2', 'http2', 'http2 (bytes)', '#4c9a2a'),
  entry('http2-wide', 'http2', 'http2, wide (bytes)', '#87a330'),
  entry('rsocket-tcp', 'rsocket', 'rsocket-tcp 1.0-alpha', '#9c5fd6'),
  entry('rsocket-ws', 'rsocket', 'rsocket-ws 1.0-alpha', '#c05bb4'),
  entry('rsocket-tcp-0', 'rsocket-0', 'rsocket-tcp 0.0.27', '#7a6ff0'),
  entry('undici', 'undici', 'undici (bytes)', '#2f81d6', noTwoWay)
]

/** What is not said to be ours is a rival. */
function entry(id: string, file: string, label: string, color: string, more: Partial<Entry> = {}): Entry {
  const module = besides(import.meta.url, `./contestants/${file}`).href
  return { id, label, about: abouts[id] ?? '', module, isRival: true, color, ...more }
}
