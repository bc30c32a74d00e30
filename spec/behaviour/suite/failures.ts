/**
 * A failure is a failure whatever its value: `undefined` and its like can be thrown, too. Every party of the call tells it,
 * and none takes it for an end.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { CancelledError, RemoteError, streaming } from '../../../lib/index.ts'
import { ForeignSignal } from '../../support/calls/foreign-signal.ts'
import { Outcome } from '../../support/gate.ts'
import { until } from '../../support/until.ts'
import type { Fact } from '../suite.ts'

const both = streaming<void, number, number>('both', { inCapacity: 2, outCapacity: 2 })
const feed = streaming<void, never, number>('feed', { inCapacity: 0 })

/** What is easily taken for no failure at all. */
const faint = [undefined, null, 0, '', false, Number.NaN]

type Source = AsyncIterable<number> | Iterable<number | Promise<number>>

/** Each way in which a source can fail, after one value. */
const sources: Record<string, (failure: unknown) => Source> = {
  async *'an async generator'(failure) {
    yield 1
    throw failure
  },
  *'a generator'(failure) {
    yield 1
    throw failure
  },
  *'a rejected value'(failure) {
    yield 1
    yield Promise.reject(failure)
  },
  'a promise in place of the last value': (failure) => {
    const results = [{ value: 1 }, { done: true, value: Promise.reject(failure) }]
    return { [Symbol.iterator]: () => ({ next: () => results.shift() as IteratorResult<number> }) }
  },
  'a web stream': (failure) => {
    let pulls = 0
    return new ReadableStream<number>(
      { pull: (controller) => (pulls++ === 0 ? controller.enqueue(1) : controller.error(failure)) },
      { highWaterMark: 0 }
    )
  },
  'a transform whose writer aborts': (failure) => {
    const { readable, writable } = new TransformStream<number, number>()
    const writer = writable.getWriter()
    writer.write(1).then(
      () => writer.abort(failure),
      () => undefined
    )
    return readable
  }
}

export function failureFacts(fact: Fact): void {
  for (const [kind, sourceOf] of Object.entries(sources)) {
    fact(`${kind} as source that fails with nothing much fails its stream at both ends`, async (link) => {
      const seen: unknown[] = []
      link.responder.handle(both, async (_, requests) => {
        try {
          for await (const value of requests) assert.equal(value, 1)
          seen.push('a quiet end')
        } catch (error) {
          seen.push(error)
        }
      })
      await link.known()
      for (const [index, failure] of faint.entries()) {
        const stream = link.peer.newStream(both)
        const sent = new Outcome(stream.sink(sourceOf(failure)))
        const response = new Outcome(stream.responses.next())
        assert.deepEqual(await stream.closed, { how: 'failed', error: failure })
        for (const outcome of [sent, response]) {
          await outcome.done
          assert.deepEqual([outcome.failed, outcome.error], [true, failure])
        }
        await until(() => seen.length > index, 'the handler is told')
        assert.ok(seen[index] instanceof CancelledError, `it saw ${seen[index]}`)
      }
    })
  }

  fact('requests that are pushed fail with what is thrown into them, and those that wait are told', async (link) => {
    link.responder.handle(both, async function* (_, requests) {
      yield* requests
    })
    await link.known()
    for (const failure of faint) {
      const stream = link.peer.newStream(both)
      const sends = Array.from({ length: 9 }, (_, at) => new Outcome(stream.send(at)))
      await stream.requests.throw(failure as unknown as Error)
      assert.deepEqual(await stream.closed, { how: 'failed', error: failure })
      for (const { done } of sends) await done
      const last = sends.at(-1)
      assert.deepEqual([last?.failed, last?.error], [true, failure])
      await assert.rejects(
        async () => await stream.responses.next(),
        (error) => Object.is(error, failure)
      )
    }
  })

  fact('requests that nobody takes fail at once with what is thrown into them, sent or pushed', async (link) => {
    link.responder.handle(both, async (_, _requests, { signal }) => {
      await once(signal, 'abort')
    })
    await link.known()
    for (const give of ['send', 'push'] as const) {
      const stream = link.peer.newStream(both)
      const last = new Outcome(stream.send(0))
      for (let at = 1; at < 5; at++) {
        if (give === 'push') stream.requests.push(at)
        else stream.send(at)
      }
      const waiting = new Outcome(stream.send(5))
      await last.done
      await until(() => link.back.stats().session?.inboundStreams === 1, 'it is open')
      stream.requests.end(new RangeError('no more'))
      assert.deepEqual((await stream.closed).error, new RangeError('no more'))
      await waiting.done
      assert.deepEqual(waiting.error, new RangeError('no more'))
      await until(() => link.back.stats().session?.inboundStreams === 0, 'the handler is told')
    }
  })

  fact('a call that is aborted for nothing much is told that, whatever its signal is', async (link) => {
    link.responder.handle('wait', () => new Promise<never>(() => undefined))
    link.responder.handle(both, () => new Promise<never>(() => undefined))
    await link.known()
    const { back } = link
    for (const reason of faint) {
      // A signal without a reason has that of Node.
      const isTold = (error: unknown) =>
        reason === undefined ? (error as Error).name === 'AbortError' : Object.is(error, reason)
      const foreign = new ForeignSignal(() => reason)
      const own = new AbortController()
      const calls = [foreign.signal, own.signal].map(
        (signal) => new Outcome(link.peer.request('wait', undefined, { signal }))
      )
      const streams = [foreign.signal, own.signal].map((signal) => link.peer.newStream(both, undefined, { signal }))
      const handlers = () => back.stats().session?.inboundStreams
      await until(() => handlers() === 4, 'all are running')
      foreign.abort()
      own.abort(reason)
      for (const call of calls) {
        await call.done
        assert.ok(call.failed && isTold(call.error), `${call.error}`)
      }
      for (const stream of streams) {
        const { how, error } = await stream.closed
        assert.ok(how === 'cancelled' && isTold(error), `${how} ${error}`)
        await assert.rejects(async () => await stream.responses.next(), isTold)
      }
    }
    for (const reason of faint.slice(1)) {
      const stream = link.peer.newStream(both)
      stream.cancel(reason)
      assert.deepEqual(await stream.closed, { how: 'cancelled', error: reason })
    }
    await link.abandon()
  })

  fact('a handler that fails with nothing much gives a remote error, never an end', async (link) => {
    const ways: Record<string, (failure: unknown) => Source | Promise<never>> = {
      ...sources,
      'a handler that rejects': (failure) => Promise.reject(failure),
      'a handler that throws': (failure) => {
        throw failure
      }
    }
    let fail = (): Source | Promise<never> => []
    link.responder.handle(feed, () => fail() as Iterable<number>)
    await link.known()
    for (const [way, sourceOf] of Object.entries(ways)) {
      for (const failure of faint) {
        fail = () => sourceOf(failure)
        const stream = link.peer.newStream(feed)
        const read = async () => {
          for await (const value of stream) assert.equal(value, 1)
        }
        await assert.rejects(read(), (error) => error instanceof RemoteError && error.delivery === 'ran', way)
        assert.equal((await stream.closed).how, 'failed')
      }
    }
  })
}
