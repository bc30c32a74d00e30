/** What is measured: the workloads by id, as plain data that goes to the client process. */

interface Base {
  readonly id: string
  readonly title: string
  /** Bytes of each payload or message. */
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

export type Workload = RequestWorkload | StreamWorkload | LatencyWorkload

const kib = 1024
const mib = 1024 * kib
const usualBytes = 512

/** Enough callers to keep both processes busy, few enough that sixteen payloads of 1 MiB are no memory test. */
const sizeCallers = 16
const sizes = { '0b': 0, '64b': 64, '512b': 512, '4k': 4 * kib, '64k': 64 * kib, '1m': mib }

export const workloads: readonly Workload[] = [
  request(1),
  request(64),
  request(1024),
  streams('server-stream', 1),
  streams('server-stream', 64),
  streams('server-stream', 1, 'server-stream-64k', 64 * kib),
  streams('echo-stream', 1),
  streams('echo-stream', 64),
  {
    id: 'latency',
    title: 'a request of 64 B every 4 ms beside a stream of 1 MiB messages on the same connection',
    ...{ kind: 'latency', bytes: mib, requestBytes: 64, everyMs: 4 }
  },
  ...Object.entries(sizes).map(([name, bytes]): Workload => {
    return { ...request(sizeCallers, `request-${name}`, bytes), isSize: true }
  })
]

/** What makes new processes compile their code. */
export const warmUps: readonly Workload[] = [request(64, 'warm-up'), streams('server-stream', 64, 'warm-up')]

/** The ids of workloads that go by one word. */
export const groups = {
  main: workloads.filter(({ isSize }) => !isSize).map(({ id }) => id),
  sizes: workloads.filter(({ isSize }) => isSize).map(({ id }) => id)
}

function request(callers: number, id = `request-${callers}`, bytes = usualBytes): RequestWorkload {
  const title = `requests of ${sizeName(bytes)}, ${callers} ${callers === 1 ? 'caller' : 'callers'}`
  return { id, title, kind: 'request', callers, bytes }
}

function streams(kind: StreamWorkload['kind'], count: number, id = `${kind}-${count}`, bytes = usualBytes): Workload {
  const what = kind === 'server-stream' ? 'server stream' : 'two-way echo stream'
  const title = `${what} of ${sizeName(bytes)} messages${count === 1 ? '' : `, ${count} at once`}`
  return { id, title, kind, streams: count, bytes }
}

export function sizeName(bytes: number): string {
  if (bytes >= mib) return `${bytes / mib} MiB`
  return bytes >= kib ? `${bytes / kib} KiB` : `${bytes} B`
}
