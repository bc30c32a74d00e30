/** Three traced servers in processes of their own: a request whose handler opens a stream whose generator makes requests. */

import { freePorts } from '../support/network/free-port.ts'
import { Child } from '../support/process/child.ts'
import type { ReceivedSpan } from './otlp-receiver.ts'
import type { TracedInit, TracedWords } from './traced-server.ts'

const source = new URL('./traced-server.ts', import.meta.url)

/** What of a span is drawn. */
export type DrawnSpan = Pick<ReceivedSpan, 'spanId' | 'parentSpanId' | 'name' | 'attributes'> & {
  readonly isCaller: boolean
  /** Of any clock. */
  readonly start: bigint
}

/** Of spans whose servers are named a, b and c. */
export const expectedTree: readonly string[] = [
  'work called by a',
  '  work handled by b',
  '    feed called by b',
  '      feed handled by c',
  ...[1, 2, 3].flatMap(() => ['        leaf called by c', '          leaf handled by a'])
]

/** Runs them until their spans are with the receiver. Returns their names, and the answer of the request. */
export async function runThreeServers(receiver: string): Promise<{ hosts: readonly string[]; answer: number }> {
  const ports = await freePorts(3)
  const hosts = ports.map((port) => `http://127.0.0.1:${port}`)
  const servers = hosts.map((local, at) => {
    const next = hosts[(at + 1) % hosts.length] ?? ''
    const init: TracedInit = { local, hosts, port: ports[at], next, receiver }
    return new Child<TracedWords>(source, init)
  })
  try {
    await Promise.all(servers.map((server) => server.ask('listening')))
    await Promise.all([servers[1]?.ask('connected'), servers[2]?.ask('connected')])
    const answer = (await servers[0]?.ask('work', hosts[1] ?? '')) ?? Number.NaN
    await Promise.all(servers.map((server) => server.ask('close')))
    return { hosts, answer }
  } finally {
    await Promise.all(servers.map((server) => server.kill()))
  }
}

/** As a tree: each span with its kind and its server, its children indented in the order in which they began. */
export function draw(spans: readonly DrawnSpan[], hosts: readonly string[]): string[] {
  const nameOf = (server: unknown) => 'abc'[hosts.indexOf(String(server))] ?? '?'
  const childrenOf = (id: string, depth: number): string[] =>
    spans
      .filter(({ parentSpanId = '' }) => parentSpanId === id)
      .sort((a, b) => (a.start < b.start ? -1 : 1))
      .flatMap(({ name, isCaller, spanId, attributes }) => [
        `${'  '.repeat(depth)}${name} ${isCaller ? 'called by' : 'handled by'} ${nameOf(attributes.server)}`,
        ...childrenOf(spanId, depth + 1)
      ])
  return childrenOf('', 0)
}
