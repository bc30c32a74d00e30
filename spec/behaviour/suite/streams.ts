/**
 * Streams: two ways at once, ended half by half, with every capacity there is, and how each end learns of the end.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { bytes, CancelledError, ClosedError, type HandlerContext, streaming } from '../../../lib/index.ts'
import { Gate, Outcome } from '../../support/gate.ts'
import { settled, until } from '../../support/until.ts'
import type { Fact } from '../suite.ts'
import { pattern } from './requests.ts'

const talk = streaming<string, number, string>('talk')
const feed = streaming<number, never, number>('feed', { inCapacity: 0 })
const total = streaming<void, number, number>('total')

export function streamFacts(fact: Fact): void {
  fact('eleven turns of a two-way stream come in order, and a half-close ends it cleanly', async (link) => {
    const ends: string[] = []
    link.responder.handle(talk, async function* (name, requests) {
      for await (const turn of requests) yield `${name} ${turn}`
      ends.push('requests')
      yield 'goodbye'
    })
    await link.known()
    const stream = link.peer.newStream(talk, 'turn')
    for (let turn = 0; turn < 11; turn++) {
      stream.requests.push(turn)
      assert.deepEqual(await stream.responses.next(), { done: false, value: `turn ${turn}` })
    }
    assert.deepEqual(ends, [])
    stream.requests.end()
    assert.deepEqual(await stream.responses.next(), { done: false, value: 'goodbye' })
    assert.deepEqual(await stream.responses.next(), { done: true, value: undefined })
    assert.deepEqual(await stream.closed, { how: 'ended' })
    assert.deepEqual(await stream.responses.next(), { done: true, value: undefined })
    assert.deepEqual(ends, ['requests'])
  })

  fact('responses go on after the requests have ended, and requests are answered with one sum', async (link) => {
    link.responder.handle(total, async function* (_, requests) {
      let sum = 0
      for await (const value of requests) sum += value
      for (let times = 1; times <= 3; times++) yield sum * times
    })
    await link.known()
    const stream = link.peer.newStream(total)
    for (const value of [1, 2, 3]) await stream.send(value)
    stream.requests.end()
    const sums: number[] = []
    for await (const sum of stream) sums.push(sum)
    assert.deepEqual(sums, [6, 12, 18])
  })

  fact('a handler may return an array, promises in it, a promise of an iterable, or nothing', async (link) => {
    const kinds = {
      array: () => [1, 2],
      promises: () => [Promise.resolve(1), 2],
      promised: async () => [1, 2],
      set: () => new Set([1, 2]),
      nothing: () => undefined,
      empty: async () => {}
    }
    for (const [id, fn] of Object.entries(kinds)) {
      link.responder.handle(streaming<void, never, number>(id, { inCapacity: 0 }), fn)
    }
    await link.known()
    for (const id of Object.keys(kinds)) {
      const got: number[] = []
      for await (const value of link.peer.newStream(streaming<void, never, number>(id, { inCapacity: 0 }))) {
        got.push(value)
      }
      assert.deepEqual(got, ['nothing', 'empty'].includes(id) ? [] : [1, 2], id)
    }
  })

  fact('raw streams carry bytes both ways, in the shape that the handler declares', async (link) => {
    const codecs = { payload: bytes(), request: bytes(), response: bytes() }
    link.responder.handle(
      streaming<Uint8Array, Uint8Array, Uint8Array>('raw', { ...codecs, inCapacity: 2, outCapacity: 3 }),
      async function* (payload, requests) {
        yield payload
        yield* requests
      }
    )
    await link.known()
    const stream = link.peer.newStream('raw', pattern(40_000))
    stream.requests.push(pattern(100_000)).push(pattern(1)).end()
    const sizes: number[] = []
    for await (const response of stream) {
      assert.equal(Buffer.compare(response, pattern(response.length)), 0)
      sizes.push(response.length)
    }
    assert.deepEqual(sizes, [40_000, 100_000, 1])
  })

  fact('a handler that takes no requests gets null for them, and its caller has none to send', async (link) => {
    let given: unknown = 'unset'
    link.responder.handle(feed, (count, requests) => {
      given = requests
      return Array.from({ length: count }, (_, at) => at)
    })
    await link.known()
    const stream = link.peer.newStream(feed, 3)
    assert.equal(stream.requests, null)
    await assert.rejects(stream.send(1 as never), ClosedError)
    await assert.rejects(stream.sink([]), ClosedError)
    const got: number[] = []
    for await (const value of stream) got.push(value)
    assert.deepEqual(got, [0, 1, 2])
    assert.equal(given, null)
  })

  for (const inCapacity of [1, 7]) {
    for (const outCapacity of [1, 7]) {
      fact(`100 messages each way pass windows of ${inCapacity} and ${outCapacity} in order`, async (link) => {
        const definition = streaming<void, number, number>('back', { inCapacity, outCapacity })
        link.responder.handle(definition, (_, requests) => requests)
        await link.known()
        const stream = link.peer.newStream(definition)
        const numbers = Array.from({ length: 100 }, (_, at) => at)
        for (const value of numbers) stream.requests.push(value)
        stream.requests.end()
        const got: number[] = []
        for await (const value of stream) got.push(value)
        assert.deepEqual(got, numbers)
        assert.deepEqual(await stream.closed, { how: 'ended' })
      })
    }
  }

  fact('a handler without responses runs to its end, however it is written', async (link) => {
    const got: number[] = []
    const none = (id: string) => streaming<void, number, never>(id, { outCapacity: 0 })
    link.responder.handle(none('promise'), async (_, requests) => {
      for await (const value of requests) got.push(value)
    })
    // biome has no generator without a yield; this one has none that it reaches.
    link.responder.handle(none('generator'), async function* (_, requests) {
      for await (const value of requests) got.push(value)
      yield* []
    })
    await link.known()
    for (const id of ['promise', 'generator']) {
      const stream = link.peer.newStream(none(id))
      stream.requests.push(1).push(2).end()
      assert.deepEqual(await stream.responses.next(), { done: true, value: undefined }, id)
      assert.deepEqual(await stream.closed, { how: 'ended' }, id)
    }
    assert.deepEqual(got, [1, 2, 1, 2])
  })

  fact('a caller whose definition takes no requests ends them for a handler that would', async (link) => {
    link.responder.handle(streaming<void, number, string>('odd', { inCapacity: 2 }), async function* (_, requests) {
      for await (const value of requests) assert.fail(`nobody sent ${value}`)
      yield 'no requests'
    })
    await link.known()
    const stream = link.peer.newStream(streaming<void, never, string>('odd', { inCapacity: 0 }))
    assert.deepEqual(await stream.responses.next(), { done: false, value: 'no requests' })
    assert.equal((await stream.responses.next()).done, true)
  })

  fact('a handler that fails at once, though its caller sends no requests, leaves none to wait for', async (link) => {
    let left: AsyncIterator<number> | undefined
    link.responder.handle(streaming<void, number, string>('odd', { inCapacity: 2 }), (_, requests) => {
      left = requests
      throw new Error('at once')
    })
    await link.known()
    const stream = link.peer.newStream(streaming<void, never, string>('odd', { inCapacity: 0 }))
    await assert.rejects(stream.responses.next(), /at once/)
    assert.deepEqual(await left?.next(), { done: true, value: undefined })
  })

  contextFacts(fact)
  sendFacts(fact)
}

function contextFacts(fact: Fact): void {
  fact('the handler of a stream knows its caller, metadata, subroute and deadline', async (link) => {
    const { caller, peer, responder, known } = link
    const contexts: HandlerContext[] = []
    responder.handle(
      feed,
      (_payload, _requests, context) => {
        contexts.push(context)
        return []
      },
      { subroute: 'disk1' }
    )
    await known()
    const before = Date.now()
    const options = { timeout: 20_000, metadata: { trace: 'x' } }
    for await (const _ of peer.subroute('disk1').newStream(feed, 1, options)) assert.fail('nothing was yielded')
    for await (const _ of peer.subroute('disk1').newStream(feed, 1)) assert.fail('nothing was yielded')
    const [first, second] = contexts as [HandlerContext, HandlerContext]
    assert.deepEqual([first.handler, first.subroute, first.remote.host], ['feed', 'disk1', caller.local])
    assert.equal(first.metadata.trace, 'x')
    assert.ok(Math.abs((first.deadline as number) - before - 20_000) < 5000)
    assert.equal(second.deadline, undefined, 'a stream has no deadline by itself')
  })

  fact('the signal of a handler that ended is not aborted', async ({ peer, responder, known }) => {
    const signals: AbortSignal[] = []
    responder.handle(feed, function* (_payload, _requests, context) {
      signals.push(context.signal)
      yield 1
    })
    responder.handle('one', (payload, context) => {
      signals.push(context.signal)
      return payload
    })
    await known()
    for await (const value of peer.newStream(feed, 1)) assert.equal(value, 1)
    await peer.request('one')
    await until(() => peer.stats().session?.outboundStreams === 0, 'both calls are over')
    assert.deepEqual(
      signals.map((signal) => signal.aborted),
      [false, false]
    )
  })
}

function sendFacts(fact: Fact): void {
  fact(
    'send resolves when the window took the value, not before, and rejects when the stream is cancelled',
    async (link) => {
      const slow = streaming<void, number, never>('slow', { inCapacity: 2 })
      const gate = new Gate()
      const got: unknown[] = []
      link.responder.handle(slow, async (_, requests, { signal }) => {
        await gate.opened
        got.push((await requests.next()).value, (await requests.next()).value)
        await once(signal, 'abort')
      })
      await link.known()
      const stream = link.peer.newStream(slow)
      const sends = [1, 2, 3, 4, 5].map((value) => new Outcome(stream.send(value)))
      const resolved = () => sends.filter((send) => send.settled).length
      assert.equal(await settled(resolved), 2)
      gate.open()
      await until(() => resolved() === 4, 'the handler took two values')
      assert.equal(await settled(resolved), 4)
      const reason = new Error('enough')
      stream.cancel(reason)
      await until(() => resolved() === 5, 'the last send is told')
      assert.equal(sends[4]?.error, reason)
      assert.deepEqual(got, [1, 2])
      await assert.rejects(stream.responses.next(), reason)
    }
  )

  fact('what is sent and what is pushed arrives in the order in which it was given, and then the end', async (link) => {
    const slow = streaming<void, number, number>('slow', { inCapacity: 2, outCapacity: 2 })
    link.responder.handle(slow, (_, requests) => requests)
    await link.known()
    for (const waits of [false, true]) {
      const stream = link.peer.newStream(slow)
      const sends = [stream.send(0), stream.send(1), stream.send(2)]
      if (waits) assert.equal((await stream.responses.next()).value, 0)
      stream.requests.push(3)
      sends.push(stream.send(4))
      stream.requests.push(5).end()
      const got: number[] = []
      for await (const value of stream) got.push(value)
      assert.deepEqual(got, waits ? [1, 2, 3, 4, 5] : [0, 1, 2, 3, 4, 5])
      await Promise.all(sends)
      assert.equal((await stream.closed).how, 'ended')
    }
  })

  fact('a stream that was sent to takes no other source, and one with a source nothing that is sent', async (link) => {
    link.responder.handle(total, async function* (_, requests) {
      for await (const value of requests) yield value
    })
    await link.known()
    const stream = link.peer.newStream(total)
    await stream.send(1)
    await assert.rejects(stream.sink([2]), /the requests already have a source/)
    stream.requests.end()
    assert.deepEqual([(await stream.responses.next()).value, (await stream.responses.next()).done], [1, true])
    const other = link.peer.newStream(total)
    const gate = new Gate()
    const sunk = other.sink([3, gate.opened.then(() => 4)])
    await assert.rejects(other.send(5), /the requests already have a source/)
    assert.throws(() => other.requests.push(6), /the requests already have a source/)
    gate.open()
    await sunk
    assert.equal((await other.responses.next()).value, 3)
    assert.deepEqual([(await other.responses.next()).value, (await other.responses.next()).done], [4, true])
  })

  fact('a push or send after the end is refused, and nothing of it is sent', async (link) => {
    link.responder.handle(total, async function* (_, requests) {
      let sum = 0
      for await (const value of requests) sum += value
      yield sum
    })
    await link.known()
    const stream = link.peer.newStream(total)
    stream.requests.push(1)
    stream.requests.end()
    assert.throws(() => stream.requests.push(2), ClosedError)
    await assert.rejects(stream.send(3), ClosedError)
    assert.deepEqual(await stream.responses.next(), { done: false, value: 1 })
    assert.equal((await stream.responses.next()).done, true)
    assert.throws(() => stream.requests.push(4), ClosedError)
  })

  fact('requests that end with an error cancel the handler, and the caller gets that error', async (link) => {
    let seen: unknown
    link.responder.handle(total, async function* (_, requests) {
      try {
        for await (const value of requests) yield value
      } catch (error) {
        seen = error
        throw error
      }
    })
    await link.known()
    const stream = link.peer.newStream(total)
    stream.requests.push(1)
    assert.deepEqual(await stream.responses.next(), { done: false, value: 1 })
    const failure = new Error('the disk of the caller broke')
    stream.requests.end(failure)
    await assert.rejects(stream.responses.next(), failure)
    assert.deepEqual(await stream.closed, { how: 'failed', error: failure })
    await until(() => seen !== undefined, 'the handler is told')
    assert.ok(seen instanceof CancelledError)
  })
}
