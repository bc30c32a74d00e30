/**
 * Handlers whose calls are over: they were told when their call ended. A shutdown does not wait for them, and those that
 * are nothing but a source count no more.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { bytes, type RejectedError, ShutdownError, single, streaming } from '../../../lib/index.ts'
import { Gate } from '../../support/gate.ts'
import type { Link } from '../../support/grid/links.ts'
import { until } from '../../support/until.ts'
import type { Fact } from '../suite.ts'
import { idleStreams } from '../watched-sources.ts'

const idle = streaming('idle', { inCapacity: 0, response: bytes() })
const wait = single<string, string>('wait')
const feed = streaming<void, never, number>('feed', { inCapacity: 0, outCapacity: 2 })

/** How a call ends before its handler. */
const ends: Record<string, (link: Link, controller: AbortController) => unknown> = {
  'was cancelled': (_link, controller) => controller.abort(),
  'passed its deadline': () => undefined,
  async 'lost its caller'(link) {
    link.cut()
    await link.connected(2)
  }
}

const end = (): IteratorResult<number> => ({ done: true, value: undefined })

/** An iterator of a handler's own making. */
function query(next: () => unknown, leave: () => unknown): AsyncIterable<number> {
  return { [Symbol.asyncIterator]: () => ({ next, return: leave }) as AsyncIterator<number> }
}

/** A grace that no fact waits for. */
const timeout = 1_000_000

export function overFacts(fact: Fact): void {
  for (const [how, end] of Object.entries(ends)) {
    fact(`close() does not wait for handlers that ignore their signal when their call ${how}`, async (link) => {
      const gate = new Gate()
      const signals: AbortSignal[] = []
      link.responder.handle(wait, async (text, { signal }) => {
        signals.push(signal)
        await gate.opened
        return text
      })
      link.responder.handle(feed, async function* (_payload, _requests, { signal }) {
        signals.push(signal)
        yield 1
        await gate.opened
      })
      await link.known()
      const controller = new AbortController()
      const options = { signal: controller.signal, timeout: how === 'passed its deadline' ? 50 : 60_000 }
      const stream = link.peer.newStream(feed, undefined, options)
      const reading = (async () => {
        for await (const _ of stream);
      })()
      const calls = Promise.allSettled([link.peer.request(wait, 'x', options), reading])
      await until(() => signals.length === 2, 'the handlers run')
      await end(link, controller)
      await until(() => signals.every(({ aborted }) => aborted), 'the handlers are told')
      assert.deepEqual(
        (await calls).map(({ status }) => status),
        ['rejected', 'rejected']
      )
      await link.responder.close({ timeout })
      gate.open()
    })
  }

  fact('close() waits for a call whose caller waits, and not for one that is over beside it', async (link) => {
    const gates = { over: new Gate(), awaited: new Gate() }
    const signals = new Map<string, AbortSignal>()
    link.responder.handle(wait, async (text, { signal }) => {
      signals.set(text, signal)
      await gates[text as keyof typeof gates].opened
      return text
    })
    await link.known()
    const controller = new AbortController()
    const over = link.peer.request(wait, 'over', { signal: controller.signal })
    const awaited = link.peer.request(wait, 'awaited')
    await until(() => signals.size === 2, 'both run')
    controller.abort()
    await assert.rejects(over, { name: 'AbortError' })
    await until(() => signals.get('over')?.aborted === true, 'the first is told')
    const closed = link.responder.close({ timeout })
    gates.awaited.open()
    assert.equal(await awaited, 'awaited')
    await closed
    assert.equal(signals.get('awaited')?.reason instanceof ShutdownError, false)
    gates.over.open()
  })

  fact(
    'idle sources of calls that are over use up no calls, and hold up no shutdown',
    async (link) => {
      const made = Object.values(idleStreams)
      let returned = 0
      link.responder.handle(idle, () => made[returned++ % made.length]?.().source)
      await link.known()
      for (let round = 0; round < 3; round++) {
        returned = 0
        const streams = Array.from({ length: 10 }, () => link.peer.newStream(idle))
        await until(() => returned === 10, 'as many run as may')
        for (const stream of streams) stream.cancel()
        await until(() => link.back.stats().session?.inboundStreams === 0, 'the handlers are told')
        await until(() => link.back.stats().session?.runningHandlers === 0, 'they count no more')
      }
      await link.responder.close({ timeout })
    },
    { limits: { maxInboundStreams: 10 } }
  )

  fact(
    'handlers that ignore their signal count as running until they end, whatever became of their calls',
    async (link) => {
      const gate = new Gate()
      const handlers = [
        async () => await gate.opened,
        async function* () {
          await gate.opened
          yield 1
        },
        async function* () {
          try {
            for (;;) yield 1
          } finally {
            await gate.opened
          }
        },
        () => gate.opened.then(() => [1]),
        () => query(() => gate.opened.then(end), end),
        () =>
          query(
            () => ({ done: false, value: 1 }),
            () => gate.opened.then(end)
          ),
        () => [gate.opened.then(() => 1)]
      ]
      let started = 0
      link.responder.handle(feed, () => handlers[started++]?.())
      link.responder.handle(wait, (text) => text)
      await link.known()
      for (const _ of handlers) {
        const stream = link.peer.newStream(feed)
        const before = started
        await until(() => started > before, 'the handler runs')
        stream.cancel()
      }
      await until(() => link.back.stats().session?.inboundStreams === 0, 'the handlers are told')
      assert.equal(link.back.stats().session?.runningHandlers, handlers.length)
      const refused = await link.peer.request(wait, 'x').catch((error: RejectedError) => error)
      assert.ok(typeof refused === 'object')
      assert.deepEqual([refused.name, refused.reason, refused.delivery], ['RejectedError', 'tooManyStreams', 'notSent'])
      gate.open()
      await until(() => link.back.stats().session?.runningHandlers === 0, 'all have ended')
      assert.equal(await link.peer.request(wait, 'x'), 'x')
    },
    { limits: { maxInboundStreams: 7 } }
  )

  fact(
    'handlers that ignore their signal count over all sessions of their caller, which goes on as soon as they end',
    async (link) => {
      const gate = new Gate()
      let started = 0
      let running = 0
      link.responder.handle(wait, async (text) => {
        started++
        running++
        await gate.opened
        running--
        return text
      })
      await link.known()
      for (let sessions = 1; sessions <= 8; sessions++) {
        await link.connected(sessions)
        const calls = Array.from({ length: 30 }, () => link.peer.request(wait, 'x').catch((error) => error))
        const free = sessions === 1 ? 20 : 0
        const refused = await Promise.all(calls.slice(free))
        for (const { name, reason, delivery } of refused) {
          assert.deepEqual([name, reason, delivery], ['RejectedError', 'tooManyStreams', 'notSent'])
        }
        assert.deepEqual([started, running, link.back.stats().session?.runningHandlers], [20, 20, 20])
        link.cut()
        for (const { name } of await Promise.all(calls.slice(0, free))) assert.equal(name, 'DisconnectedError')
      }
      await link.connected(9)
      gate.open()
      await until(() => running === 0, 'all have ended')
      assert.equal(await link.peer.request(wait, 'x'), 'x')
      assert.equal(link.back.stats().session?.runningHandlers, 0)
    },
    { limits: { maxInboundStreams: 20 } }
  )

  fact(
    'handlers that obey their signal make room at once for the calls of the next session',
    async (link) => {
      const gate = new Gate()
      let started = 0
      link.responder.handle(wait, async (text, { signal }) => {
        started++
        await Promise.race([gate.opened, once(signal, 'abort')])
        return text
      })
      await link.known()
      for (let sessions = 1; sessions <= 3; sessions++) {
        await link.connected(sessions)
        const calls = Array.from({ length: 20 }, () => link.peer.request(wait, 'x').catch((error) => error))
        await until(() => started === sessions * 20, 'all run')
        if (sessions === 3) gate.open()
        else link.cut()
        for (const answer of await Promise.all(calls))
          assert.equal(answer?.name ?? answer, sessions === 3 ? 'x' : 'DisconnectedError')
      }
    },
    { limits: { maxInboundStreams: 20 } }
  )
}
