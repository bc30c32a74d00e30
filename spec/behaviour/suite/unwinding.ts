/**
 * Unwinding: whoever stops, the generator at the other end is told and its `finally` runs; and nothing looks like an
 * end that is none.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { CancelledError, ClosedError, type GridStream, streaming } from '../../../lib/index.ts'
import { Gate, Outcome } from '../../support/gate.ts'
import { until } from '../../support/until.ts'
import type { Fact } from '../suite.ts'

const feed = streaming<void, never, number>('feed', { inCapacity: 0, outCapacity: 2 })
const both = streaming<void, number, number>('both', { inCapacity: 2, outCapacity: 2 })

/** Counts for ever, and notes that it was unwound. */
class Counter implements AsyncIterable<number> {
  unwound = 0

  async *[Symbol.asyncIterator](): AsyncGenerator<number> {
    try {
      for (let value = 0; ; value++) yield value
    } finally {
      this.unwound++
    }
  }
}

/** Each way in which a consumer can stop, and what `closed` says of it; all read one value first. */
const stops: Record<string, (stream: GridStream<never, number>, controller: AbortController) => Promise<void>> = {
  async break(stream) {
    for await (const _ of stream) break
  },
  async throw(stream) {
    const failing = async () => {
      for await (const value of stream) throw new Error(`no use for ${value}`)
    }
    await assert.rejects(failing(), /no use for 0/)
  },
  async 'return()'(stream) {
    await stream.responses.next()
    assert.deepEqual(await stream.responses.return?.(), { done: true, value: undefined })
  },
  async 'cancel()'(stream) {
    await stream.responses.next()
    stream.cancel()
    await assert.rejects(stream.responses.next(), CancelledError)
  },
  async 'an abort of the signal'(stream, controller) {
    await stream.responses.next()
    controller.abort()
    await assert.rejects(stream.responses.next(), { name: 'AbortError' })
  },
  async 'the end of a block that uses it'(stream) {
    {
      await using scoped = stream
      await scoped.responses.next()
    }
    await assert.rejects(stream.responses.next(), CancelledError)
  }
}

export function unwindFacts(fact: Fact): void {
  for (const [how, stop] of Object.entries(stops)) {
    fact(`a consumer that stops by ${how} unwinds the handler's generator and aborts its signal`, async (link) => {
      const counter = new Counter()
      const reasons: unknown[] = []
      link.responder.handle(feed, (_payload, _requests, { signal }) => {
        signal.addEventListener('abort', () => reasons.push(signal.reason))
        return counter
      })
      await link.known()
      const controller = new AbortController()
      const stream = link.peer.newStream(feed, undefined, { signal: controller.signal })
      await stop(stream, controller)
      assert.equal((await stream.closed).how, 'cancelled')
      assert.deepEqual(await stream.responses.next(), { done: true, value: undefined })
      await until(() => counter.unwound === 1 && reasons.length === 1, 'the handler is unwound')
      assert.ok(reasons[0] instanceof CancelledError)
      await link.settled()
      assert.equal(counter.unwound, 1)
    })
  }

  fact('a stream that is dropped unread and cancelled unwinds its handler', async (link) => {
    const counter = new Counter()
    link.responder.handle(feed, () => counter)
    await link.known()
    const stream = link.peer.newStream(feed)
    await until(() => link.back.stats().session?.runningHandlers === 1, 'the handler runs')
    stream.cancel()
    await until(() => counter.unwound === 1, 'the handler is unwound')
  })

  fact('a generator whose unwinding throws or never ends harms nothing but itself', async (link) => {
    const gate = new Gate()
    const cleanups = [() => Promise.reject(new Error('the cleanup failed')), () => gate.opened]
    for (const [index, cleanup] of cleanups.entries()) {
      link.responder.handle(streaming<void, never, number>(`feed-${index}`, { inCapacity: 0 }), async function* () {
        try {
          for (;;) yield 1
        } finally {
          await cleanup()
        }
      })
    }
    link.responder.handle('echo', (payload) => payload)
    await link.known()
    for (const index of cleanups.keys()) {
      for await (const _ of link.peer.newStream(streaming<void, never, number>(`feed-${index}`, { inCapacity: 0 })))
        break
    }
    await link.peer.request('echo')
    await until(() => link.back.stats().session?.inboundStreams === 0, 'both streams are gone')
    assert.equal(link.back.stats().session?.runningHandlers, 1)
    gate.open()
  })

  requestFacts(fact)
  gapFacts(fact)
}

function requestFacts(fact: Fact): void {
  fact('a handler that fails unwinds the request source of its caller', async (link) => {
    link.responder.handle(both, async function* (_, requests) {
      yield* [(await requests.next()).value ?? -1]
      throw new Error('no more of this')
    })
    await link.known()
    const counter = new Counter()
    const stream = link.peer.newStream(both)
    const sent = new Outcome(stream.sink(counter))
    assert.equal((await stream.responses.next()).value, 0)
    await assert.rejects(stream.responses.next(), /no more of this/)
    await sent.done
    assert.ok(sent.error instanceof Error && sent.error.message === 'no more of this')
    await until(() => counter.unwound === 1, 'the source is unwound')
  })

  fact('a handler that breaks out of its requests stops their source, while its responses go on', async (link) => {
    const gate = new Gate()
    link.responder.handle(both, async function* (_, requests) {
      for await (const value of requests) {
        if (value === 3) break
        yield value
      }
      await gate.opened
      yield* [100, 101, 102, 103, 104]
    })
    await link.known()
    const counter = new Counter()
    const stream = link.peer.newStream(both)
    const sent = new Outcome(stream.sink(counter))
    for (const expected of [0, 1, 2]) assert.equal((await stream.responses.next()).value, expected)
    await until(() => counter.unwound === 1, 'the source is unwound')
    await sent.done
    assert.equal(sent.error, undefined)
    assert.throws(() => stream.requests.push(1), ClosedError)
    gate.open()
    const rest: number[] = []
    for await (const value of stream) rest.push(value)
    assert.deepEqual(rest, [100, 101, 102, 103, 104])
    assert.deepEqual(await stream.closed, { how: 'ended' })
  })

  fact(
    'a handler that returns without reading its requests ends the stream cleanly and stops their source',
    async (link) => {
      link.responder.handle(both, () => [7])
      await link.known()
      const counter = new Counter()
      const sourced = link.peer.newStream(both)
      const sent = new Outcome(sourced.sink(counter))
      const pushed = link.peer.newStream(both)
      const sends = Array.from({ length: 9 }, (_, at) => new Outcome(pushed.send(at)))
      for (const stream of [sourced, pushed]) {
        assert.deepEqual(await stream.responses.next(), { done: false, value: 7 })
        assert.deepEqual(await stream.responses.next(), { done: true, value: undefined })
        assert.deepEqual(await stream.closed, { how: 'ended' })
      }
      await sent.done
      assert.equal(sent.error, undefined)
      assert.equal(counter.unwound, 1)
      for (const { done } of sends) await done
      for (const { error } of sends.slice(2)) assert.ok(error instanceof ClosedError)
      assert.throws(() => pushed.requests.push(1), ClosedError)
    }
  )

  fact('a request source that throws cancels the handler, and the caller gets what it threw', async (link) => {
    let seen: unknown
    link.responder.handle(both, async function* (_, requests, { signal }) {
      try {
        yield* requests
      } finally {
        seen = signal.reason
      }
    })
    await link.known()
    const failure = new Error('the disk of the caller broke')
    const stream = link.peer.newStream(both)
    const sent = new Outcome(
      stream.sink(
        (function* () {
          yield 1
          throw failure
        })()
      )
    )
    const responses = async () => {
      for await (const value of stream) assert.equal(value, 1)
    }
    await assert.rejects(responses(), failure)
    await sent.done
    assert.equal(sent.error, failure)
    assert.deepEqual(await stream.closed, { how: 'failed', error: failure })
    await until(() => seen !== undefined, 'the handler is told')
    assert.ok(seen instanceof CancelledError)
  })

  fact('a request that cannot be encoded fails the stream, and no end of the requests is shown', async (link) => {
    const any = streaming<void, unknown, number>('any')
    const seen: unknown[] = []
    link.responder.handle(any, async function* (_, requests) {
      try {
        for await (const value of requests) seen.push(value)
        seen.push('the end')
      } catch (error) {
        seen.push(error)
        throw error
      }
      yield 1
    })
    await link.known()
    const stream = link.peer.newStream(any)
    stream.requests.push('fine')
    await until(() => seen.length === 1, 'the first has arrived')
    stream.requests.push(() => 1)
    await assert.rejects(stream.responses.next(), { name: 'CodecError', delivery: 'maybeRan' })
    await until(() => seen.length === 2, 'the handler is told')
    assert.ok(seen[1] instanceof CancelledError)
  })
}

function gapFacts(fact: Fact): void {
  fact('requests that were cut never look like their end, even when the end had arrived behind them', async (link) => {
    const upload = streaming<void, number, never>('upload', { inCapacity: 10 })
    const gate = new Gate()
    const seen: unknown[] = []
    link.responder.handle(upload, async (_payload, requests, { signal }) => {
      seen.push((await requests.next()).value)
      gate.open()
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
    const arrived = link.back.stats().totals.messagesIn
    await gate.opened
    await until(() => link.back.stats().totals.messagesIn >= arrived, 'all has arrived')
    stream.cancel()
    await until(() => seen.length === 2, 'the handler is told')
    assert.ok(seen[1] instanceof CancelledError, `it saw ${seen[1]}`)
  })

  fact('everything that was sent before the end is delivered before the end', async (link) => {
    const upload = streaming<void, number, number>('upload', { inCapacity: 64 })
    const gate = new Gate()
    link.responder.handle(upload, async function* (_, requests) {
      await gate.opened
      let count = 0
      for await (const value of requests) assert.equal(value, count++)
      yield count
      yield count + 1
    })
    await link.known()
    const stream = link.peer.newStream(upload)
    for (let value = 0; value < 50; value++) stream.requests.push(value)
    stream.requests.end()
    gate.open()
    await until(() => link.peer.stats().session?.outboundStreams === 0, 'the stream is over before it is read')
    const got: number[] = []
    for await (const value of stream) got.push(value)
    assert.deepEqual(got, [50, 51])
    assert.deepEqual(await stream.closed, { how: 'ended' })
  })
}
