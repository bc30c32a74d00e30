/**
 * A conn that is lost, and a peer that falls silent: every call ends, every handler is told, and the next conn is made.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { DisconnectedError, ShutdownError, streaming } from '../../../lib/index.ts'
import { paced } from '../../support/clock/pace.ts'
import { Gate, Outcome } from '../../support/gate.ts'
import type { Link } from '../../support/grid/links.ts'
import { until } from '../../support/until.ts'
import type { Fact } from '../suite.ts'

const feed = streaming<void, never, number>('feed', { inCapacity: 0, outCapacity: 1 })
const both = streaming<void, number, number>('both', { inCapacity: 1, outCapacity: 1 })
const quick = { keepAlive: { intervalMs: 80 } }

/** Handlers that note why they were aborted, and end then. */
function serve({ responder }: Link): { reasons: unknown[]; unwound: () => number } {
  const reasons: unknown[] = []
  let unwound = 0
  responder.handle('waits', async (payload, { signal }) => {
    await once(signal, 'abort')
    reasons.push(signal.reason)
    return payload
  })
  responder.handle(feed, async function* (_payload, _requests, { signal }) {
    signal.addEventListener('abort', () => reasons.push(signal.reason))
    try {
      for (let value = 0; ; value++) yield value
    } finally {
      unwound++
    }
  })
  responder.handle('echo', (payload) => payload)
  return { reasons, unwound: () => unwound }
}

function isLoss(error: unknown, reason?: string): boolean {
  return error instanceof DisconnectedError && (reason === undefined || error.reason === reason)
}

export function lossFacts(fact: Fact): void {
  fact(
    'a conn that is killed under a request: the call and its handler end, the next conn works, and again',
    async (link) => {
      const { reasons } = serve(link)
      await link.known()
      for (let round = 1; round <= 3; round++) {
        const call = new Outcome(link.peer.request('waits'))
        await until(() => link.back.stats().session?.runningHandlers === 1, 'the handler runs')
        link.cut()
        await call.done
        assert.ok(isLoss(call.error), `${call.error}`)
        assert.equal((call.error as DisconnectedError).delivery, 'maybeRan')
        await until(() => reasons.length === round, 'the handler is told')
        assert.ok(isLoss(reasons[round - 1]))
        await link.connected(round + 1)
        assert.deepEqual([...(await link.peer.request('echo', Uint8Array.of(round)))], [round])
        await link.settled()
      }
      assert.equal(link.peer.stats().reconnects, 3)
    }
  )

  fact('a conn that is killed under a stream: both its ends are told, the next conn works, and again', async (link) => {
    const { reasons, unwound } = serve(link)
    await link.known()
    for (let round = 1; round <= 3; round++) {
      const stream = link.peer.newStream(feed)
      assert.equal((await stream.responses.next()).value, 0)
      link.cut()
      const failing = async () => {
        for await (const value of stream) assert.ok(value < 3)
      }
      await assert.rejects(failing(), (error) => isLoss(error))
      const end = await stream.closed
      assert.ok(end.how === 'failed' && end.error instanceof DisconnectedError && end.error.delivery === 'maybeRan')
      await until(() => reasons.length === 2 * round - 1 && unwound() === 2 * round - 1, 'the handler is told')
      assert.ok(isLoss(reasons.at(-1)))
      await link.connected(round + 1)
      const next = link.peer.newStream(feed)
      assert.equal((await next.responses.next()).value, 0)
      next.cancel()
      await until(() => reasons.length === 2 * round && unwound() === 2 * round, 'the handler is cancelled')
      assert.ok(!isLoss(reasons.at(-1)))
      await link.settled()
    }
  })

  fact('requests that were under way when the conn was lost never look ended to the handler', async (link) => {
    const seen: unknown[] = []
    const upload = streaming<void, number, never>('upload', { inCapacity: 8 })
    link.responder.handle(upload, async (_payload, requests, { signal }) => {
      seen.push((await requests.next()).value)
      await once(signal, 'abort')
      try {
        for await (const value of requests) seen.push(value)
        seen.push('the end')
      } catch (error) {
        seen.push(error)
      }
    })
    await link.known()
    const stream = link.peer.newStream(upload)
    for (const value of [1, 2, 3, 4]) await stream.send(value)
    stream.requests.end()
    await until(() => seen.length === 1, 'the first has arrived')
    await link.known()
    link.cut()
    await assert.rejects(stream.responses.next(), (error) => isLoss(error))
    await until(() => seen.length === 2, 'the handler is told')
    assert.ok(isLoss(seen[1]), `it saw ${seen[1]}`)
    await link.connected(2)
  })

  fact('calls fail at once as not sent while there is no conn', async (link) => {
    serve(link)
    await link.known()
    link.blockInbound('caller')
    link.cut()
    await until(() => link.peer.state !== 'connected', 'the caller has lost the conn')
    const notSent = (error: unknown) =>
      isLoss(error, 'notConnected') && (error as DisconnectedError).delivery === 'notSent'
    await assert.rejects(link.peer.request('echo'), notSent)
    const stream = link.peer.newStream(feed)
    await assert.rejects(stream.responses.next(), notSent)
    assert.equal((await stream.closed).how, 'failed')
    link.unblock()
    await link.connected(2)
    await link.peer.request('echo')
  })

  silenceFacts(fact)
  shutdownFacts(fact)
}

function silenceFacts(fact: Fact): void {
  for (const side of ['caller', 'responder'] as const) {
    fact(
      `nothing arrives any more at the ${side}: its calls fail by keep-alive, the handlers are cancelled`,
      async (link) => {
        const { reasons, unwound } = serve(link)
        await link.known()
        const request = new Outcome(link.peer.request('waits', undefined, { timeout: 60_000 }))
        const stream = link.peer.newStream(feed)
        assert.equal((await stream.responses.next()).value, 0)
        await until(() => link.back.stats().session?.runningHandlers === 2, 'both handlers run')
        link.blockInbound(side)
        await Promise.all([request.done, stream.closed])
        assert.ok(isLoss(request.error, 'keepAlive'), `${request.error}`)
        const { error } = await stream.closed
        assert.ok(isLoss(error, 'keepAlive'), `${error}`)
        await assert.rejects(
          async () => {
            for await (const value of stream) assert.equal(value, 1)
          },
          (thrown) => thrown === error
        )
        await until(() => reasons.length === 2 && unwound() === 1, 'both handlers are told')
        assert.ok(
          reasons.every((reason) => isLoss(reason, 'keepAlive')),
          `${reasons}`
        )
        link.unblock()
        await until(() => link.peer.state === 'connected' && link.back.state === 'connected', 'connected again', 20_000)
        await link.peer.request('echo')
      },
      quick
    )
  }

  for (const blocked of ['responses', 'requests', 'both'] as const) {
    fact(
      `keep-alive keeps a stream alive for ten intervals with ${blocked} blocked`,
      async (link) => {
        const gate = new Gate()
        link.responder.handle(both, async function* (_, requests) {
          if (blocked !== 'responses') await gate.opened
          yield* requests
        })
        await link.known()
        const stream = link.peer.newStream(both)
        const sent = stream.sink([1, 2, 3, 4, 5, 6])
        const batches = () => [link.peer, link.back].map((end) => end.stats().session?.batchesIn ?? 0)
        const before = batches()
        // An idle end receives a ping and a pong in each interval.
        const passed = () => batches().every((count, end) => count >= (before[end] as number) + 20)
        await until(passed, 'ten intervals have passed')
        assert.equal(link.peer.stats().reconnects, 0)
        assert.equal(link.peer.stats().session?.outboundStreams, 1)
        assert.ok((link.peer.stats().session?.rttMs ?? -1) >= 0)
        gate.open()
        const got: number[] = []
        for await (const value of stream) got.push(value)
        await sent
        assert.deepEqual(got, [1, 2, 3, 4, 5, 6])
      },
      // Two ends in one process beside other specs are late by tens of ms, again and again.
      { keepAlive: { intervalMs: 100 } }
    )
  }
}

function shutdownFacts(fact: Fact): void {
  fact('a responder that closes lets running calls end, takes no new ones, and aborts what is late', async (link) => {
    const { reasons } = serve(link)
    const gate = new Gate()
    link.responder.handle('slow', async (payload) => {
      await gate.opened
      return payload
    })
    await link.known()
    const slow = link.peer.request('slow', Uint8Array.of(9))
    const late = new Outcome(link.peer.request('waits'))
    await until(() => link.back.stats().session?.runningHandlers === 2, 'both handlers run')
    const closed = link.responder.close({ timeout: paced(200) })
    await until(() => link.peer.state !== 'connected', 'the caller is told')
    await assert.rejects(link.peer.request('echo'), { delivery: 'notSent' })
    gate.open()
    assert.deepEqual([...(await slow)], [9])
    await closed
    await late.done
    assert.ok(isLoss(late.error, 'shutdown'), `${late.error}`)
    await until(() => reasons.length === 1, 'the late handler is told')
    assert.ok(reasons[0] instanceof ShutdownError)
  })
}
