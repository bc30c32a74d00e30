/**
 * Windows: pulling is granting credit, in messages and bytes, both ways; and who is slow holds up nobody else.
 */

import assert from 'node:assert/strict'
import { single, streaming } from '../../../lib/index.ts'
import { Gate, Outcome } from '../../support/gate.ts'
import { settled, until } from '../../support/until.ts'
import type { Fact } from '../suite.ts'
import { pattern } from './requests.ts'

const numbers = Array.from({ length: 100 }, (_, at) => at)
const windows = [1, 5]

/** Yields `values` and counts how many it was asked for. */
class Counted<T> implements AsyncIterable<T> {
  pulls = 0
  readonly #values: readonly T[]

  constructor(values: readonly T[]) {
    this.#values = values
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (const value of this.#values) {
      this.pulls++
      yield value
    }
  }
}

export function windowFacts(fact: Fact): void {
  for (const window of windows) {
    fact(
      `a handler is asked for ${window} responses before one is taken, and for no more than that ahead`,
      async (link) => {
        const feed = streaming<void, never, number>('feed', { inCapacity: 0, outCapacity: window })
        const source = new Counted(numbers)
        link.responder.handle(feed, () => source)
        await link.known()
        const stream = link.peer.newStream(feed)
        await until(() => source.pulls >= window, 'the window is filled')
        assert.equal(await settled(() => source.pulls), window)
        for (let taken = 1; taken <= 10; taken++) {
          assert.equal((await stream.responses.next()).value, taken - 1)
          const pulls = await settled(() => source.pulls, 40)
          if (window === 1) await until(() => source.pulls === taken + 1, 'one more is asked for')
          assert.ok(pulls <= taken + window, `${pulls} were pulled, ${taken} taken`)
        }
        stream.cancel()
      }
    )

    fact(
      `a request source is asked for ${window} requests before one is taken, and for no more than that ahead`,
      async (link) => {
        const upload = streaming<void, number, number>('upload', { inCapacity: window })
        const gates = numbers.map(() => new Gate())
        link.responder.handle(upload, async function* (_, requests) {
          for (const gate of gates) {
            await gate.opened
            const { done, value } = await requests.next()
            if (done === true) return
            yield value
          }
        })
        await link.known()
        const source = new Counted(numbers)
        const stream = link.peer.newStream(upload)
        const sent = new Outcome(stream.sink(source))
        await until(() => source.pulls >= window, 'the window is filled')
        assert.equal(await settled(() => source.pulls), window)
        for (let taken = 1; taken <= 10; taken++) {
          gates[taken - 1]?.open()
          assert.equal((await stream.responses.next()).value, taken - 1)
          const pulls = await settled(() => source.pulls, 40)
          if (window === 1) await until(() => source.pulls === taken + 1, 'one more is asked for')
          assert.ok(pulls <= taken + window, `${pulls} were pulled, ${taken} taken`)
        }
        for (const gate of gates) gate.open()
        for await (const value of stream) assert.ok(value >= 10)
        await sent.done
        assert.equal(sent.error, undefined)
      }
    )

    fact(
      `100 responses held up behind a window of ${window} hold up no request, and all arrive in order`,
      async (link) => {
        const feed = streaming<void, never, number>('feed', { inCapacity: 0, outCapacity: window })
        const source = new Counted(numbers)
        link.responder.handle(feed, () => source)
        link.responder.handle('echo', (payload) => payload)
        await link.known()
        const stream = link.peer.newStream(feed)
        await until(() => source.pulls >= window, 'the window is filled')
        for (const at of numbers) assert.deepEqual([...(await link.peer.request('echo', Uint8Array.of(at)))], [at])
        assert.equal(source.pulls, window)
        const got: number[] = []
        for await (const value of stream) got.push(value)
        assert.deepEqual(got, numbers)
      }
    )

    fact(
      `100 requests held up behind a window of ${window} hold up no other, and all arrive in order`,
      async (link) => {
        const upload = streaming<void, number, number>('upload', { inCapacity: window })
        const gate = new Gate()
        link.responder.handle(upload, async function* (_, requests) {
          await gate.opened
          yield* requests
        })
        link.responder.handle('echo', (payload) => payload)
        await link.known()
        const stream = link.peer.newStream(upload)
        const source = new Counted(numbers)
        const sent = stream.sink(source)
        await until(() => source.pulls >= window, 'the window is filled')
        for (const at of numbers) assert.deepEqual([...(await link.peer.request('echo', Uint8Array.of(at)))], [at])
        assert.equal(source.pulls, window)
        gate.open()
        const got: number[] = []
        for await (const value of stream) got.push(value)
        assert.deepEqual(got, numbers)
        await sent
      }
    )
  }

  byteFacts(fact)
  fragmentFacts(fact)
  bulkFacts(fact)
}

function byteFacts(fact: Fact): void {
  const limits = { streamWindowBytes: 4096 }
  const large = Array.from({ length: 12 }, (_, at) => new Uint8Array(10_000).fill(at))
  const both = streaming<void, Uint8Array, Uint8Array>('both')

  fact(
    'messages larger than the byte window pass, one at a time, in both directions',
    async (link) => {
      link.responder.handle(both, (_, requests) => requests)
      await link.known()
      const stream = link.peer.newStream(both)
      const sent = stream.sink(large)
      const got: Uint8Array[] = []
      for await (const value of stream) got.push(value)
      await sent
      assert.deepEqual(got, large)
    },
    { limits }
  )

  fact(
    'a window of many messages is bounded by its bytes: one frame may overdraw it, no second follows',
    async (link) => {
      const source = new Counted(large)
      const feed = streaming<void, never, Uint8Array>('feed', { inCapacity: 0, outCapacity: 64 })
      const upload = streaming<void, Uint8Array, never>('upload', { inCapacity: 64 })
      const gate = new Gate()
      link.responder.handle(feed, () => source)
      link.responder.handle(upload, async (_, requests) => {
        await gate.opened
        for await (const value of requests) assert.equal(value.length, 10_000)
      })
      await link.known()
      const down = link.peer.newStream(feed)
      await until(() => source.pulls >= 1, 'the first is sent')
      assert.equal(await settled(() => source.pulls), 1)
      const uploaded = new Counted(large)
      const up = link.peer.newStream(upload)
      const sent = up.sink(uploaded)
      await until(() => uploaded.pulls >= 1, 'the first is sent')
      assert.equal(await settled(() => uploaded.pulls), 1)
      gate.open()
      await sent
      assert.equal((await up.responses.next()).done, true)
      let count = 0
      for await (const value of down) assert.equal(value[0], count++)
      assert.equal(count, large.length)
    },
    { limits }
  )
}

function fragmentFacts(fact: Fact): void {
  const windowBytes = 64 * 1024
  const limits = { streamWindowBytes: windowBytes }
  const sizes = [0, 1, windowBytes, windowBytes + 1, 16 * windowBytes, 0, 2 * windowBytes, 300_000, 16 * windowBytes]

  for (const capacity of [1, 65_535]) {
    fact(
      `messages of no bytes and of many windows pass, ${capacity} ahead, both ways at once, and requests between them`,
      async (link) => {
        const both = streaming<void, Uint8Array, Uint8Array>('both', { inCapacity: capacity, outCapacity: capacity })
        link.responder.handle(both, (_, requests) => requests)
        link.responder.handle('echo', (payload) => payload)
        await link.known()
        const stream = link.peer.newStream(both)
        const sent = stream.sink(sizes.map((size) => pattern(size)))
        const got: number[] = []
        for await (const value of stream) {
          assert.equal(Buffer.compare(value, pattern(value.length)), 0)
          got.push(value.length)
          await link.peer.request('echo', Uint8Array.of(1))
        }
        await sent
        assert.deepEqual(got, sizes)
      },
      { limits }
    )
  }

  fact(
    'a large message that waits for credit holds up no request, and passes as soon as the one before it is taken',
    async (link) => {
      const feed = streaming<void, never, Uint8Array>('feed', { inCapacity: 0, outCapacity: 4 })
      const source = new Counted([pattern(1000), pattern(16 * windowBytes), pattern(2000)])
      link.responder.handle(feed, () => source)
      link.responder.handle('echo', (payload) => payload)
      await link.known()
      const stream = link.peer.newStream(feed)
      await until(() => source.pulls === 2, 'the large one has begun')
      await link.peer.request('echo', Uint8Array.of(1))
      assert.equal(await settled(() => source.pulls), 2)
      for (const size of [1000, 16 * windowBytes, 2000]) {
        assert.equal((await stream.responses.next()).value?.length, size)
      }
      assert.equal((await stream.responses.next()).done, true)
    },
    { limits }
  )
}

function bulkFacts(fact: Fact): void {
  const bulkBytes = 8 * 1024 * 1024

  fact('a request that is made while 8 MiB come in is answered before they are here', async (link) => {
    const bulk = pattern(bulkBytes)
    link.responder.handle('bulk', () => bulk)
    link.responder.handle('echo', (payload) => payload)
    await link.known()
    const whole = new Outcome(link.peer.request('bulk'))
    await link.peer.request('echo', Uint8Array.of(1))
    assert.equal(whole.settled, false)
    await whole.done
    assert.equal(Buffer.compare(whole.value as Uint8Array, bulk), 0)
  })

  fact('a request that is made while 8 MiB go out is answered before they are there', async (link) => {
    const size = single<Uint8Array, number>('size')
    link.responder.handle(size, (payload) => payload.length)
    link.responder.handle('echo', (payload) => payload)
    await link.known()
    const whole = new Outcome(link.peer.request(size, pattern(bulkBytes)))
    await link.peer.request('echo', Uint8Array.of(1))
    assert.equal(whole.settled, false)
    await whole.done
    assert.equal(whole.value, bulkBytes)
  })

  fact('a stream that nobody reads holds up neither requests nor other streams of large messages', async (link) => {
    const feed = streaming<void, never, Uint8Array>('feed', { inCapacity: 0, outCapacity: 4 })
    link.responder.handle(feed, () => Array.from({ length: 20 }, () => pattern(200_000)))
    link.responder.handle('echo', (payload) => payload)
    await link.known()
    const stalled = link.peer.newStream(feed)
    assert.equal((await stalled.responses.next()).value?.length, 200_000)
    let count = 0
    for await (const value of link.peer.newStream(feed)) {
      assert.equal(value.length, 200_000)
      await link.peer.request('echo', Uint8Array.of(1))
      count++
    }
    assert.equal(count, 20)
    stalled.cancel()
  })
}
