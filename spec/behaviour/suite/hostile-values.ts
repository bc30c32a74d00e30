/** Whatever a program hands over, at either end, ends its own call at most: not the process, not the conn, not another call. */

import assert from 'node:assert/strict'
import { bytes, type Codec, type GridStream, type Metadata, msgpack, single, streaming } from '../../../lib/index.ts'
import { hostileValues, oddBytes } from '../../support/calls/hostile-values.ts'
import { Gate, Outcome } from '../../support/gate.ts'
import type { Link } from '../../support/grid/links.ts'
import { until } from '../../support/until.ts'
import type { Fact } from '../suite.ts'

/** A codec whose parts do what they are told. */
function codec(parts: Partial<Codec<unknown>>): Codec<unknown> {
  return { ...msgpack<unknown>(), readsInPlace: false, ...parts }
}

/** Each way in which a handler can give a value. What only a program without types can do is among them. */
const givers: Record<string, (value: () => unknown) => (...args: never[]) => unknown> = {
  returns: (value) => value,
  promises: (value) => async () => value(),
  throws: (value) => () => {
    throw value()
  },
  rejects: (value) => async () => {
    throw value()
  },
  'yields, in a generator,': (value) =>
    function* () {
      yield value()
    },
  'yields, in an async generator,': (value) =>
    async function* () {
      yield value()
    },
  'returns an iterable of': (value) => () => [value()],
  'returns an iterator with': (value) => () => ({ [Symbol.asyncIterator]: () => ({ next: value, return: value }) }),
  'leaves an iterator with': (value) => () => ({
    [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: 1 }), return: value })
  }),
  'returns from an iterator': (value) => () => ({ [Symbol.iterator]: value }),
  'throws, in its details,': (value) => () => {
    throw Object.assign(new Error('the text'), { details: value() })
  },
  'throws, in place of a text,': (value) => () => {
    throw Object.assign(new Error(), { message: value(), name: value(), code: value() })
  }
}

/** The same definition at both ends, each with a codec of its own. */
function definitions(id: string, mine = msgpack<unknown>()) {
  const both = { request: mine, response: mine }
  const stream = streaming<unknown, unknown, unknown>(`${id}*`, { ...both, payload: mine })
  return [single<unknown, unknown>(id, both), stream] as const
}

/** Reads all of a stream, whatever comes of it. */
async function readAll(stream: GridStream<unknown, unknown>): Promise<void> {
  try {
    for await (const _ of stream);
  } catch {
    // It is its own failure.
  }
  await stream.closed
}

/** Others go on, on the same conn. */
async function assertUnmoved({ peer, back }: Link, what: string): Promise<void> {
  assert.deepEqual([...(await peer.request('echo', Uint8Array.of(1, 2)))], [1, 2], what)
  assert.deepEqual([peer.stats().reconnects, back.stats().reconnects], [0, 0], what)
}

export function hostileFacts(fact: Fact): void {
  for (const [way, giverOf] of Object.entries(givers)) {
    fact(`a handler that ${way} anything at all fails its own call at most`, async (link) => {
      const { peer, responder } = link
      let giver: (...args: never[]) => unknown = () => undefined
      const handler = ((...args: never[]) => giver(...args)) as () => never
      const [one, many] = definitions('msgpack')
      const [oneRaw, manyRaw] = definitions('raw', bytes() as Codec<unknown>)
      responder.handle('echo', (payload) => payload)
      for (const each of [one, oneRaw]) responder.handle(each, handler)
      for (const each of [many, manyRaw]) responder.handle(each, handler)
      await link.known()
      for (const [what, value] of Object.entries(hostileValues)) {
        giver = giverOf(value)
        const calls = [peer.request(one, 1), peer.request(oneRaw, Uint8Array.of(1))].map((call) => new Outcome(call))
        const streams = [peer.newStream(many, 1), peer.newStream(manyRaw, Uint8Array.of(1))]
        for (const { done } of calls) await done
        // What goes on for ever is stopped.
        await Promise.race([Promise.all(streams.map(readAll)), assertUnmoved(link, what)])
        for (const stream of streams) stream.cancel()
        for (const stream of streams) await stream.closed
        await assertUnmoved(link, what)
      }
    })
  }

  fact('a caller that hands over anything at all fails its own call at most', async (link) => {
    const { peer, responder } = link
    const [one, many] = definitions('msgpack')
    responder.handle('echo', (payload) => payload)
    responder.handle(one, () => 1)
    responder.handle(many, (_, requests) => requests)
    await link.known()
    const opened: GridStream<unknown, unknown>[] = []
    const open = (payload: unknown = 1) => {
      const stream = peer.newStream(many, payload)
      opened.push(stream)
      return stream
    }
    const uses: ((value: unknown) => unknown)[] = [
      (value) => peer.request(one, value),
      (value) => peer.request('echo', value as Uint8Array),
      (value) => peer.request(one, 1, { metadata: value as Metadata }),
      (value) => peer.request(one, 1, { metadata: { value } as unknown as Metadata }),
      (value) => peer.request(one, 1, { signal: value as AbortSignal }),
      (value) => peer.request(one, 1, { timeout: value as number }),
      (value) => peer.request(one, 1, value as { timeout: number }),
      (value) => peer.request(one, 1, { signal: AbortSignal.abort(value) }),
      (value) => open(value).closed,
      (value) => peer.newStream(many, 1, { signal: value as AbortSignal }).cancel(),
      (value) => open().cancel(value),
      (value) => open().responses.throw?.(value),
      (value) => open().send(value),
      (value) => open().sink(value as []),
      (value) => open().sink([value]),
      (value) => open().sink({ [Symbol.asyncIterator]: () => ({ next: () => value, return: () => value }) } as never),
      (value) => open().requests.push(value),
      (value) => open().requests.throw(value as Error),
      (value) => open().requests.end(value as Error)
    ]
    for (const [what, value] of Object.entries(hostileValues)) {
      for (const use of uses) {
        const outcome = new Outcome((async () => await use(value()))())
        await assertUnmoved(link, `${what}: ${use}`)
        // A source may have no end.
        for (const stream of opened.splice(0)) stream.cancel()
        await until(() => outcome.settled, `${what}: ${use}`)
      }
    }
    await link.abandon()
  })

  fact('a codec that gives or throws anything at all fails its own calls at most', async (link) => {
    const { peer, responder } = link
    let bad: () => unknown = () => undefined
    const give = () => bad() as Uint8Array
    const raise = () => {
      throw bad()
    }
    const bads = [{ encode: give }, { encode: raise }, { decode: give }, { decode: raise }]
    responder.handle('echo', (payload) => payload)
    for (const [at, parts] of bads.entries()) {
      for (const [end, theirs] of [['here', undefined] as const, ['there', codec(parts)] as const]) {
        const [one, many] = definitions(`${end}-${at}`, theirs)
        responder.handle(one, (value) => value)
        responder.handle(many, (_, requests) => requests)
      }
    }
    await link.known()
    for (const [what, value] of Object.entries(hostileValues)) {
      bad = value
      for (const [at, parts] of bads.entries()) {
        for (const [end, mine] of [['here', codec(parts)] as const, ['there', undefined] as const]) {
          const [one, many] = definitions(`${end}-${at}`, mine)
          const call = new Outcome(peer.request(one, 1))
          const stream = peer.newStream(many, 1)
          stream.send(1)
          await call.done
          const read = new Outcome(stream.responses.next())
          await read.done
          await assertUnmoved(link, `${what}: ${at} ${end}`)
          stream.cancel()
        }
      }
    }
  })

  fact('a promise in the wrong place fails its call, and its rejection ends no process', async (link) => {
    const { peer, responder } = link
    const [one, many] = definitions(
      'async',
      codec({ encode: (async () => Promise.reject(new Error('late'))) as never })
    )
    const [fine, feed] = definitions('fine')
    const late = async () => {
      await new Promise(setImmediate)
      throw new Error('late')
    }
    responder.handle('echo', (payload) => payload)
    for (const each of [one, fine]) responder.handle(each, () => 1)
    responder.handle(many, (_, requests) => requests)
    const given: (() => unknown)[] = [
      () => [late(), late(), late()],
      () => new Set([late(), late(), late()]),
      () =>
        new Map([
          [1, late()],
          [2, late()]
        ]),
      () => [{ user: late(), rows: [late(), { row: late() }] }],
      () => Promise.reject(Object.assign(new Error('late'), { code: 'ERR_LATE', details: [{ late: late() }] }))
    ]
    responder.handle(feed, (at) => given[at as number]?.() as [])
    const pulled = new Gate()
    let answer = (_result: unknown) => {}
    const [slow, slowFeed] = definitions('slow')
    responder.handle(slow, async () => {
      await pulled.opened
      return { user: late() }
    })
    const next = () =>
      new Promise((resolve) => {
        answer = resolve
      })
    responder.handle(slowFeed, () => ({ [Symbol.asyncIterator]: () => ({ next }) as AsyncIterator<unknown> }))
    await link.known()
    const open = () => peer.newStream(many, 1)
    const leave = new AbortController()
    const left = [
      peer.request(slow, 1, { signal: leave.signal }),
      peer.newStream(slowFeed, 1, { signal: leave.signal })
    ]
    await until(() => link.back.stats().session?.runningHandlers === 2, 'both run')
    leave.abort()
    await assert.rejects(async () => await left[0], { name: 'AbortError' })
    await until(() => link.back.stats().session?.inboundStreams === 0, 'both are told')
    answer({ done: false, value: { user: late() } })
    pulled.open()
    await until(() => link.back.stats().session?.runningHandlers === 0, 'both have ended')
    const calls = [
      peer.request(one, 1),
      peer.request(fine, late()),
      peer.request('echo', late() as never),
      peer.newStream(many, late()).responses.next(),
      peer.request(fine, { user: late(), rows: [late(), { row: late() }] }),
      ...given.map((_, at) => peer.newStream(feed, at).responses.next()),
      open().send(late()),
      open().sink([late(), late()]),
      peer.newStream(definitions('fine')[1], 1).sink([late(), late(), late()])
    ]
    for (const { status } of await Promise.allSettled(calls)) assert.equal(status, 'rejected')
    await new Promise(setImmediate)
    await assertUnmoved(link, 'promises')
    await link.abandon()
  })

  fact('bytes of an odd class are sent as the bytes that they are, small and large, at both ends', async (link) => {
    const { peer, responder } = link
    const raw = { payload: bytes(), request: bytes(), response: bytes() }
    const talk = streaming<Uint8Array, Uint8Array, Uint8Array>('talk', raw)
    let odd: () => Uint8Array = () => Uint8Array.of()
    responder.handle('echo', (payload) => payload)
    responder.handle('odd', () => odd())
    responder.handle(talk, async function* (payload, requests) {
      yield payload
      yield* requests
      yield odd()
    })
    await link.known()
    const { get: lengthOf } =
      Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'length') ?? {}
    for (const [what, make] of Object.entries(oddBytes)) {
      odd = make
      const size = Reflect.apply(lengthOf as () => number, make(), [])
      assert.equal((await peer.request('echo', make())).length, size, what)
      assert.equal((await peer.request('odd')).length, size, what)
      const stream = peer.newStream(talk, make())
      await stream.send(make())
      stream.requests.end()
      for await (const { length } of stream) assert.equal(length, size, what)
      assert.deepEqual(await stream.closed, { how: 'ended' }, what)
      await assertUnmoved(link, what)
    }
  })

  fact('a listener of a context that throws, or rejects, is a failure of nobody', async (link) => {
    const { peer, responder } = link
    const heard: string[] = []
    responder.handle('echo', (payload) => payload)
    responder.handle('wait', (_, { signal }) => {
      const listeners = {
        throws: () => {
          heard.push('throws')
          throw new Error('a listener')
        },
        rejects: async () => {
          heard.push('rejects')
          throw new Error('a listener')
        },
        isRemoved: () => heard.push('removed')
      }
      signal.addEventListener('abort', listeners.throws)
      signal.addEventListener('abort', listeners.rejects, { once: true })
      signal.addEventListener('abort', { handleEvent: listeners.throws })
      signal.addEventListener('abort', listeners.isRemoved)
      signal.removeEventListener('abort', listeners.isRemoved)
      signal.onabort = listeners.throws
      signal.addEventListener('abort', () => heard.push('last'))
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
      })
    })
    await link.known()
    const controller = new AbortController()
    const call = new Outcome(peer.request('wait', undefined, { signal: controller.signal }))
    await until(() => link.back.stats().session?.runningHandlers === 1, 'the handler runs')
    controller.abort()
    await call.done
    await until(() => heard.includes('last'), 'all have heard')
    assert.deepEqual(heard, ['throws', 'rejects', 'throws', 'throws', 'last'])
    await assertUnmoved(link, 'listeners')
  })

  fact('a signal of a context that cannot tell of its abort is a failure of nobody', async (link) => {
    const { peer, responder } = link
    const given: AbortSignal[] = []
    responder.handle('echo', (payload) => payload)
    responder.handle('wait', async (_, { signal, draining }) => {
      for (const each of [signal, draining]) {
        each.dispatchEvent = () => {
          throw new Error('not now')
        }
      }
      given.push(signal, draining)
      return await new Promise<Uint8Array>(() => undefined)
    })
    await link.known()
    const controller = new AbortController()
    const calls = [
      peer.request('wait', undefined, { signal: controller.signal }),
      peer.request('wait', undefined, { timeout: 60_000 })
    ]
    const outcomes = calls.map((call) => new Outcome(call))
    await until(() => given.length === 4, 'the handlers run')
    controller.abort()
    await outcomes[0]?.done
    await until(() => given[0]?.aborted === true, 'the call is over')
    await assertUnmoved(link, 'signals')
    await responder.close({ timeout: 5 })
    await outcomes[1]?.done
    assert.ok(given.every(({ aborted }) => aborted))
  })
}
