/**
 * Sessions that go away while their calls run: what those are told, and what the peer is, frame by frame. A peer may have a few
 * of them, more are ended.
 */

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, it } from 'node:test'
import { GridStream } from '../../lib/call/grid-stream.ts'
import { StreamCall } from '../../lib/call/stream-call.ts'
import { memoryPair } from '../../lib/conn/memory.ts'
import { Connection } from '../../lib/connection/connection.ts'
import { DrainingError } from '../../lib/errors/errors.ts'
import { silentLogger } from '../../lib/errors/logger.ts'
import { defaultLimits, defaultReconnect, maxDraining } from '../../lib/errors/options.ts'
import { virtualTime } from '../../lib/extras/testing/index.ts'
import { rawSingle, rawStreaming } from '../../lib/handler/definition.ts'
import { LocalHandlers } from '../../lib/handler/table.ts'
import type { HandlerContext } from '../../lib/hooks/call-info.ts'
import { Flag, FrameType } from '../../lib/wire/frame.ts'
import { Wire } from '../../lib/wire/wire.ts'
import { naiveBatch } from '../support/codec/naive.ts'
import { addHandler, data, goAway, open, ping, sessionInit, table } from '../support/raw/make.ts'
import { type RawPeer, type RawPeerOptions, rawPeer } from '../support/raw/peer.ts'
import { until } from '../support/until.ts'

it(`a peer has at most ${maxDraining} sessions that end their calls, however often it goes away`, async () => {
  let ran = 0
  let running = 0
  const handlers = new LocalHandlers(defaultLimits.maxNameBytes)
  const fn = (_payload: unknown, { signal }: { signal: AbortSignal }) => {
    ran++
    running++
    signal.addEventListener('abort', () => running--)
    return new Promise(() => undefined)
  }
  addHandler(handlers, rawSingle('wait'), fn)
  const connection = new Connection({
    ...{ host: 'http://raw', dials: false, reconnect: defaultReconnect, logger: silentLogger },
    dial: () => Promise.reject(new Error('this side does not dial'))
  })
  connection.start()
  const frames = [table(), open(1, 0), goAway()]
  for (let session = 0; session < maxDraining * 3; session++) {
    const [mine, theirs] = memoryPair()
    new Wire(mine).write(naiveBatch(frames, false))
    const init = sessionInit({ wire: new Wire(theirs), handlers })
    const deadlineMs = performance.now() + 5000
    connection.adopt({ session: init, renews: false, renewBefore: undefined, deadlineMs })
    await until(() => ran === session + 1 && connection.state === 'waiting', 'its call runs, and the session goes away')
    await until(() => running <= maxDraining, 'no more calls run than may')
  }
  assert.equal(running, maxDraining)
  await connection.close({ reason: 'shutdown', text: 'the spec is over' }, 1)
  await until(() => running === 0, 'all calls are aborted')
})

function reasonOf(peer: RawPeer): string | undefined {
  return peer.end?.reason
}

/** A peer that has not read its answer, on a clock of its own. Each second of `live` it says something. */
async function withUnreadAnswer(body: (peer: RawPeer, live: (forMs: number) => Promise<void>) => Promise<void>) {
  const clock = virtualTime(Math.random)
  const peer = rawPeer()
  try {
    addHandler(peer.handlers, rawSingle('large'), () => new Uint8Array(10_000))
    await peer.start()
    peer.send(open(1, 0))
    await peer.frame(FrameType.data)
    await body(peer, async (forMs) => {
      for (let leftMs = forMs; leftMs > 0 && peer.end === undefined; leftMs -= 1000) {
        const { framesIn } = peer.session.stats()
        peer.send(ping(1))
        await until(() => peer.session.stats().framesIn > framesIn, 'its ping has arrived')
        await clock.run(Math.min(leftMs, 1000))
      }
    })
  } finally {
    clock[Symbol.dispose]()
    await peer.stop()
  }
}

/** A peer, and the contexts of its calls at a handler that runs until it is aborted. */
async function waiting(options: RawPeerOptions = {}) {
  const contexts: HandlerContext[] = []
  const peer = rawPeer(options)
  addHandler(peer.handlers, rawSingle('wait'), (payload, context) => {
    contexts.push(context)
    return new Promise((resolve) => context.signal.addEventListener('abort', () => resolve(payload)))
  })
  await peer.start()
  return { peer, contexts }
}

function drainingOf(context: HandlerContext | undefined): DrainingError {
  const reason = context?.draining.reason
  assert.ok(reason instanceof DrainingError, String(reason))
  return reason
}

const end = { reason: 'shutdown', text: 'bye' } as const

describe('a session that drains', () => {
  it('says for how long to a peer that understands it, and to no other', async () => {
    for (const remoteUnderstands of [[], ['later'], ['later', 'goAwayGrace']]) {
      const { peer } = await waiting({ remoteUnderstands })
      peer.send(open(1, 0))
      await until(() => peer.session.stats().inboundStreams === 1, 'a call runs')
      peer.session.close(end, 1500.5)
      const isTold = remoteUnderstands.length === 2
      const frame = { type: FrameType.goAway, code: 0, lastStreamId: 1, text: 'bye' } as const
      const first = isTold ? { ...frame, flags: Flag.grace, graceMs: 1501 } : { ...frame, flags: 0, graceMs: undefined }
      assert.deepEqual(await peer.frame(FrameType.goAway), first)
      // No timer of a session counts further: it waits for all.
      peer.session.close(end, 2 ** 31 - 1)
      await until(() => peer.of(FrameType.goAway).length === 2, 'it says so again')
      assert.deepEqual(peer.of(FrameType.goAway)[1], { ...frame, flags: 0, graceMs: undefined })
      peer.session.abort(end)
      await until(() => peer.of(FrameType.goAway).length === 3, 'it says the end')
      assert.equal(peer.of(FrameType.goAway)[2]?.graceMs, isTold ? 0 : undefined)
      await peer.stop()
    }
  })

  it('tells its calls once, by whichever end was first, and until when', async () => {
    for (const [graceMs, deadline] of [
      [undefined, undefined],
      [5000, Date.now() + 5000]
    ]) {
      const { peer, contexts } = await waiting()
      peer.send(open(1, 0))
      await until(() => contexts.length === 1, 'a call runs')
      assert.equal(contexts[0]?.draining.aborted, false)
      peer.send(goAway(0, 'bye', 8, graceMs), goAway(0, 'bye', 7, 1))
      await until(() => contexts[0]?.draining.aborted === true, 'it is told')
      const told = drainingOf(contexts[0])
      assert.deepEqual([told.by, told.reason], ['remote', 'hostRemoved'])
      if (deadline === undefined) assert.equal(told.deadline, undefined)
      else assert.ok(Math.abs((told.deadline ?? 0) - deadline) < 5000)
      peer.session.close(end, 100_000)
      assert.equal(drainingOf(contexts[0]), told)
      assert.equal(contexts[0]?.signal.aborted, false)
      await peer.stop()
    }
  })

  it('tells a handler whose payload becomes whole only then', async () => {
    const { peer, contexts } = await waiting()
    peer.send(open(1, 0, Flag.more))
    await until(() => peer.session.stats().inboundStreams === 1, 'its open has arrived')
    const closed = peer.session.close(end, 60_000)
    peer.send(data(1, Flag.end))
    await until(() => contexts.length === 1, 'it runs')
    assert.equal(drainingOf(contexts[0]).by, 'local')
    await peer.stop()
    await closed
  })

  it('ends once the peer has read the last answer, or the grace is over; and at once where it has', async () => {
    for (const way of ['answers', 'is silent', 'is gone', 'had read it'] as const) {
      const peer = rawPeer()
      addHandler(peer.handlers, rawSingle('large'), () => new Uint8Array(10_000))
      await peer.start()
      await until(() => peer.pings.length > 0, 'its first ping')
      peer.send(open(1, 0))
      await peer.frame(FrameType.data)
      const pong = () => ({ type: FrameType.pong, flags: 0, token: peer.pings.at(-1)?.token ?? 0 }) as const
      if (way === 'had read it') {
        let isRead = false
        peer.session.probe(() => {
          isRead = true
        })
        await until(() => peer.pings.length > 1, 'a ping behind the answer')
        peer.send(pong())
        await until(() => isRead, 'it is answered')
      }
      const pings = peer.pings.length
      const closed = peer.session.close(end, way === 'is silent' ? 50 : 60_000)
      if (way === 'had read it') assert.equal(peer.end?.reason, 'shutdown')
      else {
        await until(() => peer.pings.length > pings, 'it asks whether the answer is read')
        assert.equal(peer.end, undefined)
        if (way === 'answers') peer.send(pong())
        if (way === 'is gone') peer.cut()
      }
      await closed
      assert.notEqual(peer.end, undefined)
    }
  })

  it('waits two intervals for a peer that has never answered a ping, however long its grace', async () => {
    await withUnreadAnswer(async (peer, live) => {
      const closed = peer.session.close(end, Number.POSITIVE_INFINITY)
      await live(9900)
      assert.equal(reasonOf(peer), undefined)
      await live(200)
      await closed
      assert.equal(reasonOf(peer), 'shutdown')
    })
  })

  it('waits for a peer that reads slowly while it answers pings, and as long as one may be slow after the last answer', async () => {
    await withUnreadAnswer(async (peer, live) => {
      const answer = (at: number) =>
        peer.send({ type: FrameType.pong, flags: 0, token: peer.pings.at(at)?.token as number })
      for (let marks = 0; marks < 3; marks++) peer.session.probe(() => {})
      await until(() => peer.pings.length === 4, 'pings behind what was sent')
      answer(0)
      await until(() => peer.session.stats().rttMs !== undefined, 'its answer')
      const closed = peer.session.close(end, Number.POSITIVE_INFINITY)
      for (const at of [1, 2]) {
        await live(25_000)
        answer(at)
      }
      await live(35_000)
      assert.equal(reasonOf(peer), undefined)
      await live(10_000)
      await closed
      assert.equal(reasonOf(peer), 'shutdown')
    })
  })

  it('ends at once before its first call, however large the table is that the peer has not read', async () => {
    const peer = rawPeer()
    for (let n = 0; n < 100; n++) addHandler(peer.handlers, rawSingle(`${n}`.padEnd(100, 'x')), (payload) => payload)
    peer.session.start()
    await peer.frame(FrameType.handlers)
    peer.session.close(end, 60_000)
    assert.equal(peer.end?.reason, 'shutdown')
    peer.cut()
  })

  it('holds nothing of calls that are over, at either end', async () => {
    const peer = rawPeer()
    const { draining } = peer.session
    const listeners = () => getEventListeners(draining, 'abort').length
    addHandler(peer.handlers, rawStreaming('ends', 0, 1), (_payload, _requests, context) => {
      assert.equal(context.draining.aborted, false)
    })
    addHandler(peer.handlers, rawSingle('fails'), (_payload, context) => {
      throw new Error(`it ${context.draining.aborted}`)
    })
    await peer.start()
    for (let id = 1; id < 200; id += 4) peer.send(open(id, 0), open(id + 2, 1))
    await until(() => peer.of(FrameType.data).length === 100, 'all handlers have ended')
    assert.equal(listeners(), 0)
    const handler = peer.session.remoteHandlers.find('', 'raw.stream')
    assert.ok(handler !== undefined)
    const calls = Array.from({ length: 50 }, () => new StreamCall(rawStreaming('raw.stream', 2, 2), true))
    for (const call of calls) call.open(peer.session, handler, new Uint8Array(1), 0, {})
    const streams = calls.map((call) => new GridStream(call))
    for (const stream of streams) assert.equal(stream.draining.aborted, false)
    assert.equal(listeners(), 1)
    for (const stream of streams) stream.cancel()
    assert.equal(listeners(), 0)
    for (const stream of streams) assert.equal(stream.draining.aborted, false)
    assert.equal(listeners(), 0)
    await peer.stop()
  })
})
