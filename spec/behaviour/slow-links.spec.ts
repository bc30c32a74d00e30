/**
 * Links so slow that one batch takes longer than the keep-alive waits, or that the buffers on the way empty for longer than a
 * peer may take nothing: a live peer is not taken for a dead or a slow one.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bytes, streaming } from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { openLink, useLink } from '../support/grid/links.ts'
import { until } from '../support/until.ts'

/** A silent peer is dead after 300 to 400 ms. Two blobs are one batch and take 600 ms, a record of TLS takes 80. */
const keepAlive = { intervalMs: 200 }
const bytesPerSecond = 200_000
const blob = Buffer.alloc(60_000, 7)

const upload = streaming<void, Uint8Array, number>('upload', { request: bytes() })
const download = streaming<void, never, Uint8Array>('download', { inCapacity: 0, response: bytes() })

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const value of source) all.push(value)
  return all
}

for (const kind of ['ws', 'wss', 'tcp'] as const) {
  describe(`over a slow link, ${kind}, a peer stays connected while`, () => {
    for (const side of ['caller', 'responder'] as const) {
      const what = side === 'caller' ? 'a batch of answers' : 'a batch of requests'
      it(`${what} arrives bit by bit at the ${side}`, async () => {
        await useLink(await openLink(kind, 'dialer', { keepAlive }), async (link) => {
          link.responder.handle('size', (payload) => Buffer.from(String(payload.length)))
          link.responder.handle('blob', () => blob)
          await link.known()
          link.throttleInbound(side, bytesPerSecond)
          const id = side === 'caller' ? 'blob' : 'size'
          const answers = await Promise.all(
            [1, 2].map(() => link.peer.request(id, side === 'caller' ? undefined : blob))
          )
          const expected = side === 'caller' ? blob : Buffer.from('60000')
          for (const answer of answers) assert.deepEqual(Buffer.from(answer), expected)
          assert.deepEqual([link.peer.stats().reconnects, link.back.stats().reconnects], [0, 0])
        })
      })
    }

    it('streams go both ways at once', async () => {
      await useLink(await openLink(kind, 'dialer', { keepAlive }), async (link) => {
        link.responder.handle(upload, async function* (_payload, requests) {
          for await (const request of requests) yield request.length
        })
        link.responder.handle(download, async function* () {
          yield* [blob, blob]
        })
        await link.known()
        for (const side of ['caller', 'responder'] as const) link.throttleInbound(side, bytesPerSecond)
        const up = link.peer.newStream(upload)
        const down = link.peer.newStream(download)
        await Promise.all([
          up.sink([blob, blob]),
          collect(up).then((sizes) => assert.deepEqual(sizes, [60_000, 60_000])),
          collect(down).then((blobs) => assert.deepEqual(Buffer.concat(blobs), Buffer.concat([blob, blob])))
        ])
        assert.deepEqual([link.peer.stats().reconnects, link.back.stats().reconnects], [0, 0])
      })
    })
  })
}

describe('a peer that reads steadily is not slow, though the buffers on the way are full,', () => {
  // They empty by half a megabyte at a time, or more: that takes longer than the time.
  const bytesPerTimeout = 480_000
  const large = Buffer.alloc(1 << 20, 7)
  const ways = [
    ['ws', 'caller'],
    ['ws', 'responder'],
    ['wss', 'caller'],
    ['tcp', 'responder']
  ] as const

  for (const [kind, side] of ways) {
    it(`over ${kind}, at the ${side}`, async () => {
      const slowPeerTimeoutMs = paced(800)
      const options = { keepAlive: { intervalMs: Math.ceil(slowPeerTimeoutMs / 8) }, limits: { slowPeerTimeoutMs } }
      await useLink(await openLink(kind, 'dialer', options), async (link) => {
        link.responder.handle('size', (payload) => Buffer.from(String(payload.length)))
        link.responder.handle('blob', () => large)
        await link.known()
        const [sender, reader] = side === 'caller' ? [link.back, link.peer] : [link.peer, link.back]
        link.throttleInbound(side, (bytesPerTimeout * 1000) / slowPeerTimeoutMs)
        const calls = Array.from({ length: 30 }, () =>
          side === 'caller' ? link.peer.request('blob') : link.peer.request('size', large)
        )
        const answers = Promise.all(calls)
        // If the link fails, what is asserted below says so.
        answers.catch(() => {})
        await until(() => (sender.stats().session?.sendQueueBytes ?? 0) > 0, 'the buffers are full')
        const before = reader.stats().totals.bytesIn
        await until(
          () => reader.stats().totals.bytesIn - before > 2.5 * bytesPerTimeout || sender.state !== 'connected',
          'it has read for more than twice the time'
        )
        assert.deepEqual([sender.lastError, reader.lastError], [undefined, undefined])
        link.unblock()
        await answers
        assert.deepEqual([sender.stats().reconnects, reader.stats().reconnects], [0, 0])
      })
    })
  }
})

describe('an answer that takes longer to arrive than a conn takes to close', () => {
  const bytesPerSecond = 500_000
  const large = Buffer.alloc(1_200_000, 7)
  const ways = [
    ['ws', 'dialer'],
    ['ws', 'listener'],
    ['wss', 'dialer'],
    ['tcp', 'listener']
  ] as const

  for (const [kind, from] of ways) {
    it(`over ${kind} to the ${from} arrives although its server closes, which then ends at once`, async () => {
      const link = await openLink(kind, from)
      try {
        link.responder.handle('blob', () => large)
        await link.known()
        link.throttleInbound('caller', bytesPerSecond)
        const answer = link.peer.request('blob')
        const isSent = () => (link.back.stats().session?.bytesOut ?? 0) > large.length
        await until(() => isSent() && link.back.stats().session?.inboundStreams === 0, 'all of it is on its way')
        const closing = link.responder.close({ timeout: 60_000 })
        assert.ok(Buffer.from(await answer).equals(large))
        link.unblock()
        const startedMs = performance.now()
        await closing
        assert.ok(performance.now() - startedMs < paced(10_000), 'it has the whole grace')
      } finally {
        await link.abandon()
      }
    })
  }
})
