/**
 * Cancels and deadlines: the caller returns at once, whatever the handler does, and the handler is told why.
 */

import assert from 'node:assert/strict'
import { getEventListeners, once } from 'node:events'
import { pushable } from 'it-pushable'
import { CancelledError, DeadlineError, type HandlerContext, streaming } from '../../../lib/index.ts'
import { paced } from '../../support/clock/pace.ts'
import { Gate, Outcome } from '../../support/gate.ts'
import { settled, until } from '../../support/until.ts'
import type { Fact } from '../suite.ts'

const feed = streaming<void, never, number>('feed', { inCapacity: 0, outCapacity: 1 })

/** A deadline is long on a busy machine. */
const beyondKeepAlive = { keepAlive: { intervalMs: 600_000 } }

/** Resolves when the call of the handler is over; returns why. */
async function aborted({ signal }: HandlerContext): Promise<unknown> {
  if (!signal.aborted) await once(signal, 'abort')
  return signal.reason
}

export function stopFacts(fact: Fact): void {
  fact('a deadline of 50 ms holds although the handler ignores its signal', async ({ peer, responder, known }) => {
    const gate = new Gate()
    responder.handle('deaf', async (payload) => {
      await gate.opened
      return payload
    })
    await known()
    const before = performance.now()
    const late = (error: unknown) => error instanceof DeadlineError && error.delivery === 'maybeRan'
    await assert.rejects(peer.request('deaf', undefined, { timeout: 50 }), late)
    const tookMs = performance.now() - before
    assert.ok(tookMs > 45 && tookMs < paced(2000), `it took ${tookMs} ms`)
    assert.equal(peer.stats().session?.outboundStreams, 0)
    gate.open()
  })

  fact('the signal of the handler aborts at the deadline too, and says so', async ({ peer, responder, known }) => {
    const reasons: unknown[] = []
    responder.handle('waits', async (payload, context) => {
      reasons.push(await aborted(context))
      return payload
    })
    responder.handle(feed, async (_payload, _requests, context) => {
      reasons.push(await aborted(context))
      return []
    })
    await known()
    // Whichever end sees first that the time is over.
    const text = new RegExp(`^(no answer from ${peer.host} within 50 ms|the deadline passed at ${peer.host})$`)
    const late = { name: 'DeadlineError', message: text }
    await assert.rejects(peer.request('waits', undefined, { timeout: 50 }), late)
    const stream = peer.newStream(feed, undefined, { timeout: 50 })
    await assert.rejects(stream.responses.next(), late)
    assert.equal((await stream.closed).how, 'failed')
    await until(() => reasons.length === 2, 'both handlers are told')
    assert.ok(reasons.every((reason) => reason instanceof DeadlineError))
  })

  fact(
    'each end holds the deadline by itself, when nothing of the other one arrives',
    async (link) => {
      const reasons: unknown[] = []
      link.responder.handle('waits', async (payload, context) => {
        reasons.push(await aborted(context))
        return payload
      })
      await link.known()
      link.blockInbound('caller')
      const late = (error: unknown) => error instanceof DeadlineError && error.delivery === 'maybeRan'
      await assert.rejects(link.peer.request('waits', undefined, { timeout: paced(200) }), late)
      await until(() => reasons.length === 1, 'the handler is told')
      link.unblock()
      const call = new Outcome(link.peer.request('waits', undefined, { timeout: paced(200) }))
      await until(() => link.back.stats().session?.runningHandlers === 1, 'the handler runs')
      link.blockInbound('responder')
      await until(() => reasons.length === 2, 'the handler is told')
      await call.done
      assert.ok(late(call.error))
      assert.ok(reasons.every((reason) => reason instanceof DeadlineError))
      link.unblock()
    },
    beyondKeepAlive
  )

  fact('a cancelled request rejects at once with the reason of its signal, and the handler is told', async (link) => {
    const { peer, responder, known } = link
    const reasons: unknown[] = []
    responder.handle('waits', async (payload, context) => {
      reasons.push(await aborted(context))
      return payload
    })
    await known()
    const controller = new AbortController()
    const call = new Outcome(peer.request('waits', undefined, { signal: controller.signal }))
    await until(() => link.back.stats().session?.runningHandlers === 1, 'the handler runs')
    const reason = new Error('no longer needed')
    controller.abort(reason)
    await call.done
    assert.equal(call.error, reason)
    await until(() => reasons.length === 1, 'the handler is told')
    const [told] = reasons
    assert.ok(told instanceof CancelledError && told.message.includes('no longer needed'))
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
  })

  fact('a signal that is already aborted sends nothing', async ({ peer, back, responder, known }) => {
    let calls = 0
    responder.handle('one', (payload) => {
      calls++
      return payload
    })
    responder.handle(feed, () => {
      calls++
      return []
    })
    await known()
    const before = back.stats().totals.messagesIn
    const reason = new Error('never mind')
    const signal = AbortSignal.abort(reason)
    await assert.rejects(peer.request('one', undefined, { signal }), reason)
    const stream = peer.newStream(feed, undefined, { signal })
    await assert.rejects(stream.responses.next(), reason)
    assert.deepEqual(await stream.closed, { how: 'cancelled', error: reason })
    await peer.request('one')
    assert.equal(back.stats().totals.messagesIn, before + 1)
    assert.equal(calls, 1)
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  })

  fact('one signal for a thousand requests and streams keeps no listener and warns of none', async (link) => {
    const { peer, responder, known } = link
    responder.handle('one', (payload) => payload)
    responder.handle(feed, () => [1])
    await known()
    const { signal } = new AbortController()
    const warnings: Error[] = []
    const onWarning = (warning: Error) => warnings.push(warning)
    process.on('warning', onWarning)
    await Promise.all(Array.from({ length: 1000 }, () => peer.request('one', undefined, { signal })))
    for (let count = 0; count < 20; count++) {
      for await (const value of peer.newStream(feed, undefined, { signal })) assert.equal(value, 1)
    }
    assert.equal(getEventListeners(signal, 'abort').length, 0)
    await new Promise(setImmediate)
    process.off('warning', onWarning)
    assert.deepEqual(warnings, [])
  })

  fact('a stream that is cancelled while its request window is full has one error: the cancel', async (link) => {
    const upload = streaming<void, number, never>('upload', { inCapacity: 3 })
    const reasons: unknown[] = []
    link.responder.handle(upload, async (_payload, requests, context) => {
      reasons.push(await aborted(context))
      await requests.next().catch((error) => reasons.push(error))
    })
    await link.known()
    const stream = link.peer.newStream(upload)
    const sends = Array.from({ length: 10 }, (_, at) => new Outcome(stream.send(at)))
    await until(() => sends.filter((send) => send.settled).length === 3, 'the window is full')
    const reason = new Error('enough of that')
    const next = new Outcome(stream.responses.next())
    stream.cancel(reason)
    stream.cancel(new Error('a second cancel'))
    await next.done
    assert.equal(next.error, reason)
    assert.deepEqual(await stream.closed, { how: 'cancelled', error: reason })
    for (const { done } of sends) await done
    assert.deepEqual(
      sends.map((send) => send.error),
      [undefined, undefined, undefined, ...Array(7).fill(reason)]
    )
    assert.deepEqual(await stream.responses.next(), { done: true, value: undefined })
    await until(() => reasons.length === 2, 'the handler is told')
    assert.ok(reasons.every((told) => told instanceof CancelledError))
  })

  fact(
    'a caller that stops reading and then cancels: the handler is cancelled, draining yields the cancel',
    async (link) => {
      let unwound = false
      let pulls = 0
      const reasons: unknown[] = []
      const wide = streaming<void, never, number>('wide', { inCapacity: 0, outCapacity: 8 })
      link.responder.handle(wide, async function* (_payload, _requests, context) {
        context.signal.addEventListener('abort', () => reasons.push(context.signal.reason))
        try {
          for (;;) yield pulls++
        } finally {
          unwound = true
        }
      })
      await link.known()
      const controller = new AbortController()
      const stream = link.peer.newStream(wide, undefined, { signal: controller.signal })
      for (const expected of [0, 1, 2]) assert.equal((await stream.responses.next()).value, expected)
      await settled(() => pulls)
      const reason = new Error('seen enough')
      controller.abort(reason)
      assert.equal(link.peer.stats().session?.outboundStreams, 0)
      await assert.rejects(stream.responses.next(), reason)
      assert.deepEqual(await stream.responses.next(), { done: true, value: undefined })
      assert.deepEqual(await stream.closed, { how: 'cancelled', error: reason })
      await until(() => unwound && reasons.length === 1, 'the handler is cancelled')
      assert.ok(reasons[0] instanceof CancelledError)
      assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
    }
  )

  fact(
    'the signal aborts before the unwinding, also of what unwinds at once: a pushable, a plain generator',
    async (link) => {
      const aborted: boolean[] = []
      let pushed = 0
      link.responder.handle(feed, (_payload, _requests, { signal }) => {
        const values = pushable<number>({ objectMode: true })
        signal.addEventListener('abort', () => aborted.push(true))
        for (; pushed < 5; pushed++) values.push(pushed)
        return values
      })
      const plain = streaming<void, never, number>('plain', { inCapacity: 0 })
      link.responder.handle(plain, function* (_payload, _requests, { signal }) {
        try {
          for (;;) yield 1
        } finally {
          aborted.push(signal.aborted)
        }
      })
      await link.known()
      for await (const _ of link.peer.newStream(feed)) break
      await until(() => aborted.length === 1, 'the handler of the pushable is told')
      for await (const _ of link.peer.newStream(plain)) break
      await until(() => aborted.length === 2, 'the generator is unwound')
      assert.deepEqual(aborted, [true, true])
    }
  )

  waitFacts(fact)
}

function waitFacts(fact: Fact): void {
  fact(
    'a cancelled or late call that waits for the connection returns at once, and never reaches the handler',
    async (link) => {
      const { peer, responder, known, connected } = link
      let calls = 0
      const called = () => {
        calls++
        return []
      }
      responder.handle(feed, called)
      responder.handle('one', (payload) => {
        calls++
        return payload
      })
      await known()
      link.blockInbound('caller')
      link.blockInbound('responder')
      link.cut()
      await until(() => peer.state !== 'connected', 'the caller has lost the conn')
      const controller = new AbortController()
      const options = { waitForReady: true, signal: controller.signal }
      const request = new Outcome(peer.request('one', undefined, options))
      const signalled = peer.newStream(feed, undefined, options)
      const cancelled = peer.newStream(feed, undefined, { waitForReady: true, timeout: 100_000 })
      const reason = new Error('not waiting for ever')
      controller.abort(reason)
      cancelled.cancel(reason)
      await request.done
      assert.equal(request.error, reason)
      for (const stream of [signalled, cancelled]) {
        await assert.rejects(stream.responses.next(), reason)
        assert.deepEqual(await stream.closed, { how: 'cancelled', error: reason })
      }
      assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
      await assert.rejects(peer.request('one', undefined, { waitForReady: true, timeout: 20 }), {
        name: 'DeadlineError',
        delivery: 'notSent'
      })
      const late = peer.newStream(feed, undefined, { waitForReady: true, timeout: 20 })
      await assert.rejects(late.responses.next(), { name: 'DeadlineError', delivery: 'notSent' })
      link.unblock()
      await connected(2)
      assert.equal(calls, 0)
    }
  )

  fact('a call that waits for the connection is made once it is there', async (link) => {
    const { peer, responder, known } = link
    responder.handle(feed, () => [1, 2])
    responder.handle('one', (payload) => payload)
    await known()
    link.blockInbound('caller')
    link.cut()
    await until(() => peer.state !== 'connected', 'the caller has lost the conn')
    const request = peer.request('one', Uint8Array.of(5), { waitForReady: true })
    const stream = peer.newStream(feed, undefined, { waitForReady: true })
    link.unblock()
    const got: number[] = []
    for await (const value of stream) got.push(value)
    assert.deepEqual(got, [1, 2])
    assert.deepEqual([...(await request)], [5])
  })
}
