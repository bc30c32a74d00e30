/**
 * Streams among their kind: in it-pipe as source, as sink and in the middle; with Node streams and web streams at both
 * ends. However it is plumbed, who does not read stops who writes, across the network.
 */

import assert from 'node:assert/strict'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ReadableStream as WebReadable, WritableStream } from 'node:stream/web'
import { after, before, describe, it } from 'node:test'
import batch from 'it-batch'
import map from 'it-map'
import { pipe as plainPipe } from 'it-pipe'
import { pushable } from 'it-pushable'
import { bytes, type Connection, type Manager, none, pipe, streaming } from '../../lib/index.ts'
import { Gate } from '../support/gate.ts'
import { openGrid, type TestGrid } from '../support/grid/grid.ts'
import { assertIdle } from '../support/grid/nothing-left.ts'
import { settled, until } from '../support/until.ts'

const window = 4
const feed = streaming<number, never, number>('feed', { inCapacity: 0, outCapacity: window })
const blobs = streaming<number, never, Uint8Array>('blobs', { inCapacity: 0, outCapacity: window, response: bytes() })
const sum = streaming<void, number, number>('sum', { inCapacity: window })
const square = streaming<void, number, number>('square', { inCapacity: window, outCapacity: window })
const held = streaming<void, number, number>('held', { inCapacity: window, outCapacity: window })
const readable = streaming<'node' | 'web', never, number>('readable', { inCapacity: 0, outCapacity: window })
const collect = streaming<void, number, number[]>('collect', { inCapacity: window })
const late = streaming<void, never, number>('late', { inCapacity: 0 })
const echo = streaming<void, unknown, unknown>('echo', { inCapacity: window, outCapacity: window })
const nothings = streaming<number, never, void>('nothings', { inCapacity: 0, response: none() })
const first = streaming<void, number, number>('first', { inCapacity: window })

const numbers = (count: number) => Array.from({ length: count }, (_, at) => at)

/** Numbers that count how far they were asked for, and whether they were unwound. */
function counted(limit = Number.POSITIVE_INFINITY) {
  const state = { pulls: 0, unwound: false, values: generate() }
  async function* generate(): AsyncGenerator<number> {
    try {
      while (state.pulls < limit) yield state.pulls++
    } finally {
      state.unwound = true
    }
  }
  return state
}

let grid: TestGrid
let responder: Manager
let peer: Connection
/** What the handlers of the running spec yield, and what they wait for. */
let source = counted()
let gate = new Gate()

before(async () => {
  grid = await openGrid(2, { connect: false })
  responder = grid.at(1)
  peer = grid.at(0).connection(responder.local)
  responder.handle(feed, (count) => {
    source = counted(count)
    return source.values
  })
  responder.handle(blobs, (count) => map(numbers(count), (at) => new Uint8Array(1000).fill(at)))
  responder.handle(sum, async function* (_, requests) {
    let total = 0
    for await (const value of requests) total += value
    yield total
  })
  responder.handle(square, (_, requests) => map(requests, (value) => value * value))
  responder.handle(held, async function* (_, requests) {
    await gate.opened
    yield* requests
  })
  responder.handle(readable, (kind) => {
    source = counted()
    const stream = Readable.from(source.values, { highWaterMark: 1 })
    return kind === 'node' ? stream : (Readable.toWeb(stream) as WebReadable<number>)
  })
  responder.handle(collect, async (_, requests) => {
    const got: number[] = []
    for await (const value of Readable.from(requests)) got.push(value)
    return [got]
  })
  responder.handle(echo, (_, requests) => requests)
  responder.handle(nothings, (count) => numbers(count).map(() => undefined))
  responder.handle(first, async function* (_, requests, context) {
    for await (const value of requests) yield value
    await gate.opened
    context.signal.throwIfAborted()
  })
  responder.handle(late, async function* () {
    yield* [1, 2]
    throw new Error('after two')
  })
  await grid.connected()
})

after(() => grid[Symbol.asyncDispose]())

/** After each spec both ends count nothing. */
function fact(title: string, body: () => Promise<void>): void {
  it(title, async () => {
    gate = new Gate()
    await body()
    await assertIdle(grid.managers)
  })
}

async function all<T>(values: AsyncIterable<T> | Iterable<T>): Promise<T[]> {
  const got: T[] = []
  for await (const value of values) got.push(value)
  return got
}

describe('a stream in it-pipe', () => {
  fact('is a source', async () => {
    const got = await pipe(peer.newStream(feed, 10), (values) => map(values, (value) => value + 1), all)
    assert.deepEqual(
      got,
      numbers(10).map((value) => value + 1)
    )
  })

  fact('is a sink, whose promise tells when all was taken', async () => {
    const stream = peer.newStream(sum)
    await pipe(numbers(100), stream)
    assert.deepEqual(await all(stream), [4950])
    assert.deepEqual(await stream.closed, { how: 'ended' })
  })

  fact('stands in the middle', async () => {
    const got = await pipe(numbers(100), peer.newStream(square), (values) => map(values, (value) => -value), all)
    assert.deepEqual(
      got,
      numbers(100).map((value) => -(value * value))
    )
  })

  fact('chains with it-map and it-batch on both sides of it', async () => {
    const got = await pipe(
      numbers(10),
      (values) => map(values, (value) => value + 1),
      peer.newStream(square),
      (values) => batch(values, 4),
      all
    )
    assert.deepEqual(got, [
      [1, 4, 9, 16],
      [25, 36, 49, 64],
      [81, 100]
    ])
  })

  fact('pipes one host into another stream of it', async () => {
    assert.deepEqual(await pipe(peer.newStream(feed, 5), peer.newStream(square), all), [0, 1, 4, 9, 16])
  })

  fact('stops its source behind the window while the middle of the chain is stalled', async () => {
    const own = counted(50)
    const chain = pipe(own.values, peer.newStream(held), all)
    await until(() => own.pulls >= window, 'the window is filled')
    assert.equal(await settled(() => own.pulls), window)
    gate.open()
    assert.deepEqual(await chain, numbers(50))
    assert.equal(own.unwound, true)
  })

  fact('that is left early stops the source before it and the handler behind it', async () => {
    const own = counted()
    for await (const value of pipe(own.values, peer.newStream(square), (values) => map(values, (each) => each))) {
      if (value === 9) break
    }
    await until(() => own.unwound, 'the source is unwound')
  })

  fact('stands in the middle of a pipe of it-pipe itself', async () => {
    assert.deepEqual(await plainPipe(numbers(9), peer.newStream(square), all), [0, 1, 4, 9, 16, 25, 36, 49, 64])
  })

  fact('passes values whatever they are, null and undefined too', async () => {
    const values = [null, 0, '', false, null, Number.NaN, [], null]
    assert.deepEqual(await pipe(values, peer.newStream(echo), peer.newStream(echo), all), values)
    const duplex = { source: numbers(3).map(() => undefined), sink: async () => undefined }
    assert.deepEqual(await pipe([], duplex, all), [undefined, undefined, undefined])
    assert.deepEqual(await pipe(peer.newStream(nothings, 2), peer.newStream(echo), all), [null, null])
  })

  fact('is cancelled by a break while its handler gives nothing more', async () => {
    const [own, requests] = [counted(), pushable<number>({ objectMode: true })]
    const upstream = peer.newStream(square)
    const stream = peer.newStream(first)
    requests.push(7)
    const values = pipe(requests, upstream, stream, (source) => source)
    const iterator = values[Symbol.asyncIterator]()
    assert.deepEqual(await iterator.next(), { done: false, value: 49 })
    const pending = iterator.next()
    await iterator.return?.()
    assert.deepEqual(await pending, { done: true, value: undefined })
    assert.equal((await stream.closed).how, 'cancelled')
    assert.equal((await upstream.closed).how, 'cancelled')
    assert.equal(own.pulls, 0)
  })

  fact('gives all that came before the error of its handler, and then that', async () => {
    const got: unknown[] = []
    const failing = peer.newStream(late)
    const stage = { source: failing.source, sink: async () => undefined }
    await assert.rejects(
      pipe([], stage, async (values) => {
        for await (const value of values) got.push(value)
      }),
      { message: 'after two' }
    )
    assert.deepEqual(got, [1, 2])
  })

  fact('is cancelled, and releases what is before it, when another stage fails without reading', async () => {
    const broken = new Error('no such stage')
    const throwing = () => {
      throw broken
    }
    for (const last of [throwing, async () => throwing()]) {
      const own = counted()
      const streams = [peer.newStream(square), peer.newStream(square)] as const
      await assert.rejects(async () => await pipe(own.values, ...streams, last), broken)
      for (const { closed } of streams) assert.equal((await closed).how, 'cancelled')
      await until(() => own.unwound || own.pulls === 0, 'the source is unwound')
      const first = peer.newStream(feed, 10)
      await assert.rejects(async () => await pipe(first, last), broken)
      assert.equal((await first.closed).how, 'cancelled')
    }
  })

  fact('is cancelled when a stage before it throws as it is called', async () => {
    const broken = new Error('no such stage')
    const throwing = (): number[] => {
      throw broken
    }
    const streams = [peer.newStream(square), peer.newStream(square), peer.newStream(sum)] as const
    assert.throws(() => pipe([1], streams[0], throwing, streams[1], streams[2]), broken)
    for (const { closed } of streams) assert.equal((await closed).how, 'cancelled')
  })

  fact('that is a duplex of its own kind fails the chain as soon as its sink rejects', async () => {
    let isLeft = false
    const source = {
      next: () => new Promise<IteratorResult<number>>(() => undefined),
      return: async () => {
        isLeft = true
        return { done: true as const, value: undefined }
      },
      [Symbol.asyncIterator]: () => source
    }
    const duplex = { source, sink: async () => await Promise.reject(new Error('the socket is gone')) }
    await assert.rejects(pipe([1], duplex, all), /the socket is gone/)
    assert.equal(isLeft, true)
  })

  fact('that is a duplex of its own kind is left when its sink rejects, also where nobody reads it', async () => {
    let isLeft = false
    const source = {
      next: () => new Promise<IteratorResult<number>>(() => undefined),
      return: async () => {
        isLeft = true
        return { done: true as const, value: undefined }
      },
      [Symbol.asyncIterator]: () => source
    }
    const sink = async () => await Promise.reject(new Error('the socket is gone'))
    pipe([1], { source, sink }, (values) => values)
    await until(() => isLeft, 'it is left')
  })

  fact('at the end that has a source already is refused, and goes on with that', async () => {
    const stream = peer.newStream(square)
    const values = all(stream)
    const sent = stream.sink(
      (async function* () {
        await gate.opened
        yield 3
      })()
    )
    await assert.rejects(pipe([2], stream), { code: 'ERR_CLOSED', message: 'the requests already have a source' })
    gate.open()
    await sent
    assert.deepEqual([await values, (await stream.closed).how], [[9], 'ended'])
  })

  fact('that cannot take the source fails the chain with a ClosedError, and nothing else', async () => {
    const given = { code: 'ERR_CLOSED', message: 'the requests already have a source' }
    const sent = peer.newStream(sum)
    await sent.send(1)
    const own = counted()
    await assert.rejects(pipe(own.values, sent, all), given)
    await assert.rejects(pipe([2], sent, peer.newStream(square), all), given)
    sent.requests.end()
    assert.deepEqual(await all(sent), [1])
    const sunk = peer.newStream(sum)
    void sunk.sink([5])
    await assert.rejects(pipe([2], sunk, all), given)
    assert.deepEqual(await all(sunk), [5])
    const twice = peer.newStream(square)
    const [kept, refused] = await Promise.allSettled([pipe([3], twice, all), pipe([4], twice, all)])
    assert.deepEqual(kept, { status: 'fulfilled', value: [9] })
    assert.equal(refused.status === 'rejected' && refused.reason.message, given.message)
    await assert.rejects(pipe([6], twice, all), given)
  })

  fact('that takes no requests fails the chain with a ClosedError, and is cancelled', async () => {
    const wrong = streaming<number, number, number>('feed')
    for (const definition of [feed as unknown as typeof wrong, wrong]) {
      const stream = peer.newStream(definition, 1_000_000)
      await assert.rejects(pipe([1, 2], stream, all), { code: 'ERR_CLOSED', message: /takes no requests/ })
      assert.equal((await stream.closed).how, 'cancelled')
    }
  })

  fact('is cancelled when another argument is no stage at all, which the error names', async () => {
    const call = pipe as unknown as (...stages: unknown[]) => Promise<unknown>
    for (const [at, stages] of [
      [1, [5, peer.newStream(square), all]],
      [1, [undefined]],
      [2, [[1], peer, all]],
      [3, [[1], peer.newStream(square), [2], all]],
      [3, [peer.newStream(feed, 10), (values: unknown) => values, 'x']]
    ] as const) {
      const text = new RegExp(`^argument ${at} of pipe\\(\\) must be `)
      assert.throws(() => call(...stages), { code: 'ERR_INVALID_OPTION', message: text })
    }
  })

  fact('fails the chain with the error of the handler, and with that of the source', async () => {
    await assert.rejects(pipe(peer.newStream(late), all), { name: 'RemoteError', message: 'after two' })
    const failing = (async function* () {
      yield 1
      throw new Error('the source broke')
    })()
    await assert.rejects(pipe(failing, peer.newStream(square), all), /the source broke/)
  })
})

describe('Node and web streams as the requests', () => {
  fact('Readable.from is sent whole and ended', async () => {
    const stream = peer.newStream(sum)
    await pipe(Readable.from(numbers(50)), stream)
    assert.deepEqual(await all(stream), [1225])
  })

  fact('a web ReadableStream is sent whole and ended', async () => {
    const stream = peer.newStream(sum)
    await stream.sink(Readable.toWeb(Readable.from(numbers(50))) as WebReadable<number>)
    assert.deepEqual(await all(stream), [1225])
  })

  fact('a Readable is asked for little more than the window while the handler does not read', async () => {
    const own = counted(100)
    const stream = peer.newStream(held)
    const sent = stream.sink(Readable.from(own.values, { highWaterMark: 1 }))
    await until(() => own.pulls >= window, 'the window is filled')
    const pulls = await settled(() => own.pulls)
    assert.ok(pulls <= window + 2, `${pulls} were pulled`)
    gate.open()
    assert.deepEqual(await all(stream), numbers(100))
    await sent
  })

  fact('a web ReadableStream is cancelled when the stream is', async () => {
    let cancelled = false
    const own = new WebReadable<number>({
      pull: (controller) => controller.enqueue(1),
      cancel: () => {
        cancelled = true
      }
    })
    const stream = peer.newStream(square)
    const sent = assert.rejects(stream.sink(own), /enough/)
    assert.equal((await stream.responses.next()).value, 1)
    stream.cancel(new Error('enough'))
    await sent
    await until(() => cancelled, 'the web stream is cancelled')
  })

  fact('a handler may read its requests as a Readable', async () => {
    const stream = peer.newStream(collect)
    await stream.sink(numbers(30))
    assert.deepEqual(await all(stream), [numbers(30)])
  })
})

describe('Node and web streams as the responses', () => {
  for (const kind of ['node', 'web'] as const) {
    fact(`a handler may return a ${kind} stream; it is read behind the window and destroyed by a break`, async () => {
      const stream = peer.newStream(readable, kind)
      const got: number[] = []
      for await (const value of stream) {
        got.push(value)
        if (value === 4) {
          // What waits in the buffers of Node's own streams comes on top of the window.
          const pulls = await settled(() => source.pulls)
          assert.ok(pulls <= 5 + window + 4, `${pulls} were pulled`)
          break
        }
      }
      assert.deepEqual(got, numbers(5))
      await until(() => source.unwound, 'what the handler returned is unwound')
    })
  }

  fact('pipeline writes them into a Writable, which holds the handler back', async () => {
    const got: number[] = []
    const writable = new Writable({
      objectMode: true,
      highWaterMark: 1,
      async write(value: number, _encoding, callback) {
        if (value === 3) await gate.opened
        got.push(value)
        callback()
      }
    })
    const done = pipeline(Readable.from(peer.newStream(feed, 60), { highWaterMark: 1 }), writable)
    await until(() => got.length === 3, 'the first were written')
    const pulls = await settled(() => source.pulls)
    assert.ok(pulls <= 3 + window + 4, `${pulls} were pulled`)
    gate.open()
    await done
    assert.deepEqual(got, numbers(60))
  })

  fact('pipeline takes the stream itself, and its error destroys the Writable', async () => {
    const chunks: Buffer[] = []
    const gather = new Writable({ write: (chunk: Buffer, _encoding, callback) => callback(void chunks.push(chunk)) })
    await pipeline(peer.newStream(blobs, 20), gather)
    assert.equal(Buffer.concat(chunks).length, 20_000)
    const numbersOnly = new Writable({ objectMode: true, write: (_value, _encoding, callback) => callback() })
    await assert.rejects(pipeline(peer.newStream(late), numbersOnly), { name: 'RemoteError', message: 'after two' })
    assert.equal(numbersOnly.destroyed, true)
  })

  fact('a Writable that fails cancels the handler', async () => {
    const writable = new Writable({
      objectMode: true,
      write: (value: number, _encoding, callback) => callback(value === 5 ? new Error('the disk is full') : null)
    })
    await assert.rejects(pipeline(peer.newStream(feed, Number.MAX_SAFE_INTEGER), writable), /the disk is full/)
    await until(() => source.unwound, 'the handler is unwound')
  })

  fact('a web stream of them is read behind the window, and its cancel unwinds the handler', async () => {
    const web = Readable.toWeb(Readable.from(peer.newStream(feed, Number.MAX_SAFE_INTEGER), { highWaterMark: 1 }))
    const reader = web.getReader()
    for (const expected of numbers(3)) assert.equal((await reader.read()).value, expected)
    const pulls = await settled(() => source.pulls)
    assert.ok(pulls < 3 + window + 12, `${pulls} were pulled`)
    await reader.cancel()
    await until(() => source.unwound, 'the handler is unwound')
  })

  fact('pipeTo writes them into a web WritableStream', async () => {
    const got: number[] = []
    const web = Readable.toWeb(Readable.from(peer.newStream(feed, 20)))
    await web.pipeTo(new WritableStream({ write: (value: number) => void got.push(value) }))
    assert.deepEqual(got, numbers(20))
  })
})
