/**
 * close(): new work is refused at once, running work may end within its grace, the rest is aborted, and nothing is left.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it, type TestContext } from 'node:test'
import {
  ClosedError,
  DisconnectedError,
  type GridStream,
  type HandlerContext,
  RejectedError,
  ShutdownError,
  single,
  streaming
} from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { Gate } from '../support/gate.ts'
import { namesInOrder } from '../support/grid/manager.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { Child } from '../support/process/child.ts'
import type { Words } from '../support/process/obey.ts'
import { settled, until } from '../support/until.ts'
import { type ClosingServerEvent, type ClosingServerInit, closingServer, tenfold } from './closing.ts'

const hold = single<void, string>('hold')
const stopping = single<void, void>('stop')
const count = streaming<void, number, number>('count', { inCapacity: 4, outCapacity: 4 })

/** Two servers with calls to hold on to; `closer` is the end that closes. */
async function running(test: TestContext, closes: 'dialer' | 'listener' = 'listener') {
  const servers = new Servers(test)
  const pair = await servers.pair()
  const [closer, other] = closes === 'listener' ? [pair.listener, pair.dialer] : [pair.dialer, pair.listener]
  const [there, back] = closes === 'listener' ? [pair.there, pair.back] : [pair.back, pair.there]
  const contexts: HandlerContext[] = []
  const go = new Gate()
  const stop = { run: async (_: HandlerContext) => {} }
  for (const { manager } of [closer, other]) {
    manager.handle(hold, async (_, context) => {
      contexts.push(context)
      await go.opened
      return 'done'
    })
    manager.handle(count, async function* (_payload, requests, context) {
      contexts.push(context)
      for await (const request of requests) yield request * 10
    })
    manager.handle(stopping, (_, context) => stop.run(context))
  }
  await Promise.all([pair.there.waitForConnect(), pair.back.waitForConnect()])
  return { ...pair, closer, other, there, back, contexts, go, stop }
}

async function rest(stream: GridStream<number, number>): Promise<number[]> {
  const got: number[] = []
  for await (const value of stream.responses) got.push(value)
  return got
}

describe('close()', () => {
  for (const closes of ['dialer', 'listener'] as const) {
    it(`of the ${closes} lets requests and streams that run in either direction end, and keeps their replies`, async (test) => {
      const { closer, there, back, contexts, go } = await running(test, closes)
      const calls = [there.request(hold), back.request(hold)]
      const streams = [there.newStream(count), back.newStream(count)]
      for (const stream of streams) stream.requests.push(1)
      for (const stream of streams) assert.equal((await stream.responses.next()).value, 10)
      await until(() => contexts.length === 4, 'all run')
      let closed = false
      const closing = closer.manager.close().then(() => {
        closed = true
      })
      await until(() => there.state !== 'connected', 'the other end was told')
      for (const { signal } of contexts) assert.equal(signal.aborted, false)
      for (const stream of streams) stream.requests.push(2).push(3).end()
      assert.deepEqual(await Promise.all(streams.map(rest)), [
        [20, 30],
        [20, 30]
      ])
      assert.equal(closed, false)
      go.open()
      assert.deepEqual(await Promise.all(calls), ['done', 'done'])
      await closing
      assert.deepEqual(await Promise.all(streams.map((stream) => stream.closed)), [{ how: 'ended' }, { how: 'ended' }])
    })
  }

  it('refuses new calls at once on both ends, as not sent, and starts no handler', async (test) => {
    const { closer, there, back, contexts, go } = await running(test)
    const running1 = there.request(hold)
    await until(() => contexts.length === 1, 'one runs')
    const closing = closer.manager.close()
    const own = await rejection(back.request(hold))
    assert.ok(own instanceof ClosedError)
    assert.equal(own.delivery, 'notSent')
    // On its way while the go-away is too, and after that has arrived.
    const early = rejection(there.request(hold))
    await until(() => there.state !== 'connected', 'the other end was told')
    for (const error of [await early, await rejection(there.request(hold))]) {
      assert.ok(error instanceof DisconnectedError || error instanceof RejectedError, String(error))
      assert.equal(error.delivery, 'notSent')
      assert.match(error.message, /shutting down|going away/)
    }
    const stream = there.newStream(count)
    assert.equal((await rejection(stream.responses.next())).delivery, 'notSent')
    assert.equal(await settled(() => contexts.length), 1)
    go.open()
    assert.equal(await running1, 'done')
    await closing
  })

  it('aborts what still runs after the grace, with a ShutdownError here and a DisconnectedError there', async (test) => {
    const { closer, there, back, contexts } = await running(test)
    const calls = [there.request(hold), back.request(hold), there.newStream(count).responses.next()].map(rejection)
    await until(() => contexts.length === 3, 'all run')
    const started = performance.now()
    await closer.manager.close({ timeout: 100 })
    const took = performance.now() - started
    assert.ok(took >= 50 && took < paced(5000), `${took} ms`)
    for (const error of await Promise.all(calls)) {
      assert.ok(error instanceof DisconnectedError)
      assert.deepEqual([error.reason, error.delivery], ['shutdown', 'maybeRan'])
      assert.match(error.message, /shutting down/)
    }
    await until(() => contexts.every(({ signal }) => signal.aborted), 'all handlers are told')
    const own = contexts.filter(({ remote }) => remote.host !== closer.name).map(({ signal }) => signal.reason)
    assert.equal(own.length, 2)
    for (const reason of own) assert.ok(reason instanceof ShutdownError, String(reason))
    const theirs = contexts.filter(({ remote }) => remote.host === closer.name).map(({ signal }) => signal.reason)
    for (const reason of theirs) assert.equal(reason.reason, 'shutdown')
  })

  it('with an endless timeout waits for all that runs', async (test) => {
    const { closer, there, contexts, go } = await running(test)
    const call = there.request(hold)
    await until(() => contexts.length === 1, 'it runs')
    const closing = closer.manager.close({ timeout: Number.POSITIVE_INFINITY })
    await until(() => there.state !== 'connected', 'the other end was told')
    assert.equal(await settled(() => Number(contexts[0]?.signal.aborted)), 0)
    go.open()
    assert.equal(await call, 'done')
    await closing
  })

  it('refuses a timeout that is none', (test) => {
    const manager = new Servers(test).manager({ local: 'http://a', hosts: [] })
    for (const timeout of [-1, Number.NaN]) assert.throws(() => manager.close({ timeout }), /timeout/)
    assert.throws(() => manager.close({ timeout: '1' as unknown as number }), { code: 'ERR_INVALID_OPTION' })
  })

  it('is idempotent, and one and the same for all who call it at once', async (test) => {
    const { closer, other, back } = await running(test)
    const { manager } = closer
    await Promise.all([manager.close(), manager.close({ timeout: 1 }), manager[Symbol.asyncDispose]()])
    await manager.close()
    assert.equal(back.state, 'closed')
    await Promise.all([other.manager.close(), closer.manager.close()])
  })

  it('again with less time aborts what still runs when that is over, and with more time changes nothing', async (test) => {
    const { closer, there, back, contexts } = await running(test)
    const { manager } = closer
    const calls = [there.request(hold), back.request(hold), manager.connection(closer.name).request(hold)].map(
      rejection
    )
    await until(() => contexts.length === 3, 'all run')
    const closing = [Number.POSITIVE_INFINITY, 60_000, Number.POSITIVE_INFINITY].map((timeout) =>
      manager.close({ timeout })
    )
    assert.equal(await settled(() => contexts.filter(({ signal }) => signal.aborted).length), 0)
    await Promise.all([...closing, manager.close({ timeout: 0 }), manager.close()])
    for (const error of await Promise.all(calls)) assert.equal(error.reason, 'shutdown')
  })

  it('refuses calls on all connections before it tells a call on any', async (test) => {
    const servers = new Servers(test)
    const hosts = ['http://a', 'http://b', 'http://c']
    const nodes = await Promise.all(hosts.map((name) => servers.node(name, hosts)))
    const contexts: HandlerContext[] = []
    for (const { manager } of nodes) {
      manager.handle(hold, async (_, context) => {
        contexts.push(context)
        if (!context.draining.aborted) await once(context.draining, 'abort')
        return 'done'
      })
    }
    const [closer, ...others] = nodes.map(({ manager }) => manager)
    assert.ok(closer !== undefined)
    const all = [...closer.connections, closer.connection(closer.local)]
    await Promise.all(
      [...all, ...others.map((other) => other.connection(closer.local))].map((each) => each.waitForConnect())
    )
    const calls = [...others, closer].map((other) => other.connection(closer.local).request(hold))
    await until(() => contexts.length === 3, 'each runs one')
    const refusals: Promise<Error & Record<string, unknown>>[] = []
    for (const { draining } of contexts) {
      draining.addEventListener('abort', () => {
        for (const connection of all)
          refusals.push(rejection(connection.request(hold, undefined, { waitForReady: true })))
      })
    }
    const closing = closer.close()
    assert.deepEqual(await Promise.all(calls), ['done', 'done', 'done'])
    await closing
    const errors = await Promise.all(refusals)
    assert.deepEqual(
      errors.map(({ code, delivery }) => [code, delivery]),
      Array.from({ length: 9 }, () => ['ERR_CLOSED', 'notSent'])
    )
  })

  it('on both ends at once ends on both', async (test) => {
    const { closer, other, there, back, contexts, go } = await running(test)
    const calls = [there.request(hold), back.request(hold)]
    await until(() => contexts.length === 2, 'both run')
    const closing = [closer.manager.close(), other.manager.close()]
    go.open()
    assert.deepEqual(await Promise.all(calls), ['done', 'done'])
    await Promise.all(closing)
  })

  it('inside a handler ends after the reply of that handler', async (test) => {
    const { closer, there, stop } = await running(test)
    let closing: Promise<void> | undefined
    stop.run = async () => {
      closing = closer.manager.close()
    }
    await there.request(stopping)
    await closing
  })

  it('inside a handler that waits for it ends with the grace', async (test) => {
    const { closer, there, stop } = await running(test)
    let signal: AbortSignal | undefined
    stop.run = async (context) => {
      signal = context.signal
      await closer.manager.close({ timeout: 50 })
    }
    const error = await rejection(there.request(stopping))
    assert.equal(error.reason, 'shutdown')
    await closer.manager.close()
    assert.ok(signal?.reason instanceof ShutdownError)
  })

  it('before connecting, during a dial and while waiting ends at once, without a dial afterwards', async (test) => {
    const servers = new Servers(test)
    const [a, b] = namesInOrder()
    let dials = 0
    const states = ['idle', 'connecting', 'waiting'] as const
    for (const state of states) {
      const manager = servers.manager({
        local: a,
        hosts: [a, b],
        reconnect: { firstDelayMs: 60_000, maxDelayMs: 60_000 },
        dialer: (_address, { signal }) => {
          dials++
          if (state === 'waiting') return Promise.reject(new Error('not now'))
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        }
      })
      const connection = manager.connection(b)
      await until(() => connection.state === state, state)
      const before = dials
      await manager.close()
      assert.equal(connection.state, 'closed')
      assert.equal(await settled(() => dials), before)
    }
    assert.equal(dials, 2)
  })

  it('during a dial that does not heed its signal ends at once, and the conn that comes late is cut', async (test) => {
    const servers = new Servers(test)
    const [a, b] = namesInOrder()
    const remote = await servers.node(b, [a, b])
    const late = new Gate()
    const manager = servers.manager({
      local: a,
      hosts: [a, b],
      dialer: async (address, options) => {
        await late.opened
        return servers.dialer(address, { ...options, signal: new AbortController().signal })
      }
    })
    await until(() => manager.connection(b).state === 'connecting', 'it dials')
    await manager.close()
    late.open()
    await until(() => remote.server.accepted === 1, 'the dial goes on')
    await until(() => remote.server.sockets.size === 0, 'its conn is cut')
  })

  it('answers a redial during the grace with 503, and leaves no listener on the HTTP server', async (test) => {
    const { closer, there, contexts, go } = await running(test)
    const call = there.request(hold)
    await until(() => contexts.length === 1, 'it runs')
    const closing = closer.manager.close()
    await until(() => /503: this server is shutting down/.test(there.lastError?.message ?? ''), 'it is told')
    go.open()
    assert.equal(await call, 'done')
    await closing
    const { http } = closer.server
    assert.deepEqual(
      ['upgrade', 'request'].map((event) => http.listenerCount(event)),
      [0, 0]
    )
  })
})

describe('a process with a manager and an HTTP server', { concurrency: true }, () => {
  for (const role of ['dials', 'is dialed'] as const) {
    it(`that ${role} exits by itself after close(), within the grace of a call that hangs`, async (test) => {
      const servers = new Servers(test)
      const [a, b] = namesInOrder()
      const [ownName, childName] = role === 'dials' ? [b, a] : [a, b]
      const own = await servers.node(ownName, [a, b])
      const init = { local: childName, hosts: [a, b], urls: { [ownName]: own.server.url } }
      const situation: Partial<ClosingServerInit> = { situation: 'hanging', graceMs: 300 }
      const child = new Child<Words, ClosingServerEvent>(closingServer, { ...init, ...situation })
      test.after(() => child.kill())
      const isListening = (report: ClosingServerEvent) => report.event === 'listening'
      const { port } = await child.report(isListening, 'its port')
      servers.urls.set(childName, `http://127.0.0.1:${port}`)
      const connection = own.manager.connection(childName)
      await until(() => connection.state === 'connected', 'connected', 15_000)
      const calls = [connection.request(hold), rest(connection.newStream(tenfold))].map(rejection)
      for (const error of await Promise.all(calls)) assert.equal(error.reason, 'shutdown')
      await child.exited(5000)
    })
  }
})
