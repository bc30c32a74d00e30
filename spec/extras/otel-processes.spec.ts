/** `it-grid/otel` over processes: one trace, whoever has called whom in the middle of what. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { receiveSpans } from './otlp-receiver.ts'
import { draw, expectedTree, runThreeServers } from './three-traced-servers.ts'

describe('a trace over three processes', () => {
  it('is one: a request, whose handler opens a stream, whose generator makes requests', async () => {
    await using receiver = await receiveSpans()
    const { hosts, answer } = await runThreeServers(receiver.url)
    assert.equal(answer, 12)
    const { spans } = receiver
    assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 1)
    const drawn = spans.map(({ kind, startTimeUnixNano, ...span }) => {
      return { ...span, isCaller: kind === 3, start: BigInt(startTimeUnixNano) }
    })
    assert.deepEqual(draw(drawn, hosts), expectedTree)
    assert.equal(spans.length, 10)
    assert.deepEqual(
      spans.filter(({ status }) => status.code === 2),
      []
    )
  })
})
