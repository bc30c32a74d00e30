/**
 * Iterators at both ends, read and left as the language reads and leaves them. The odd ones are in `stream/producer.spec.ts`.
 */

import assert from 'node:assert/strict'
import { CancelledError, type GridStream, pipe, RemoteError, streaming } from '../../../lib/index.ts'
import { Gate, Outcome } from '../../support/gate.ts'
import { until } from '../../support/until.ts'
import type { Fact } from '../suite.ts'

const feed = streaming<number, never, unknown>('feed', { inCapacity: 0 })
const both = streaming<void, number, number>('both', { inCapacity: 2, outCapacity: 2 })

/** Each iterator of a stream into which an error can be thrown. */
const ways: Record<string, (stream: GridStream<number, number>) => AsyncIterator<number, unknown>> = {
  responses: (stream) => stream.responses,
  source: (stream) => stream.source,
  'a generator that yields them all': (stream) =>
    (async function* () {
      yield* stream
    })(),
  'a pipe': (stream) =>
    pipe(stream, async function* (values) {
      yield* values
    })
}

export function iteratorFacts(fact: Fact): void {
  fact('a handler may return whatever a for await takes, and nothing else', async (link) => {
    const iterator = () => [1, 2][Symbol.iterator]()
    const taken: [unknown, unknown[]][] = [
      ['añ😀', ['a', 'ñ', '😀']],
      [Uint8Array.of(7, 8), [7, 8]],
      [new Set([1, 2]), [1, 2]],
      [Object.assign(() => undefined, { [Symbol.iterator]: iterator }), [1, 2]],
      [{ [Symbol.asyncIterator]: null, [Symbol.iterator]: iterator }, [1, 2]],
      [Promise.resolve('ab'), ['a', 'b']],
      [undefined, []]
    ]
    const refused = [7, true, Symbol('sign'), {}, () => 1, { [Symbol.iterator]: 7 }, { [Symbol.iterator]: () => 7 }]
    const returned = [...taken.map(([value]) => value), ...refused]
    // What only a program without types can do.
    link.responder.handle(feed, ((at: number) => returned[at]) as unknown as () => undefined)
    await link.known()
    for (const [at, [, expected]] of taken.entries()) {
      const got: unknown[] = []
      for await (const value of link.peer.newStream(feed, at)) got.push(value)
      assert.deepEqual(got, expected)
    }
    for (const at of refused.keys()) {
      const stream = link.peer.newStream(feed, taken.length + at)
      await assert.rejects(async () => await stream.responses.next(), RemoteError)
      assert.equal((await stream.closed).how, 'failed')
    }
  })

  for (const [way, iteratorOf] of Object.entries(ways)) {
    fact(`an error thrown into the responses (${way}) stops both ends, and is told`, async (link) => {
      const reasons: unknown[] = []
      link.responder.handle(both, async function* (_, requests, { signal }) {
        signal.addEventListener('abort', () => reasons.push(signal.reason))
        yield* requests
        await new Promise(() => undefined)
      })
      await link.known()
      const failure = new Error('no use for it')
      const stream = link.peer.newStream(both)
      const iterator = iteratorOf(stream)
      stream.requests.push(1)
      assert.deepEqual(await iterator.next(), { done: false, value: 1 })
      await assert.rejects(async () => await iterator.throw?.(failure), failure)
      assert.deepEqual(await stream.closed, { how: 'cancelled', error: failure })
      assert.equal((await iterator.next()).done, true)
      await assert.rejects(async () => await stream.responses.throw?.(failure), failure)
      await until(() => reasons.length === 1, 'the handler is told')
      assert.ok(reasons[0] instanceof CancelledError && /no use for it/.test(reasons[0].message))
      await link.abandon()
    })
  }

  fact('an error thrown into the requests of a handler stops their source, and the handler may go on', async (link) => {
    link.responder.handle(both, async function* (_, requests) {
      yield (await requests.next()).value ?? -1
      try {
        await requests.throw?.(new Error('enough of them'))
      } catch (error) {
        assert.match(`${error}`, /enough of them/)
        yield 100
      }
      assert.equal((await requests.next()).done, true)
      yield 101
    })
    await link.known()
    let unwound = 0
    const stream = link.peer.newStream(both)
    const sent = stream.sink(
      (async function* () {
        try {
          for (let value = 0; ; value++) yield value
        } finally {
          unwound++
        }
      })()
    )
    const got: number[] = []
    for await (const value of stream) got.push(value)
    assert.deepEqual(got, [0, 100, 101])
    await sent
    assert.equal(unwound, 1)
  })

  fact('a source that fails while it is left fails sink(), and not the stream', async (link) => {
    const gate = new Gate()
    link.responder.handle(both, async function* (_, requests) {
      for await (const value of requests) {
        yield value
        break
      }
      await gate.opened
      yield 100
    })
    await link.known()
    const failure = new Error('the file cannot be closed')
    const stream = link.peer.newStream(both)
    const sent = new Outcome(
      stream.sink(
        (async function* () {
          try {
            for (let value = 0; ; value++) yield value
          } finally {
            await Promise.reject(failure)
          }
        })()
      )
    )
    await sent.done
    assert.equal(sent.error, failure)
    gate.open()
    const got: number[] = []
    for await (const value of stream) got.push(value)
    assert.deepEqual(got, [0, 100])
    assert.deepEqual(await stream.closed, { how: 'ended' })
  })

  fact('a source that fails while it is left fails sink(), although the stream has ended by then', async (link) => {
    link.responder.handle(both, async function* (_, requests) {
      for await (const value of requests) {
        yield value
        break
      }
    })
    await link.known()
    const gate = new Gate()
    const failure = new Error('the file cannot be closed')
    const leave = async () => {
      await gate.opened
      throw failure
    }
    const next = async () => ({ done: false, value: 1 })
    const stream = link.peer.newStream(both)
    const sent = new Outcome(stream.sink({ [Symbol.asyncIterator]: () => ({ next, return: leave }) }))
    const got: number[] = []
    for await (const value of stream) got.push(value)
    assert.deepEqual([got, await stream.closed, sent.settled], [[1], { how: 'ended' }, false])
    gate.open()
    await sent.done
    assert.equal(sent.error, failure)
  })
}
