/** Who takes part. Their files are loaded in their own processes only, so that one that is not installed harms nobody. */

import { extname } from 'node:path'
import type { Kind } from './workloads.ts'

export interface Entry {
  readonly id: string
  /** As tables and charts call it. */
  readonly label: string
  readonly about: string
  /** The file that exports it under its id. */
  readonly module: string
  /** Somebody else's: the run goes on, and is fine, without it. */
  readonly isRival: boolean
  /** Measured by payload size too when nobody asks for certain contestants. */
  readonly inSizes?: boolean
  /** In charts, on a white card and on a black one. */
  readonly color: string
  /** A variant that would only crowd the chart of ratios. */
  readonly isTableOnly?: boolean
  /** What it has no means for, and why. */
  readonly lacks?: Partial<Record<Kind, string>>
}

/** The unit of all ratios. */
export const floorId = 'ws'

const isVariant = 'only the window of streams differs: as it-grid'
const onlyStreams = { request: isVariant, latency: isVariant }

export const roster: readonly Entry[] = [
  {
    ...own('it-grid', 'it-grid', 'it-grid', '#e8590c'),
    about: 'all defaults: checksum, keep-alive, deadlines, credits, limits',
    inSizes: true
  },
  {
    ...own('it-grid-no-checksum', 'it-grid, no checksum', 'it-grid', '#f29b66'),
    about: 'the same without the CRC-32, as over TLS',
    isTableOnly: true,
    inSizes: true
  },
  {
    ...own('it-grid-out-1', 'it-grid, outCapacity 1', 'it-grid', '#d9822b'),
    about: 'a window of 1 message from server to client',
    isTableOnly: true,
    lacks: onlyStreams
  },
  {
    ...own('it-grid-out-16', 'it-grid, outCapacity 16', 'it-grid', '#d9822b'),
    about: 'a window of 16 messages from server to client',
    isTableOnly: true,
    lacks: onlyStreams
  },
  {
    ...own('ws', 'bare ws', 'ws', '#868e96'),
    about: 'the floor, 1.0: one WebSocket message per payload, no ids, no batching',
    inSizes: true
  },
  {
    ...own('ws-batched', 'ws, batched by hand', 'ws-batched', '#c69214'),
    about: 'the ceiling: ids and batches over ws, zero mask, no features',
    inSizes: true
  },
  {
    ...rival('grpc-js', 'grpc-js', 'grpc-js', '#1c9a8b'),
    about: '@grpc/grpc-js, Buffers passed through, no protobuf'
  },
  {
    ...rival('grpc-js-wide', 'grpc-js, wide', 'grpc-js', '#45b8a8'),
    about: 'the same with a window of 4 MiB for flow control, in place of 64 KiB'
  },
  {
    ...rival('http2', 'http2 (bytes)', 'http2', '#4c9a2a'),
    about: 'node:http2 without TLS; its streams keep no message bounds, messages are bytes / size'
  },
  {
    ...rival('http2-wide', 'http2, wide (bytes)', 'http2', '#87a330'),
    about: 'the same with windows of 1 MiB for a stream and 4 MiB for the session, in place of 64 KiB'
  },
  {
    ...rival('rsocket-tcp', 'rsocket-tcp 1.0-alpha', 'rsocket', '#9c5fd6'),
    about: 'rsocket-js 1.0.0-alpha.3 over TCP'
  },
  {
    ...rival('rsocket-ws', 'rsocket-ws 1.0-alpha', 'rsocket', '#c05bb4'),
    about: 'rsocket-js 1.0.0-alpha.3 over WebSocket'
  },
  {
    ...rival('rsocket-tcp-0', 'rsocket-tcp 0.0.27', 'rsocket-0', '#7a6ff0'),
    about: 'rsocket-js 0.0.27 over TCP'
  },
  {
    ...rival('undici', 'undici (bytes)', 'undici', '#2f81d6'),
    about: 'undici Pool, 64 connections of HTTP/1.1; streams are bodies without message bounds',
    lacks: {
      'echo-stream': 'no two-way streams',
      latency: 'no request passes a stream'
    }
  }
]

/** As sources or as built, like this file itself. */
function moduleOf(file: string): string {
  return new URL(`./contestants/${file}${extname(new URL(import.meta.url).pathname)}`, import.meta.url).href
}

function own(id: string, label: string, file: string, color: string) {
  return { id, label, module: moduleOf(file), isRival: false, color }
}

function rival(id: string, label: string, file: string, color: string) {
  return { id, label, module: moduleOf(file), isRival: true, color }
}
