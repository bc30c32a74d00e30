/** Many messages at once, taken and given: the same messages, against the same credit, as one by one. */

import assert from 'node:assert/strict'
import { json, many, single, streaming } from '../../../lib/index.ts'
import { Gate, Outcome } from '../../support/gate.ts'
import { settled, until } from '../../support/until.ts'
import type { Fact } from '../suite.ts'

const window = 5
const numbers = Array.from({ length: 100 }, (_, at) => at)
const feed = streaming<void, never, number>('feed', { inCapacity: 0, outCapacity: window })
const both = streaming<void, number, number>('both', { inCapacity: window, outCapacity: window })

/** Counts how many of it were pulled, and sees its end. */
class Counted {
  pulls = 0
  unwound = 0

  values(): Generator<number> {
    return this.#each()
  }

  *#each(): Generator<number> {
    try {
      for (const value of numbers) {
        this.pulls++
        yield value
      }
    } finally {
      this.unwound++
    }
  }
}

export function batchFacts(fact: Fact): void {
  fact('all messages arrive in batches, each with one at least and with the window at most', async (link) => {
    link.responder.handle(both, async function* (_, requests) {
      for await (const values of requests.batches()) {
        assert.ok(values.length >= 1 && values.length <= window, `${values.length} requests in a batch`)
        yield many(values)
      }
    })
    await link.known()
    const stream = link.peer.newStream(both)
    const sent = stream.sink([many(numbers)])
    const got: number[] = []
    for await (const values of stream.batches()) {
      assert.ok(values.length >= 1 && values.length <= window, `${values.length} responses in a batch`)
      got.push(...values)
    }
    await sent
    assert.deepEqual([got, (await stream.closed).how], [numbers, 'ended'])
  })

  fact('what waits is one batch, and the handler is asked for no more until that is taken', async (link) => {
    const source = new Counted()
    link.responder.handle(feed, () => [many(source.values())])
    await link.known()
    const stream = link.peer.newStream(feed)
    const batches = stream.batches()
    await until(() => source.pulls === window, 'the window is filled')
    assert.equal(await settled(() => source.pulls), window)
    assert.deepEqual((await batches.next()).value, numbers.slice(0, window))
    await until(() => source.pulls === 2 * window, 'as many more are asked for')
    assert.equal(await settled(() => source.pulls), 2 * window)
    stream.cancel()
    await until(() => source.unwound === 1, 'what was left is unwound')
  })

  fact('a consumer that leaves the batches cancels the handler, also amid a many', async (link) => {
    const source = new Counted()
    let unwound = 0
    link.responder.handle(feed, async function* () {
      try {
        yield many(source.values())
      } finally {
        unwound++
      }
    })
    await link.known()
    const stream = link.peer.newStream(feed)
    for await (const values of stream.batches()) {
      assert.equal(values[0], 0)
      break
    }
    assert.equal((await stream.closed).how, 'cancelled')
    await until(() => unwound === 1, 'the handler is unwound')
    assert.equal(source.unwound, 1)
  })

  fact(
    'a handler that leaves the batches of its requests takes no more, and what was sent of a many is told',
    async (link) => {
      link.responder.handle(both, async function* (_, requests) {
        for await (const values of requests.batches()) {
          yield values.length
          break
        }
      })
      await link.known()
      const stream = link.peer.newStream(both)
      const source = new Counted()
      const sent = stream.send(many(source.values()))
      const got: number[] = []
      for await (const value of stream) got.push(value)
      assert.equal(got.length, 1)
      await assert.rejects(sent, { code: 'ERR_CLOSED' })
      assert.equal(source.unwound, 1)
    }
  )

  fact('one request of many is accepted when the last of them is, and others follow', async (link) => {
    link.responder.handle(both, (_, requests) => requests)
    await link.known()
    const stream = link.peer.newStream(both)
    const first = new Outcome(stream.send(many(numbers)))
    const got: number[] = []
    const second = stream.send(100).then(() => stream.requests.end())
    assert.equal(await settled(() => Number(first.settled)), 0)
    for await (const value of stream) {
      got.push(value)
      if (got.length === 50) assert.equal(first.settled, false)
    }
    await Promise.all([first.done, second])
    assert.deepEqual(got, [...numbers, 100])
  })

  fact('a many of as many as the window has is sent while the handler reads none of them', async (link) => {
    const read = new Gate()
    link.responder.handle(both, async function* (_, requests) {
      await read.opened
      yield* requests
    })
    await link.known()
    const stream = link.peer.newStream(both)
    await stream.send(many(numbers.slice(0, window)))
    read.open()
    stream.requests.end()
    assert.deepEqual((await stream.responses.next()).value, 0)
    stream.cancel()
  })

  fact('a many is refused where a value is meant: in a payload, an answer, or within a value', async (link) => {
    const misplaced = many(numbers)
    const refused = { code: /^ERR_(CODEC|REMOTE)$/, message: /is a many\(\), which is several messages of a stream/ }
    const asJson = single('json', { request: json<unknown>(), response: json<unknown>() })
    for (const echo of [single<unknown, unknown>('msgpack'), asJson]) {
      link.responder.handle(echo, (value) => (value === 'give' ? misplaced : value))
      await link.known()
      for (const value of [misplaced, { rows: [misplaced] }, 'give']) {
        await assert.rejects(link.peer.request(echo, value), refused)
      }
    }
  })

  fact('the error of a handler is thrown behind the batch that came before it', async (link) => {
    link.responder.handle(feed, async function* () {
      yield many([1, 2, 3])
      throw Object.assign(new Error('no more'), { code: 'E_FEED' })
    })
    await link.known()
    const got: number[] = []
    const read = async () => {
      for await (const values of link.peer.newStream(feed).batches()) got.push(...values)
    }
    await assert.rejects(read(), { code: 'E_FEED', delivery: 'ran' })
    assert.deepEqual(got, [1, 2, 3])
  })

  fact(
    'a value that cannot be encoded fails behind those before it, and what is left of the many is unwound',
    async (link) => {
      let unwound = 0
      function* values(): Generator<unknown> {
        try {
          yield 1
          yield () => undefined
        } finally {
          unwound++
        }
      }
      const any = streaming<void, never, unknown>('any', { inCapacity: 0, outCapacity: window })
      link.responder.handle(any, () => [many(values())])
      await link.known()
      const stream = link.peer.newStream(any)
      assert.equal((await stream.responses.next()).value, 1)
      await assert.rejects(stream.responses.next(), { code: 'ERR_CODEC' })
      await until(() => unwound === 1, 'it is unwound')
    }
  )
}
