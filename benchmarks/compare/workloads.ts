/** What is measured: the workloads by id, as plain data that goes to the client process. */

export type Kind = 'request' | 'server-stream' | 'echo-stream' | 'latency' | 'operation'

interface Base {
  readonly id: string
  readonly title: string
  /** Bytes of each payload or message; 0 for operations, which make their own. */
  readonly bytes: number
  /** Belongs to the group `sizes`: how the cost of a request grows with its payload. */
  readonly isSize?: boolean
}

export interface RequestWorkload extends Base {
  readonly kind: 'request'
  /** Requests under way at any time. */
  readonly callers: number
}

export interface StreamWorkload extends Base {
  readonly kind: 'server-stream' | 'echo-stream'
  /** Streams at once. */
  readonly streams: number
}

/** Small requests at fixed moments, beside large messages from the server on the same connection. */
export interface LatencyWorkload extends Base {
  readonly kind: 'latency'
  readonly requestBytes: number
  readonly everyMs: number
}

/** What the contestants do is their own; each time is taken. Not in the list below: `locks/` has such contestants. */
export interface OperationWorkload extends Base {
  readonly kind: 'operation'
  /** Operations under way at any time. */
  readonly callers: number
}

export type Workload = RequestWorkload | StreamWorkload | LatencyWorkload | OperationWorkload

const kib = 1024
const mib = 1024 * kib

/** Enough callers to keep both processes busy, few enough that sixteen payloads of 1 MiB are no memory test. */
const sizeCallers = 16
const sizes: Readonly<Record<string, number>> = {
  '0b': 0,
  '64b': 64,
  '512b': 512,
  '4k': 4 * kib,
  '64k': 64 * kib,
  '1m': mib
}

export const workloads: readonly Workload[] = [
  request(1),
  request(64),
  request(1024),
  streams('server-stream', 1),
  streams('server-stream', 64),
  {
    id: 'server-stream-64k',
    title: 'server stream of 64 KiB messages',
    kind: 'server-stream',
    streams: 1,
    bytes: 64 * kib
  },
  streams('echo-stream', 1),
  streams('echo-stream', 64),
  {
    id: 'latency',
    title: 'a request of 64 B every 4 ms beside a stream of 1 MiB messages on the same connection',
    kind: 'latency',
    bytes: mib,
    requestBytes: 64,
    everyMs: 4
  },
  ...Object.entries(sizes).map(
    ([name, bytes]): Workload => ({
      id: `request-${name}`,
      title: `requests of ${sizeName(bytes)}, ${sizeCallers} callers`,
      kind: 'request',
      callers: sizeCallers,
      bytes,
      isSize: true
    })
  )
]

/** Ids that stand for several workloads. */
export const groups: Readonly<Record<string, readonly Workload[]>> = {
  main: workloads.filter(({ isSize }) => !isSize),
  sizes: workloads.filter(({ isSize }) => isSize)
}

function request(callers: number): Workload {
  const title = `requests of 512 B, ${callers} ${callers === 1 ? 'caller' : 'callers'}`
  return { id: `request-${callers}`, title, kind: 'request', callers, bytes: 512 }
}

function streams(kind: StreamWorkload['kind'], count: number): Workload {
  const what = kind === 'server-stream' ? 'server stream' : 'two-way echo stream'
  const title = `${what} of 512 B messages${count === 1 ? '' : `, ${count} at once`}`
  return { id: `${kind}-${count}`, title, kind, streams: count, bytes: 512 }
}

export function sizeName(bytes: number): string {
  if (bytes >= mib) return `${bytes / mib} MiB`
  return bytes >= kib ? `${bytes / kib} KiB` : `${bytes} B`
}
