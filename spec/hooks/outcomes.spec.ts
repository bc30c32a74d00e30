/** What the channel of handlers says of a call that failed, and how a subscriber runs the code of a call. */

import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { bytes, type CallerInterceptor, type CallMessage, channels, none, single, streaming } from '../../lib/index.ts'
import { Gate } from '../support/gate.ts'
import { openGrid } from '../support/grid/grid.ts'
import { rejection } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const feed = streaming<void, never, number>('feed', { inCapacity: 0 })

async function readAll(messages: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const message of messages) all.push(message)
  return all
}

/** Listens to one event of a channel for as long as it is in scope. */
function listen(name: 'start' | 'asyncEnd', listener: (message: CallMessage) => void, channel = channels.handle) {
  const heard = (message: unknown) => listener(message as CallMessage)
  channel[name].subscribe(heard)
  return { [Symbol.dispose]: () => void channel[name].unsubscribe(heard) }
}

describe('a call that fails at its handler', () => {
  it('is published with the error and its code, a request and a stream', async () => {
    const failure = Object.assign(new Error('no such thing'), { code: 'NO_ENTRY' })
    await using grid = await openGrid(2, {
      serve(manager) {
        manager.handle('fail', async () => {
          throw failure
        })
        manager.handle(feed, async function* () {
          yield 1
          throw failure
        })
      }
    })
    const ended: CallMessage[] = []
    using _ = listen('asyncEnd', (message) => ended.push(message))
    const peer = grid.at(0).connection(grid.at(1).local)
    await rejection(peer.request('fail'))
    const { responses } = peer.newStream(feed)
    await responses.next()
    await rejection(responses.next())
    await until(() => ended.length === 2, 'both have ended')
    assert.deepEqual(
      ended.map(({ handler, outcome, error }) => [handler, outcome?.code, error]),
      [
        ['fail', 'NO_ENTRY', failure],
        ['feed', 'NO_ENTRY', failure]
      ]
    )
  })
})

describe('a stream', () => {
  it('is published with the messages and bytes that went either way, at both ends', async () => {
    const echo = streaming<void, Uint8Array, Uint8Array>('echo', {
      payload: none(),
      request: bytes(),
      response: bytes()
    })
    await using grid = await openGrid(2, { serve: (manager) => manager.handle(echo, (_none, requests) => requests) })
    const ended: CallMessage[] = []
    using _handle = listen('asyncEnd', (message) => ended.push(message))
    using _call = listen('asyncEnd', (message) => ended.push(message), channels.call)
    const stream = grid.at(0).connection(grid.at(1).local).newStream(echo)
    await stream.sink([new Uint8Array(10), new Uint8Array(20)])
    for await (const _ of stream);
    await until(() => ended.length === 2, 'both have ended')
    for (const { outcome } of ended) {
      assert.deepEqual([outcome?.messagesIn, outcome?.messagesOut], [2, 2])
      assert.deepEqual([outcome?.bytesIn, outcome?.bytesOut], [30, 30])
    }
  })
})

describe('a call that fails with an error of its handler', () => {
  for (const kind of ['single', 'streaming'] as const) {
    it(`is published and counted with the bytes of messages, of which the error is none, at both ends, ${kind}`, async () => {
      const fail = (): never => {
        throw Object.assign(new Error('an error with a text of its own'), { code: 'OWN' })
      }
      const one = single<Uint8Array, Uint8Array>('one', { request: bytes(), response: bytes() })
      const many = streaming<Uint8Array, never, Uint8Array>('many', {
        ...{ payload: bytes(), inCapacity: 0, response: bytes() }
      })
      await using grid = await openGrid(2, {
        serve: (manager) => {
          manager.handle(one, fail)
          manager.handle(many, fail)
        }
      })
      const ended: CallMessage[] = []
      using _handle = listen('asyncEnd', (message) => ended.push(message))
      using _call = listen('asyncEnd', (message) => ended.push(message), channels.call)
      const connection = grid.at(0).connection(grid.at(1).local)
      const payload = new Uint8Array(20)
      const call = kind === 'single' ? connection.request(one, payload) : readAll(connection.newStream(many, payload))
      await assert.rejects(call, { code: 'OWN' })
      await until(() => ended.length === 2, 'both have ended')
      for (const { side, outcome } of ended) {
        const [asked, answered] = side === 'caller' ? ['bytesOut', 'bytesIn'] : ['bytesIn', 'bytesOut']
        assert.deepEqual([outcome?.[asked as 'bytesIn'], outcome?.[answered as 'bytesIn']], [20, 0], side)
      }
      const [called, served] = [
        grid.at(0).stats().called[0],
        grid
          .at(1)
          .stats()
          .served.find(({ calls }) => calls > 0)
      ]
      assert.deepEqual([called?.bytesOut, called?.bytesIn, served?.bytesIn, served?.bytesOut], [20, 0, 20, 0])
    })
  }
})

describe('a stream that is over before it is read', () => {
  for (const way of ['without interceptors', 'behind one that reads its messages']) {
    it(`is published with all that has arrived and was sent, as the stats have it, ${way}`, async () => {
      const three = streaming<void, never, Uint8Array>('three', { inCapacity: 0, outCapacity: 8, response: bytes() })
      const reading: CallerInterceptor = {
        async *streaming(_, next) {
          for await (const message of next()) yield message
        }
      }
      await using grid = await openGrid(2, {
        serve: (manager) => manager.handle(three, () => [1, 2, 3].map((n) => new Uint8Array(n * 100))),
        interceptors: { caller: way.startsWith('behind') ? [reading] : [] }
      })
      const ended: CallMessage[] = []
      using _handle = listen('asyncEnd', (message) => ended.push(message))
      using _call = listen('asyncEnd', (message) => ended.push(message), channels.call)
      const stream = grid.at(0).connection(grid.at(1).local).newStream(three)
      assert.equal((await stream.responses.next()).value?.length, 100)
      await until(() => ended.length === 2, 'both have ended')
      let read = 1
      for await (const _ of stream) read++
      assert.equal(read, 3)
      const at = (side: string) => ended.find((message) => message.side === side)?.outcome
      const [called, served] = [at('caller'), at('handler')]
      assert.deepEqual([called?.code, called?.messagesIn, called?.bytesIn], ['OK', 3, 600])
      assert.deepEqual([served?.code, served?.messagesOut, served?.bytesOut], ['OK', 3, 600])
      const [figures] = grid.at(0).stats().called
      assert.equal(figures?.bytesIn, 600)
    })
  }
})

describe('a stream that an interceptor of its caller goes on without', () => {
  const mistake = new Error('a mistake of the interceptor')
  const ways = {
    left: async (messages: AsyncIterable<unknown>) => {
      for await (const _ of messages) break
    },
    'told that it failed': (messages: AsyncIterable<unknown>) => rejection(readAll(messages))
  }
  const ends: Record<string, readonly [how: string, code: string, read: (stream: AsyncIterable<unknown>) => unknown]> =
    {
      'to its end, has ended well': ['ended', 'OK', async (stream) => assert.deepEqual(await readAll(stream), [7, 8])],
      'until its consumer stops, is cancelled': [
        'cancelled',
        'ERR_CANCELLED',
        async (stream) => {
          for await (const _ of stream) break
        }
      ],
      'until it throws, has failed': ['failed', '_OTHER', (stream) => assert.rejects(readAll(stream), mistake)]
    }
  for (const [way, begin] of Object.entries(ways)) {
    for (const [title, [how, code, read]] of Object.entries(ends)) {
      it(`because it ${way === 'left' ? 'left it' : `was ${way}`}, ${title}`, async () => {
        const goingOn: CallerInterceptor = {
          async *streaming(_, next) {
            await begin(next())
            yield 7
            yield 8
            if (how === 'failed') throw mistake
          }
        }
        const asked = new Gate()
        await using grid = await openGrid(2, {
          interceptors: { caller: [goingOn] },
          serve: (manager) =>
            manager.handle(feed, async function* (_none, _requests, { signal }) {
              await asked.opened
              if (way !== 'left') throw new Error('no more')
              yield 1
              await once(signal, 'abort')
            })
        })
        const ended: CallMessage[] = []
        using _call = listen('asyncEnd', (message) => ended.push(message), channels.call)
        const stream = grid.at(0).connection(grid.at(1).local).newStream(feed)
        const reading = read(stream)
        asked.open()
        await reading
        assert.equal((await stream.closed).how, how)
        await until(() => ended.length === 1, 'it is published')
        assert.equal(ended[0]?.outcome?.code, code)
      })
    }
  }
})

describe('the first response', () => {
  it('of a stream has its time, given by the handler and read by the caller; a request has none, nor has a stream without one', async () => {
    const silent = streaming<void, never, number>('silent', { inCapacity: 0 })
    const gate = new Gate()
    await using grid = await openGrid(2, {
      serve(manager) {
        manager.handle('echo', (payload) => payload)
        manager.handle(silent, async function* () {})
        manager.handle(feed, async function* () {
          yield 1
          await gate.opened
          yield 2
        })
      }
    })
    const ended: CallMessage[] = []
    using _ = listen('asyncEnd', (message) => ended.push(message))
    using _called = listen('asyncEnd', (message) => ended.push(message), channels.call)
    const peer = grid.at(0).connection(grid.at(1).local)
    await peer.request('echo')
    for await (const _none of peer.newStream(silent));
    const startMs = performance.now()
    const { responses, closed } = peer.newStream(feed)
    await until(() => performance.now() - startMs > 60, 'the caller waits')
    await responses.next()
    const readMs = performance.now() - startMs
    await until(() => performance.now() - startMs > readMs + 60, 'the handler waits')
    gate.open()
    for await (const _rest of responses);
    await closed
    await until(() => ended.length === 6, 'all have ended')
    assert.ok(ended.every(({ handler, outcome = {} }) => handler === 'feed' || !('firstResponseMs' in outcome)))
    const times = (side: string) => ended.find((each) => each.side === side && each.handler === 'feed')?.outcome
    const [handled, called] = [times('handler'), times('caller')]
    assert.ok((called?.firstResponseMs ?? 0) >= 60 && (called?.firstResponseMs ?? 1e9) <= readMs + 5)
    assert.ok((handled?.firstResponseMs ?? 1e9) <= (called?.firstResponseMs ?? 0))
    assert.ok((handled?.firstResponseMs ?? 1e9) <= (handled?.durationMs ?? 0) - 60)
  })
})

describe('`run` of a published call', () => {
  it('runs the handler, and each pull of the generator that it returns, the one that was set before inside', async () => {
    const storage = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    await using grid = await openGrid(2, {
      serve(manager) {
        manager.handle('see', async (payload) => {
          seen.push(storage.getStore())
          await new Promise(setImmediate)
          seen.push(storage.getStore())
          return payload
        })
        manager.handle(feed, async function* () {
          seen.push(storage.getStore())
          yield 1
          seen.push(storage.getStore())
        })
      }
    })
    const within = (name: string) => (message: CallMessage) => {
      const { run } = message
      message.run = (fn) =>
        storage.run(`${storage.getStore() ?? ''}${name}`, () => (run === undefined ? fn() : run(fn)))
    }
    using _inner = listen('start', within('inner'))
    using _outer = listen('start', within('outer '))
    const peer = grid.at(0).connection(grid.at(1).local)
    await peer.request('see')
    for await (const _ of peer.newStream(feed));
    assert.deepEqual(seen, Array(4).fill('outer inner'))
  })
})
