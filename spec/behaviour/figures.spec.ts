/**
 * What stats() says of calls: by handler and by peer, at both ends, whatever becomes of them.
 */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import {
  type CallerInterceptor,
  type CallFigures,
  type CallMessage,
  channels,
  defaultKeepAlive,
  type HandlerStats,
  type Manager,
  single,
  streaming
} from '../../lib/index.ts'
import { decodeMsgpack, encodeMsgpack } from '../../lib/msgpack/msgpack.ts'
import { ForeignSignal } from '../support/calls/foreign-signal.ts'
import { spend } from '../support/clock/machine.ts'
import { Gate } from '../support/gate.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const hold = single<void, string>('hold')
const boom = single<string, void>('boom')
const add = single<number, number>('add')
const count = streaming<number, never, Uint8Array>('count', { inCapacity: 0, outCapacity: 8 })
const upload = streaming<void, Uint8Array, number>('upload')

async function connected(test: TestContext, ...caller: CallerInterceptor[]) {
  const pair = await new Servers(test).pair({ interceptors: { caller } })
  const { manager } = pair.listener
  const gate = new Gate()
  manager.handle('echo', (payload) => payload)
  manager.handle(add, (n) => n + 1)
  manager.handle(hold, async () => {
    await gate.opened
    return 'done'
  })
  manager.handle(boom, (code) => {
    throw Object.assign(new Error('no'), { code })
  })
  manager.handle(count, async function* (n) {
    for (let i = 0; i < n; i++) yield Buffer.alloc(1000)
  })
  manager.handle(upload, async function* (_, requests) {
    let bytes = 0
    for await (const request of requests) bytes += request.length
    yield bytes
  })
  await Promise.all([pair.there.waitForConnect(), pair.back.waitForConnect()])
  const called = (handler: string) => find(pair.dialer.manager, 'called', handler)
  const served = (handler: string) => find(manager, 'served', handler)
  return { ...pair, gate, called, served }
}

function find(manager: Manager, side: 'called' | 'served', handler: string, subroute = ''): HandlerStats {
  const found = manager.stats()[side].find((each) => each.handler === handler && each.subroute === subroute)
  assert.ok(found !== undefined, `${side} has ${handler}`)
  return found
}

const ended = ({ durations }: CallFigures) => durations.counts.reduce((sum, n) => sum + n, 0)
/** What both ends must say alike. */
const common = ({ calls, running, errors, bytesIn, bytesOut }: CallFigures) => ({
  ...{ calls, running, errors },
  bytes: [bytesIn, bytesOut].sort((a, b) => a - b)
})

describe('the figures of a handler', () => {
  it('count its calls, their bytes each way and how long they took, at both ends alike', async (test) => {
    const { there, back, called, served } = await connected(test)
    for (let n = 0; n < 5; n++) await there.request('echo', Buffer.alloc(100 * n))
    await until(() => ended(served('echo')) === 5, 'all are counted')
    const [at, of] = [called('echo'), served('echo')]
    assert.deepEqual(common(at), { calls: 5, running: 0, errors: {}, bytes: [1000, 1000] })
    assert.deepEqual(common(of), common(at))
    for (const { durations, kind, subroute, mistakes } of [at, of]) {
      assert.deepEqual([kind, subroute, mistakes], ['single', '', 0])
      assert.equal(durations.counts.length, durations.boundsMs.length + 1)
      assert.ok(durations.sumMs >= 0 && durations.sumMs < 60_000, `${durations.sumMs} ms`)
    }
    assert.ok(at.durations.sumMs >= of.durations.sumMs, 'a caller waits longer than its handler takes')
    assert.deepEqual(common(there.stats().called), common(at))
    assert.deepEqual(common(back.stats().served), common(at))
    assert.equal(back.stats().called.calls + there.stats().served.calls, 0)
  })

  it('count a message of many fragments, and the messages of streams each way', async (test) => {
    const { there, called, served } = await connected(test)
    await there.request('echo', Buffer.alloc(1_000_000))
    for await (const _ of there.newStream(count, 5));
    const stream = there.newStream(upload)
    for (let n = 0; n < 3; n++) await stream.send(Buffer.alloc(5000))
    stream.requests.end()
    for await (const bytes of stream) assert.equal(bytes, 15_000)
    await stream.closed
    await until(() => ended(served('upload')) === 1, 'counted')
    assert.deepEqual([called('echo').bytesIn, called('echo').bytesOut], [1_000_000, 1_000_000])
    assert.ok(called('count').bytesIn >= 5000 && called('count').bytesIn < 5100)
    assert.ok(called('upload').bytesOut >= 15_000 && called('upload').bytesOut < 15_100)
    for (const handler of ['echo', 'count', 'upload']) {
      const [at, of] = [called(handler), served(handler)]
      assert.deepEqual([at.bytesIn, at.bytesOut], [of.bytesOut, of.bytesIn], handler)
    }
  })

  it('show what runs, since when, and the bytes of streams while they do', async (test) => {
    const { there, gate, called, served } = await connected(test)
    const calls = [there.request(hold), there.request(hold)]
    const stream = there.newStream(count, 1000)
    await stream.responses.next()
    await until(() => served('hold').running === 2 && served('count').bytesOut >= 8000, 'they run')
    assert.equal(served('hold').calls, 2)
    assert.equal(ended(served('hold')), 0)
    const { oldestMs = -1 } = served('hold')
    assert.ok(oldestMs >= 0)
    await until(() => (served('hold').oldestMs ?? 0) > oldestMs + 10, 'they grow older')
    assert.equal(called('hold').running, 2)
    assert.ok(called('count').bytesIn >= 1000)
    gate.open()
    await Promise.all(calls)
    stream.cancel()
    await until(() => served('count').running + served('hold').running === 0, 'they have ended')
    assert.equal(served('hold').oldestMs, undefined)
    assert.ok((called('hold').durations.sumMs ?? 0) > 20)
  })

  it('count errors by the code that the caller gets, each once, at both ends', async (test) => {
    const { there, called, served } = await connected(test)
    for (const code of ['E_ONE', 'E_TWO', 'E_ONE']) await rejection(there.request(boom, code))
    await rejection(there.request(hold, undefined, { timeout: 20 }))
    const controller = new AbortController()
    const call = rejection(there.request(hold, undefined, { signal: controller.signal }))
    await until(() => served('hold').running > 0, 'it runs')
    controller.abort(new Error('enough'))
    await call
    for await (const _ of there.newStream(count, 100)) break
    await until(() => served('hold').running + served('count').running === 0, 'all have ended')
    for (const side of [called, served]) {
      assert.deepEqual(side('boom').errors, { E_ONE: 2, E_TWO: 1 })
      assert.deepEqual(side('hold').errors, { ERR_DEADLINE: 1, ERR_CANCELLED: 1 })
      assert.deepEqual(side('count').errors, { ERR_CANCELLED: 1 })
      assert.deepEqual([ended(side('boom')), ended(side('hold'))], [3, 2])
    }
  })

  it('have the same bytes at both ends where a call fails, also amid its messages: errors are none of them', async (test) => {
    const { there, listener, called, served } = await connected(test)
    const half = streaming<void, never, Uint8Array>('half', { inCapacity: 0, outCapacity: 8 })
    listener.manager.handle(half, async function* () {
      yield Buffer.alloc(1000)
      throw Object.assign(new Error('a text of many bytes'), { code: 'E_HALF', details: { more: 'of them' } })
    })
    await until(() => there.handlers.some(({ handler }) => handler === 'half'), 'it is known')
    await rejection(there.request(boom, 'E_ONE'))
    const { responses, closed } = there.newStream(half)
    await responses.next()
    await rejection(responses.next())
    await closed
    await until(() => ended(served('boom')) === 1 && ended(served('half')) === 1, 'both are counted')
    for (const handler of ['boom', 'half']) {
      const [at, of] = [called(handler), served(handler)]
      assert.deepEqual([at.bytesIn, at.bytesOut], [of.bytesOut, of.bytesIn], handler)
    }
    assert.equal(called('boom').bytesIn, 0)
  })

  it('count the calls that a lost conn has ended, at both ends', async (test) => {
    const { there, listener, called, served } = await connected(test)
    const call = rejection(there.request(hold))
    await until(() => served('hold').running === 1, 'it runs')
    listener.server.cut()
    await call
    await until(() => ended(served('hold')) === 1, 'counted')
    for (const side of [called, served]) assert.deepEqual(side('hold').errors, { ERR_DISCONNECTED: 1 })
  })

  it('count calls that were never sent: no such handler, no connection, an aborted signal, a payload that is none', async (test) => {
    const { there, dialer, listener, called } = await connected(test)
    await rejection(there.request('missing'))
    await rejection(there.newStream('missing').responses.next())
    await rejection(there.subroute('disk').request('missing'))
    await rejection(there.request(add, 1, { signal: AbortSignal.abort() }))
    await rejection(there.request('echo', 'text' as never))
    await listener.kill()
    await until(() => there.state !== 'connected', 'gone')
    await rejection(there.request(add, 1))
    await rejection(there.request(add, 1, { waitForReady: true, timeout: 30 }))
    await rejection(there.newStream(count, 1).responses.next())
    const { called: all } = dialer.manager.stats()
    const missing = all.filter(({ handler }) => handler === 'missing')
    assert.deepEqual(
      missing.map(({ kind, subroute, errors, calls }) => [kind, subroute, errors, calls]),
      [
        ['single', '', { ERR_UNKNOWN_HANDLER: 1 }, 1],
        ['streaming', '', { ERR_UNKNOWN_HANDLER: 1 }, 1],
        ['single', 'disk', { ERR_UNKNOWN_HANDLER: 1 }, 1]
      ]
    )
    assert.deepEqual(called('add').errors, { ERR_CANCELLED: 1, ERR_DISCONNECTED: 1, ERR_DEADLINE: 1 })
    assert.ok(called('add').durations.sumMs >= 25, 'the wait counts')
    assert.deepEqual(called('echo').errors, { ERR_CODEC: 1 })
    assert.deepEqual(called('count').errors, { ERR_DISCONNECTED: 1 })
    assert.equal(there.stats().called.calls, 8)
  })

  it('count a response that cannot be decoded as an error of its caller only', async (test) => {
    const { there, called, served } = await connected(test)
    const other = single<Uint8Array, number>('echo', { request: { encode: (x) => x, decode: (x) => x } })
    await rejection(there.request(other, Buffer.from([0xc1])))
    assert.deepEqual(called('echo').errors, { ERR_CODEC: 1 })
    assert.equal(ended(called('echo')), 1)
    assert.deepEqual(served('echo').errors, {})
  })

  it('count each try of a call that an interceptor sends again, and which of them are further ones', async (test) => {
    const again: CallerInterceptor = {
      single: (call, next) =>
        call.handler === 'boom'
          ? next()
              .catch(() => next())
              .catch(() => next())
          : next()
    }
    const { there, back, called, served } = await connected(test, again)
    const { code } = await rejection(there.request(boom, 'E_NO'))
    assert.equal(code, 'E_NO')
    await there.request(add, 1)
    await until(() => ended(served('boom')) === 3, 'all have ended')
    const { calls, retries, errors } = called('boom')
    assert.deepEqual({ calls, retries, errors }, { calls: 3, retries: 2, errors: { E_NO: 3 } })
    assert.deepEqual([served('boom').calls, served('boom').retries, called('add').retries], [3, 0, 0])
    assert.deepEqual([there.stats().called.retries, back.stats().served.retries], [2, 0])
    await rejection(there.request('none'))
    assert.deepEqual([called('none').calls, called('none').retries], [1, 0])
  })

  it('count a call once that an interceptor answers or fails by itself, whatever it is, with the code of that', async (test) => {
    const given: Record<string, () => unknown> = {
      answer: () => Uint8Array.of(1, 2, 3),
      code: () => Promise.reject(Object.assign(new Error('no'), { code: 'E_MINE' })),
      plain: () => Promise.reject(new Error('no')),
      late: () => new Promise(() => undefined)
    }
    const alone: CallerInterceptor = {
      single: (call, next) => given[call.handler]?.() ?? next(),
      async *streaming(call, next) {
        const own = given[call.handler]
        if (own === undefined) yield* next()
        else yield await own()
      }
    }
    const { there, dialer } = await connected(test, alone)
    const read = async (handler: string, timeout: number) => {
      for await (const _ of there.newStream(handler, undefined, { timeout }));
    }
    const expected = { answer: {}, code: { E_MINE: 1 }, plain: { _OTHER: 1 }, late: { ERR_DEADLINE: 1 } }
    for (const [handler, errors] of Object.entries(expected)) {
      const timeout = handler === 'late' ? 20 : 60_000
      await there.request(handler, undefined, { timeout }).catch(() => undefined)
      await read(handler, timeout).catch(() => undefined)
      const ofBoth = () => dialer.manager.stats().called.filter((each) => each.handler === handler)
      await until(() => ofBoth().length === 2, `${handler} is counted`)
      for (const figures of ofBoth()) {
        const { calls, running, retries, bytesIn, bytesOut } = figures
        assert.deepEqual(
          { calls, running, retries, bytesIn, bytesOut },
          { calls: 1, running: 0, retries: 0, bytesIn: 0, bytesOut: 0 }
        )
        assert.deepEqual([figures.errors, ended(figures)], [errors, 1], `${handler}, ${figures.kind}`)
      }
    }
    assert.deepEqual([there.stats().called.calls, there.stats().called.retries], [8, 0])
  })

  it('count a call once whose signal breaks, at whatever look, with an interceptor and without, and it fails by that', async (test) => {
    const breaks = (after: number) => {
      let looks = 0
      const look = () => {
        if (looks++ >= after) throw new Error('it breaks')
        return false
      }
      return Object.defineProperty(new ForeignSignal(), 'aborted', { get: look }).signal
    }
    const pass: CallerInterceptor = { single: (_, next) => next(), streaming: (_, next) => next() }
    const heard = () => undefined
    channels.call.asyncEnd.subscribe(heard)
    test.after(() => channels.call.asyncEnd.unsubscribe(heard))
    for (const interceptors of [[], [pass]]) {
      const { there, gate, called } = await connected(test, ...interceptors)
      const signals = [0, 1, 2].map(breaks)
      for (const [at, signal] of [...signals, new ForeignSignal(undefined, 'add').signal].entries()) {
        const { message } = await rejection(there.request(hold, undefined, { signal, timeout: 60_000 }))
        assert.match(message, /it breaks|no more listeners/)
        assert.deepEqual([called('hold').calls, called('hold').running], [at + 1, 0])
      }
      gate.open()
    }
  })

  it('count a call whose payload cannot be encoded once, with an interceptor and without, and its trace ends', async (test) => {
    const published: string[] = []
    const heard = (message: unknown) => published.push((message as CallMessage).kind)
    const pass: CallerInterceptor = { single: (_, next) => next(), streaming: (_, next) => next() }
    for (const interceptors of [[], [pass]]) {
      const { there, called } = await connected(test, ...interceptors)
      for (const isPublished of [false, true]) {
        if (isPublished) channels.call.asyncEnd.subscribe(heard)
        const calls = isPublished ? 2 : 1
        const wrong = (() => undefined) as never
        await rejection(there.request(add, wrong))
        await rejection(there.newStream(count, wrong).responses.next())
        await until(() => called('count').calls === calls && called('add').calls === calls, 'they are counted')
        for (const handler of ['add', 'count']) assert.deepEqual(called(handler).errors, { ERR_CODEC: calls })
        channels.call.asyncEnd.unsubscribe(heard)
      }
    }
    await until(() => published.length === 4, 'their ends are published')
    assert.deepEqual(published.sort(), ['single', 'single', 'streaming', 'streaming'])
  })

  it('see a handler that holds up the event loop', async (test) => {
    const { there, listener, served } = await connected(test)
    listener.manager.handle('busy', (payload) => {
      spend(60)
      return payload
    })
    await there.request('busy', Buffer.of(1), { waitForReady: true })
    assert.ok(served('busy').durations.sumMs >= 59, `${served('busy').durations.sumMs} ms`)
  })

  it('count a call once that was on its way when its handler was withdrawn, whether that comes back or not', async (test) => {
    const { there, back, listener, called, served } = await connected(test)
    const { manager } = listener
    const feed = streaming<void, never, number>('feed', { inCapacity: 0 })
    const handle = () => {
      manager.handle(add, (n) => n + 1)
      manager.handle(feed, () => [1])
    }
    manager.unhandle(add)
    handle()
    await until(() => there.handlers.some(({ handler }) => handler === 'feed'), 'it is offered')
    const refused = () => back.stats().totals.refusals
    const withdraw = (timeout: number) => {
      manager.unhandle(add)
      manager.unhandle(feed)
      // It has not heard of that.
      const options = { waitForReady: true, timeout }
      return [there.request(add, 1, options), there.newStream(feed, undefined, options).responses.next()] as const
    }
    const [response, message] = withdraw(60_000)
    await until(() => refused() === 2, 'they are refused')
    handle()
    assert.deepEqual([await response, (await message).value], [2, 1])
    await until(() => ended(served('add')) === 1, 'counted')
    for (const handler of ['add', 'feed']) assert.deepEqual([called(handler).calls, called(handler).errors], [1, {}])
    const late = withdraw(200).map(rejection)
    await until(() => refused() === 4, 'they are refused')
    const codes = (await Promise.all(late)).map(({ code }) => code as string)
    for (const [at, handler] of ['add', 'feed'].entries()) {
      assert.deepEqual([called(handler).calls, called(handler).errors], [2, { [codes[at] as string]: 1 }])
    }
  })

  it('never fall by a call that a handler makes and gives up in the turn that has brought it', async (test) => {
    const { there, back, dialer, listener } = await connected(test)
    dialer.manager.handle(add, (n) => n)
    await until(() => back.handlers.length > 0, 'it can be called')
    listener.manager.handle('busy', async (payload) => {
      spend(60)
      const controller = new AbortController()
      const call = rejection(back.request(add, 1, { signal: controller.signal }))
      controller.abort()
      await call
      return payload
    })
    await there.request('busy', Buffer.of(1), { waitForReady: true })
    const { calls, durations } = find(listener.manager, 'called', 'add')
    assert.equal(calls, 1)
    assert.ok(durations.sumMs >= 0, `${durations.sumMs} ms`)
  })

  it('stay when it is withdrawn, and go on when it is back', async (test) => {
    const { there, listener, served } = await connected(test)
    await there.request(add, 1)
    listener.manager.unhandle(add)
    await until(() => ended(served('add')) === 1, 'counted')
    listener.manager.handle(add, (n) => n + 2)
    await there.request(add, 1, { waitForReady: true })
    await until(() => ended(served('add')) === 2, 'counted')
  })

  it('are bounded: ids that no peer has, and codes', async (test) => {
    const { there, dialer, called } = await connected(test)
    for (let n = 0; n < 1100; n++) await rejection(there.request(`missing-${n}`))
    const { called: all } = dialer.manager.stats()
    assert.equal(all.length, 1025)
    assert.equal(called('_OTHER').calls, 76)
    for (let n = 0; n < 80; n++) await rejection(there.request(boom, `E_${n}`))
    const { errors } = called('boom')
    assert.equal(Object.keys(errors).length, 65)
    assert.equal(errors._OTHER, 16)
    assert.equal(find(dialer.manager, 'called', 'boom').calls, 80)
  })

  it('can be sent whatever codes a handler chooses', async (test) => {
    const { there, called, served } = await connected(test)
    for (const code of ['__proto__', 'constructor', '\ud800']) await rejection(there.request(boom, code))
    for (const figures of [called('boom'), served('boom')]) {
      assert.deepEqual(Object.keys(figures.errors).slice(0, 2), ['_OTHER', 'constructor'])
      assert.deepEqual(Object.keys(Object(decodeMsgpack(encodeMsgpack(figures)))), Object.keys(figures))
    }
  })

  it('count calls of this server to itself, and what runs of them', async (test) => {
    const { listener, gate, served } = await connected(test)
    const self = listener.manager.connection(listener.manager.local)
    const call = self.request(hold)
    await until(() => served('hold').running === 1, 'it runs')
    assert.equal(find(listener.manager, 'called', 'hold').running, 1)
    gate.open()
    await call
    await until(() => ended(served('hold')) === 1, 'counted')
    assert.equal(find(listener.manager, 'called', 'hold').calls, 1)
  })
})

describe('the stats of a manager', () => {
  it('say which peers are up, what is open over all of them, and when it was', async (test) => {
    const before = Date.now()
    const { there, dialer, listener, served } = await connected(test)
    const call = rejection(there.request(hold))
    await until(() => served('hold').running === 1, 'it runs')
    const { up, down, outboundStreams, inboundStreams, at, startedAt, keepAliveMs, loop } = dialer.manager.stats()
    assert.deepEqual([up, down, outboundStreams, inboundStreams], [1, 0, 1, 0])
    assert.equal(listener.manager.stats().inboundStreams, 1)
    assert.ok(before - 5000 < startedAt && startedAt <= at && at <= Date.now())
    assert.equal(keepAliveMs, defaultKeepAlive.intervalMs)
    assert.ok(loop.activeMs > 0 && loop.idleMs >= 0)
    await listener.kill()
    await call
    await until(() => dialer.manager.stats().down === 1, 'it is down')
    assert.equal(dialer.manager.stats().up, 0)
  })

  it('say how dials went, when the next one is, and when the peer was last heard of', async (test) => {
    const { there, back, listener } = await connected(test)
    const first = there.stats()
    assert.equal(first.dialing.failures, 0)
    assert.ok((first.dialing.lastDurationMs ?? -1) > 0)
    assert.equal(first.dialing.nextAt, undefined)
    assert.ok(Math.abs(Date.now() - (first.lastSeenAt ?? 0)) < 60_000)
    assert.deepEqual(back.stats().dialing, { failures: 0 })
    await listener.kill()
    await until(() => there.stats().dialing.failures >= 2, 'dials fail')
    await until(() => there.stats().dialing.nextAt !== undefined, 'it will dial again')
    assert.ok((there.stats().lastSeenAt ?? 0) >= (first.lastSeenAt ?? Infinity))
  })
})
