/** `it-grid/otel` over processes: one trace, whoever has called whom in the middle of what. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { freePorts } from '../support/network/free-port.ts'
import { Child } from '../support/process/child.ts'
import { type ReceivedSpan, receiveSpans } from './otlp-receiver.ts'
import type { TracedInit, TracedWords } from './traced-server.ts'

const source = new URL('./traced-server.ts', import.meta.url)

/** As a tree: each span with its kind and its server, its children indented in the order in which they began. */
function draw(spans: readonly ReceivedSpan[], nameOf: (server: unknown) => string): string[] {
  const childrenOf = (id: string | undefined, depth: number): string[] =>
    spans
      .filter(({ parentSpanId = '' }) => parentSpanId === (id ?? ''))
      .sort((a, b) => (BigInt(a.startTimeUnixNano) < BigInt(b.startTimeUnixNano) ? -1 : 1))
      .flatMap(({ name, kind, spanId, attributes }) => [
        `${'  '.repeat(depth)}${name} ${kind === 3 ? 'called by' : 'handled by'} ${nameOf(attributes.server)}`,
        ...childrenOf(spanId, depth + 1)
      ])
  return childrenOf(undefined, 0)
}

describe('a trace over three processes', () => {
  it('is one: a request, whose handler opens a stream, whose generator makes requests', async () => {
    await using receiver = await receiveSpans()
    const ports = await freePorts(3)
    const hosts = ports.map((port) => `http://127.0.0.1:${port}`)
    const [a = '', b = '', c = ''] = hosts
    const start = (local: string, next: string) => {
      const init: TracedInit = { local, hosts, port: ports[hosts.indexOf(local)], next, receiver: receiver.url }
      return new Child<TracedWords>(source, init)
    }
    const servers = [start(a, b), start(b, c), start(c, a)]
    try {
      await Promise.all(servers.map((server) => server.ask('listening')))
      await Promise.all([servers[1]?.ask('connected'), servers[2]?.ask('connected')])
      assert.equal(await servers[0]?.ask('work', b), 12)
      await Promise.all(servers.map((server) => server.ask('close')))
    } finally {
      await Promise.all(servers.map((server) => server.kill()))
    }
    const { spans } = receiver
    assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 1)
    assert.deepEqual(
      draw(spans, (server) => 'abc'[hosts.indexOf(String(server))] ?? '?'),
      [
        'work called by a',
        '  work handled by b',
        '    feed called by b',
        '      feed handled by c',
        ...[1, 2, 3].flatMap(() => ['        leaf called by c', '          leaf handled by a'])
      ]
    )
    assert.equal(spans.length, 10)
    assert.deepEqual(
      spans.filter(({ status }) => status.code === 2),
      []
    )
  })
})
