/**
 * What every conn must do, whatever carries it: the contract of `lib/conn/conn.ts`, run per implementation.
 */

import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { Conn } from '../../lib/conn/conn.ts'
import { settled, until } from '../support/until.ts'

export interface ConnPair {
  a: Conn
  b: Conn
  dispose(): Promise<void>
}

const sizes = [1, 2, 125, 126, 127, 1000, 4096, 65_535, 65_536, 100 * 1024]

/** A message that shows its place and size in each byte. */
export function message(size: number, seed: number): Uint8Array {
  return new Uint8Array(size).map((_, at) => (at * 31 + seed * 7 + size) & 0xff)
}

export async function* each(messages: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* messages
}

/** A source that has nothing to send and notes that it was given back. */
export function silent(): AsyncIterable<Uint8Array> & { returned: boolean } {
  const source = {
    returned: false,
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise<IteratorResult<Uint8Array>>(() => {}),
      return: async (): Promise<IteratorResult<Uint8Array>> => {
        source.returned = true
        return { done: true, value: undefined }
      }
    })
  }
  return source
}

/** A source that never ends and notes how often it was pulled and whether it was given back. */
export function endless(size: number): AsyncIterable<Uint8Array> & { pulls: number; returned: boolean } {
  const value = message(size, 0)
  const source = {
    pulls: 0,
    returned: false,
    [Symbol.asyncIterator]: () => ({
      next: async (): Promise<IteratorResult<Uint8Array>> => {
        source.pulls += 1
        return { done: false, value }
      },
      return: async (): Promise<IteratorResult<Uint8Array>> => {
        source.returned = true
        return { done: true, value: undefined }
      }
    })
  }
  return source
}

/**
 * All messages until the end, copied, for each is valid until the next only.
 *
 * @param messages where each is put as it arrives
 */
export async function collect(conn: Conn, messages: Uint8Array[] = []): Promise<Uint8Array[]> {
  for await (const bytes of conn.source) messages.push(new Uint8Array(bytes))
  return messages
}

/** Of Node; undefined where there is none below. */
function socketOf({ transport }: Conn): Socket | undefined {
  const { _socket: socket = transport } = Object(transport) as { readonly _socket?: unknown }
  return socket instanceof Socket ? socket : undefined
}

/** @param releases whether the memory of what it sent may be used again */
export function connSuite(name: string, makePair: () => Promise<ConnPair>, releases = true): void {
  describe(`a conn over ${name}`, { concurrency: 1 }, () => {
    let pair: ConnPair
    let a: Conn
    let b: Conn

    beforeEach(async () => {
      pair = await makePair()
      a = pair.a
      b = pair.b
    })

    afterEach(() => pair.dispose())

    deliverySpecs(() => pair)

    it('writes a small message and its head in one piece, and any other as it is', async (test) => {
      const small = [1, 125, 126, 1000, 4000].map((size) => message(size, 1))
      const others = [4087, 4088, 4089, 4090, 4091, 4092, 4096, 70_000].map((size) => message(size, 2))
      const all = [...small, ...others]
      const byA: Uint8Array[] = []
      const byB: Uint8Array[] = []
      const reading = [collect(a, byA), collect(b, byB)]
      for (const [conn, arrived] of [
        [a, byB],
        [b, byA]
      ] as const) {
        const socket = socketOf(conn)
        const inPieces = socket === undefined ? undefined : test.mock.method(socket, '_writev' as 'write').mock
        let countOfSmall = 0
        async function* sent() {
          // Node itself joins what waits for a write to end.
          for (const [at, bytes] of small.entries()) {
            yield bytes
            await until(() => arrived.length > at, 'it has arrived')
          }
          countOfSmall = inPieces?.callCount() ?? 0
          yield* others
        }
        await conn.sink(sent())
        assert.equal(countOfSmall, 0)
        await until(() => arrived.length === all.length, 'all has arrived')
        assert.deepEqual(arrived, all)
      }
      a.close()
      await Promise.all(reading)
    })

    it('stops pulling while the remote end does not read, and loses nothing', async () => {
      const total = 1000
      const large = message(64 * 1024, 1)
      let pulls = 0
      async function* counted(): AsyncGenerator<Uint8Array> {
        for (; pulls < total; pulls += 1) yield large
      }
      const sent = a.sink(counted())
      const stalledAt = await settled(() => pulls)
      assert.ok(stalledAt < 500, `${stalledAt} messages were pulled`)
      let arrived = 0
      for await (const bytes of b.source) {
        assert.equal(bytes.length, 64 * 1024)
        arrived += 1
        if (arrived === total) break
      }
      await sent.catch((error: unknown) => assert.match(String(error), /lost|closed/))
    })

    it(releases ? 'does not read what it has released, which is all in the end' : 'releases nothing', async () => {
      // More than the buffers of the network hold.
      const total = 120
      const sizeOf = (seed: number) => (seed % 2 === 0 ? 140 * 1024 : (sizes[seed % sizes.length] as number))
      const pulled: Uint8Array[] = []
      let released = 0
      const spoil = () => {
        for (; released < (a.releasedMessages ?? 0); released++) pulled[released]?.fill(0xee)
      }
      async function* spoiling(): AsyncGenerator<Uint8Array> {
        for (let seed = 0; seed < total; seed++) {
          const bytes = message(sizeOf(seed), seed)
          pulled.push(bytes)
          yield bytes
          spoil()
        }
      }
      const sent = a.sink(spoiling())
      await settled(() => pulled.length)
      spoil()
      for (let seed = 0; seed < total; seed++) {
        const { value } = await b.source[Symbol.asyncIterator]().next()
        spoil()
        assert.equal(Buffer.compare(value, message(sizeOf(seed), seed)), 0, `message ${seed}`)
      }
      await sent
      await until(() => (a.releasedMessages ?? 0) === (releases ? total : 0), 'all is released')
    })

    closeSpecs(() => pair)

    it('throws on both ends when one aborts', async () => {
      const [sentByA, sentByB] = [silent(), silent()]
      const sinks = [a.sink(sentByA), b.sink(sentByB)]
      const sources = [collect(a), collect(b)]
      a.abort(new Error('enough'))
      await assert.rejects(sinks[0] as Promise<void>, /enough/)
      await assert.rejects(sources[0] as Promise<unknown>, /enough/)
      await assert.rejects(sources[1] as Promise<unknown>, /connection lost/)
      await assert.rejects(sinks[1] as Promise<void>, /connection lost/)
      assert.deepEqual([sentByA.returned, sentByB.returned], [true, true])
    })

    it('rejects the sink that waits for the network when the remote end dies, and gives its source back', async () => {
      const source = endless(64 * 1024)
      const sent = a.sink(source)
      const rejected = assert.rejects(sent, /connection lost|closed/)
      await settled(() => source.pulls)
      b.abort(new Error('gone'))
      await rejected
      assert.equal(source.returned, true)
    })

    it('is aborted by a reader that stops before the end', async () => {
      const sent = b.sink(each([message(10, 1), message(10, 2)]))
      for await (const bytes of a.source) {
        assert.deepEqual(new Uint8Array(bytes), message(10, 1))
        break
      }
      await assert.rejects(collect(b), /connection lost/)
      await sent.catch((error: unknown) => assert.match(String(error), /connection lost/))
    })

    it('is aborted by a source that throws, so that the remote end sees no quiet gap', async () => {
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield message(10, 1)
        throw new Error('no more to send')
      }
      const arrived = collect(b)
      await assert.rejects(Promise.all([a.sink(failing()), arrived]), /no more to send/)
      await assert.rejects(arrived, /connection lost/)
      await assert.rejects(collect(a), /no more to send/)
    })

    it('can be closed and aborted any number of times', async () => {
      a.close('once')
      a.close('twice')
      a.abort(new Error('first'))
      a.abort(new Error('second'))
      a.close()
      await assert.rejects(collect(a), /first/)
      await assert.rejects(a.sink(silent()), /first/)
      await assert.rejects(collect(b), /connection lost/)
    })

    it('refuses a second sink', async () => {
      const first = a.sink(silent())
      await assert.rejects(a.sink(silent()), { code: 'ERR_CLOSED' })
      a.abort(new Error('done'))
      await assert.rejects(first, /done/)
    })
  })
}

function deliverySpecs(pair: () => ConnPair): void {
  it('delivers messages of all sizes whole and in order, both ways at once', async () => {
    const { a, b } = pair()
    const messages = sizes.map(message)
    const arrived: Uint8Array[][] = [[], []]
    const collected = [a, b].map((conn, at) => collect(conn, arrived[at]))
    await Promise.all([a.sink(each(messages)), b.sink(each(messages))])
    await until(() => arrived.every(({ length }) => length === messages.length), 'all of them')
    a.close()
    b.close()
    assert.deepEqual(await Promise.all(collected), [messages, messages])
  })

  it('delivers thousands of small messages in order', async () => {
    const { a, b } = pair()
    const messages = Array.from({ length: 5000 }, (_, at) => message(1 + (at % 40), at))
    const arrived: Uint8Array[] = []
    const collected = collect(b, arrived)
    await a.sink(each(messages))
    await until(() => arrived.length === messages.length, 'all of them')
    a.close()
    assert.deepEqual(await collected, messages)
  })

  it('keeps what arrived for a reader that comes later', async () => {
    const { a, b } = pair()
    const messages = [message(10, 1), message(2000, 2)]
    await a.sink(each(messages))
    a.close()
    assert.deepEqual(await collect(b), messages)
  })
}

function closeSpecs(pair: () => ConnPair): void {
  it('delivers everything that was pulled before it closes, then ends on both ends', async () => {
    const { a, b } = pair()
    const messages = Array.from({ length: 40 }, (_, at) => message(10_000, at))
    const sent = a.sink(each(messages))
    const arrived = collect(b)
    await sent
    a.close('done')
    assert.deepEqual(await arrived, messages)
    assert.deepEqual(await collect(a), [])
  })

  it('sends a message that its source handed over in the turn of the close, and pulls no more', async () => {
    const { a, b } = pair()
    const last = message(10, 1)
    let hand: ((result: IteratorResult<Uint8Array>) => void) | undefined
    let pulls = 0
    const source = {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          pulls += 1
          return new Promise<IteratorResult<Uint8Array>>((resolve) => {
            hand = resolve
          })
        }
      })
    }
    const sent = a.sink(source)
    hand?.({ done: false, value: last })
    a.close()
    assert.deepEqual(await collect(b), [last])
    await sent
    assert.equal(pulls, 1)
  })

  it('gives the source back when it is closed, and resolves the sink', async () => {
    const { a, b } = pair()
    const source = silent()
    const sent = a.sink(source)
    const ended = [collect(a), collect(b)]
    a.close()
    await Promise.all([sent, ...ended])
    assert.equal(source.returned, true)
  })

  it('rejects the sink of the remote end when it is closed', async () => {
    const { a, b } = pair()
    const source = silent()
    const sent = b.sink(source)
    const rejected = assert.rejects(sent, /the remote end closed the conn/)
    a.close()
    assert.deepEqual(await collect(b), [])
    await rejected
    assert.equal(source.returned, true)
  })

  it('still delivers what it sent when its own reader stops after the close', async () => {
    const { a, b } = pair()
    const messages = [message(50_000, 1), message(50_000, 2)]
    await a.sink(each(messages))
    a.close()
    await (a.source[Symbol.asyncIterator]().return?.() ?? Promise.reject(new Error('no return')))
    assert.deepEqual(await collect(b), messages)
  })

  it('ends within the grace when the remote end does not read', async () => {
    const { a, b } = pair()
    const source = endless(64 * 1024)
    const sent = a.sink(source)
    await settled(() => source.pulls)
    a.close()
    let ended = false
    const end = Promise.all([sent, collect(a)]).then(() => {
      ended = true
    })
    // Polled, for the timer of the grace does not hold the process, and in memory nothing else does.
    await until(() => ended && source.returned, 'the conn is cut off')
    await end
    b.abort(new Error('done'))
  })
}
