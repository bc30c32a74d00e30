/**
 * Looking into a server over the grid: the `$grid` handlers, who may call them, and what they cost while nobody does.
 */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { pushable } from 'it-pushable'
import { selectStreams } from '../../lib/connection/streams.ts'
import {
  type CallRecord,
  type ConnectionStats,
  channels,
  dialGuest,
  type GridEvent,
  type HandlerCall,
  type HandlerInterceptor,
  introspection,
  type ManagerOptions,
  RejectedError,
  type StatsChange,
  type StreamInfo,
  sharedSecret,
  silentLogger,
  single
} from '../../lib/index.ts'
import { spend } from '../support/clock/machine.ts'
import { namesInOrder } from '../support/grid/manager.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const boom = single<void, void>('boom')

/** The dialer looks into the listener. */
async function connected(test: TestContext, ofListener: Partial<ManagerOptions> = { introspection: true }) {
  const servers = new Servers(test)
  const pair = await servers.pair({}, ofListener)
  const { manager } = pair.listener
  manager.handle('echo', (payload) => payload)
  manager.handle(boom, () => {
    throw Object.assign(new Error('no'), { code: 'E_NO' })
  })
  await Promise.all([pair.there.waitForConnect(), pair.back.waitForConnect()])
  return { ...pair, servers, look: introspection.on(pair.there) }
}

/** What a stream gives until it is left, which ends its handler. */
function collect<T>(stream: AsyncIterable<T> & { cancel(): void }) {
  const items: T[] = []
  const ended = (async () => {
    for await (const item of stream) items.push(item)
  })().catch(() => undefined)
  const stop = async () => {
    stream.cancel()
    await ended
  }
  return { items, stop, ended }
}

describe('introspection', () => {
  it('answers with the stats, handlers, hosts and recent events that the server itself has', async (test) => {
    const { look, listener, back, dialer } = await connected(test)
    const stats = await look.stats()
    const own = listener.manager.stats()
    assert.equal(stats.instance, own.instance)
    assert.deepEqual(
      stats.served.map(({ handler }) => handler),
      own.served.map(({ handler }) => handler)
    )
    assert.deepEqual(await look.handlers(), listener.manager.handlers)
    const [host] = await look.hosts()
    assert.deepEqual([host?.host, host?.state, host?.instance], [dialer.name, 'connected', dialer.manager.instance])
    assert.deepEqual(await look.recent({ host: dialer.name }), back.recent)
    assert.deepEqual(await look.recent(), listener.manager.recent)
    const none = { host: undefined, handler: undefined } as object
    assert.equal((await look.streams(none)).length, 1)
    const { at, instance } = await look.ping()
    assert.ok(Math.abs(at - Date.now()) < 60_000)
    assert.equal(instance, listener.manager.instance)
  })

  it('says why a server is not connected to another one', async (test) => {
    const servers = new Servers(test)
    const [a, b] = namesInOrder()
    const { manager } = await servers.node(a, [a, b], { introspection: true })
    const look = introspection.on(manager.connection(a))
    await until(async () => (await look.hosts())[0]?.lastError !== undefined, 'a dial has failed')
    const [report] = await look.hosts()
    assert.deepEqual([report?.host, report?.lastError], [b, manager.connection(b).lastError?.message])
  })

  it('works on a connection of a server to itself', async (test) => {
    const { listener } = await connected(test)
    const { manager } = listener
    const { local } = await introspection.on(manager.connection(manager.local)).stats()
    assert.equal(local, manager.local)
  })

  it('is off by default', async (test) => {
    const { look, listener } = await connected(test, {})
    const { code, message } = await rejection(look.stats())
    const text = `${listener.name} has no handler "stats" under "$grid"; it does not have the option introspection`
    assert.deepEqual([code, message], ['ERR_UNKNOWN_HANDLER', text])
    assert.equal(listener.manager.handlers.length, 2)
  })

  it('asks a rule before the interceptors of the server, for requests and for streams', async (test) => {
    const seen: string[] = []
    const rule = ({ handler }: HandlerCall) => handler === 'ping'
    const single = (call: HandlerCall, next: () => Promise<unknown>) => {
      seen.push(call.handler)
      return next()
    }
    const { look } = await connected(test, { introspection: rule, interceptors: { handler: [{ single }] } })
    await look.ping()
    const refused = [await rejection(look.stats()), await rejection(look.watch().responses.next())]
    for (const { code, reason, delivery } of refused) {
      assert.deepEqual([code, reason, delivery], ['ERR_REJECTED', 'denied', 'notSent'])
    }
    assert.deepEqual(seen, ['ping'])
  })

  it('has the names that begin with $ for itself', async (test) => {
    const { listener } = await connected(test)
    const { manager } = listener
    const message = /^names that begin with \$ belong to it-grid: "\$/
    for (const register of [
      () => manager.handle('$mine', (payload) => payload),
      () => manager.handle('mine', (payload) => payload, { subroute: '$grid' }),
      () => manager.unhandle(introspection.definitions.stats, { subroute: '$grid' })
    ]) {
      assert.throws(register, { code: 'ERR_INVALID_OPTION', message })
    }
    assert.throws(() => listener.manager.handle(boom, () => undefined), { code: 'ERR_HANDLER_EXISTS' })
  })
})

describe('the open calls of a server', () => {
  it('are told with those that wait before any stream that is only quiet, however long', () => {
    const open = (id: number, waitsFor: 'peer' | 'consumer', waitedMs: number): StreamInfo => ({
      ...{ kind: 'streaming', handler: 'feed', subroute: '', session: 's', side: 'caller', host: 'http://a:1' },
      ...{ id, ageMs: waitedMs, receiving: { waitsFor, waitedMs, totalBytes: 0 } }
    })
    const quiet = Array.from({ length: 300 }, (_, at) => open(at + 10, 'peer', 60_000 + at))
    const told = selectStreams([...quiet, open(1, 'consumer', 2000), open(2, 'consumer', 3000)], { max: 3 })
    assert.deepEqual(
      told.map(({ id }) => id),
      [2, 1, 309]
    )
  })
})

describe('the events of a server as a stream', () => {
  it('are those from a number on, and then those that happen, until they are left', async (test) => {
    const { look } = await connected(test)
    const all = collect<GridEvent>(look.events({ after: 0 }))
    const later = collect<GridEvent>(look.events())
    await until(() => all.items.some(({ type }) => type === 'hello'), 'the old ones')
    const held = collect(look.watch())
    await until(() => held.items.length > 0, 'it is open')
    await held.stop()
    await until(() => later.items.some(({ type }) => type === 'reset'), 'the reset of the watch is told')
    assert.ok(later.items.every(({ type }) => type !== 'hello'))
    const numbers = all.items.map(({ seq }) => seq)
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((a, b) => a - b)
    )
    await Promise.all([all.stop(), later.stop()])
  })

  it('are those of one host where it is named, from both what was and what happens', async (test) => {
    const { look, dialer, listener, there } = await connected(test)
    const own = collect<GridEvent>(look.events({ after: 0, host: listener.name }))
    const peer = collect<GridEvent>(look.events({ after: 0, host: dialer.name }))
    await until(() => peer.items.some(({ type }) => type === 'hello'), 'the old ones')
    listener.manager.handle('busy', (payload) => {
      spend(150)
      return payload
    })
    await there.request('busy', Buffer.of(1), { waitForReady: true })
    await until(() => own.items.some(({ type }) => type === 'slowTurn'), 'a turn that took long')
    const held = collect(look.watch())
    await until(() => held.items.length > 0, 'it is open')
    await held.stop()
    await until(() => peer.items.some(({ type }) => type === 'reset'), 'the reset of the watch')
    assert.ok(own.items.every(({ host }) => host === listener.name))
    assert.ok(peer.items.every(({ host }) => host === dialer.name))
    await Promise.all([own.stop(), peer.stop()])
  })

  it('end when the server drains, so that its shutdown does not wait for them', async (test) => {
    const { look, listener } = await connected(test)
    const events = collect<GridEvent>(look.events({ after: 0 }))
    const changes = collect<StatsChange>(look.watch())
    const calls = collect<CallRecord>(look.trace())
    await until(() => events.items.length > 0 && changes.items.length > 0, 'they are open')
    await listener.manager.close({ timeout: 60_000 })
    await Promise.all([events.ended, changes.ended, calls.ended])
  })
})

describe('the stats as a stream of changes', () => {
  it('are whole at first, and then what has changed of them', async (test) => {
    const { there, look, listener } = await connected(test)
    const changes = collect<StatsChange>(look.watch({ everyMs: 100 }))
    await until(() => changes.items.length === 1, 'the first')
    const [first] = changes.items
    assert.deepEqual(Object.keys(first ?? {}).sort(), Object.keys(listener.manager.stats()).sort())
    await there.request('echo', Buffer.alloc(100))
    const isTold = () => changes.items.slice(1).some(({ served }) => served?.some(({ handler }) => handler === 'echo'))
    await until(isTold, 'the call is told')
    for (const { served = [], startedAt, at, instance } of changes.items.slice(1)) {
      assert.ok(served.every(({ handler }) => handler !== 'boom'))
      assert.equal(startedAt, undefined)
      assert.ok(at > 0 && instance === listener.manager.instance)
    }
    await changes.stop()
  })
})

describe('the stats that a reader makes of changes', () => {
  it('are those of the server, while hosts leave its list and come back, and what is the same is not told again', async (test) => {
    const servers = new Servers(test)
    const [a, b] = namesInOrder()
    const [c, d, e] = ['http://c.test', 'http://d.test', 'http://e.test']
    const lists = pushable<string[]>({ objectMode: true })
    lists.push([a, b, c, d, e])
    const options = { introspection: true, keepAlive: { intervalMs: 600_000 } }
    const { manager } = await servers.node(b, lists, options)
    for (const name of [c, d]) await servers.node(name, [b, name], options)
    const reader = await servers.node(a, [a, b], options)
    await manager.waitForPeers({ hosts: [a, c, d] })
    const held = new Map<string, ConnectionStats>()
    const told = new Set<string>()
    let ticks = 0
    const changes = introspection.on(reader.manager.connection(b)).watch({ everyMs: 100 }, { waitForReady: true })
    const read = (async () => {
      for await (const { connections = [], removed = [] } of changes) {
        ticks++
        for (const each of connections) {
          held.set(each.host, each)
          told.add(each.host)
        }
        for (const host of removed) held.delete(host)
      }
    })().catch(() => undefined)
    const quiet = async () => {
      told.clear()
      const from = ticks
      await until(() => ticks >= from + 4, 'some looks')
      return !told.has(c) && !told.has(d)
    }
    await until(quiet, 'conns on which nothing happens are not told')
    lists.push([a, b, d, e])
    await until(() => !held.has(c), 'it has left')
    lists.push([a, b, c, d])
    await until(() => held.has(c) && !held.has(e), 'it is back, and another one has left')
    const names = manager.stats().connections.map(({ host }) => host)
    assert.deepEqual([...held.keys()].sort(), names.sort())
    changes.cancel()
    await read
  })
})

describe('a host that is asked for', () => {
  it('is the same in any spelling', async (test) => {
    const { look, dialer, there } = await connected(test)
    const host = dialer.name.toUpperCase()
    const events = collect<GridEvent>(look.events({ host, after: 0 }))
    const calls = collect<CallRecord>(look.trace({ host }))
    await until(() => channels.handle.asyncEnd.hasSubscribers, 'it listens')
    await there.request('echo', Buffer.of(1))
    await until(() => events.items.length > 0 && calls.items.length > 0, 'both tell of it')
    assert.ok([...events.items, ...calls.items].every((each) => each.host === dialer.name))
    assert.ok((await look.recent({ host })).length > 0)
    assert.ok((await look.streams({ host })).length > 0)
    await Promise.all([events.stop(), calls.stop()])
  })
})

describe('options that are wrong', () => {
  type Asked = 'trace' | 'events' | 'watch' | 'recent' | 'callers' | 'streams'
  const each = (name: Asked, option: string, ...values: readonly unknown[]) =>
    values.map((value) => [name, option, value] as const)
  const wrong = [
    ...each('watch', 'everyMs', Number.NaN, 0, 99, 100.5, 2 ** 31, Number.POSITIVE_INFINITY, '1000'),
    ...each('trace', 'side', 'both'),
    ...each('trace', 'sample', 0, -1, 1.1, Number.NaN, '1', true),
    ...each('trace', 'slowerThanMs', -1, Number.NaN, '1'),
    ...each('trace', 'failed', 'yes'),
    ...each('trace', 'host', 1),
    ...each('events', 'host', 1),
    ...each('events', 'after', '1', -1, Number.NaN),
    ...each('recent', 'host', 1),
    ...each('callers', 'handler', 1),
    ...each('callers', 'subroute', 1),
    ...each('streams', 'host', 1),
    ...each('streams', 'handler', 1),
    ...each('streams', 'max', 0, '5')
  ]

  it('are refused by the server that is looked into, with the name of the option', async (test) => {
    const { look, listener } = await connected(test)
    for (const [name, option, value] of wrong) {
      const options = { [option]: value }
      const isSingle = name === 'recent' || name === 'callers' || name === 'streams'
      const asked = isSingle ? look[name](options) : look[name](options).responses.next()
      const { code, message } = await rejection(asked)
      assert.equal(code, 'ERR_INVALID_OPTION', `${name} ${option}: ${value}`)
      assert.ok(message.startsWith(`${option} of ${name}() must be `), message)
    }
    for (const ask of [look.recent, look.streams]) {
      assert.equal((await rejection(ask({ host: 'no origin' }))).code, 'ERR_INVALID_OPTION')
    }
    const notOptions = await rejection(look.streams(5 as unknown as object))
    assert.equal(notOptions.message, 'the options of streams() must be an object; they are 5')
    const near = [await rejection(look.trace({ slowerThan: 5 } as object).responses.next())]
    near.push(await rejection(look.watch({ every: 5 } as object).responses.next()))
    near.push(await rejection(look.streams({ handlers: 'a' } as object)))
    assert.deepEqual(
      near.map(({ message }) => /\(did you mean "\w+"\?\)/.exec(message)?.[0]),
      ['slowerThanMs', 'everyMs', 'handler'].map((name) => `(did you mean "${name}"?)`)
    )
    await until(() => listener.manager.stats().inboundStreams === 0, 'nothing is open')
    assert.ok(listener.manager.stats().served.every(({ mistakes }) => mistakes === 0))
    assert.ok(!channels.handle.asyncEnd.hasSubscribers)
  })
})

describe('the readers of a server', () => {
  type Open = () => { readonly responses: AsyncIterator<unknown>; cancel(): void }
  const openers = (look: ReturnType<typeof introspection.on>): Open[] => [
    () => look.watch({ everyMs: 100 }),
    () => look.events({ after: 0 }),
    () => look.trace({ handler: 'none' })
  ]
  const refusedBy = (option: string) => (error: Error) => {
    assert.ok(RejectedError.is(error) && error.reason === 'busy' && error.delivery === 'notSent', String(error))
    assert.ok(error.message.includes('has 3 streams of $grid open for ') && error.message.includes(`(${option})`))
    return true
  }

  it('are as many as limits.maxReaders for each peer, of all streams together, and one more is refused by its name', async (test) => {
    const { look, listener } = await connected(test, { introspection: true, limits: { maxReaders: 3 } })
    const opened = openers(look).map((open) => open())
    const first = opened.map(({ responses }) => responses.next())
    const running = () => listener.manager.stats().inboundStreams
    await until(() => running() === 3, 'all are open')
    for (const open of openers(look)) await assert.rejects(open().responses.next(), refusedBy('limits.maxReaders'))
    // The server itself is a peer of its own.
    const own = introspection.on(listener.manager.connection(listener.name)).watch()
    await own.responses.next()
    own.cancel()
    await look.stats()
    for (const stream of opened) stream.cancel()
    await Promise.allSettled(first)
    await until(() => running() === 0, 'none is open')
    const again = look.watch()
    await again.responses.next()
    again.cancel()
  })

  it('make room when they end, in whatever way: left, refused by an option, or by an interceptor, or unread', async (test) => {
    let how: 'next' | 'refuse' | 'leave' = 'next'
    const streaming: HandlerInterceptor['streaming'] = (_, next) => {
      if (how === 'refuse') throw new Error('no')
      return how === 'leave' ? left(next()) : next()
    }
    async function* left(_: AsyncIterable<unknown>) {
      yield 1
    }
    const interceptors = { handler: [{ streaming }] }
    const { look } = await connected(test, { introspection: true, limits: { maxReaders: 1 }, interceptors })
    const isFree = async () => {
      how = 'next'
      for (let n = 0; n < 2; n++) {
        await until(async () => {
          const stream = look.watch()
          const result = await stream.responses.next().catch((error) => error.reason)
          stream.cancel()
          return result !== 'busy'
        }, 'there is room')
      }
    }
    await isFree()
    await rejection(look.watch({ everyMs: 1 }).responses.next())
    await isFree()
    how = 'refuse'
    await rejection(look.trace().responses.next())
    await isFree()
    how = 'leave'
    for await (const _ of look.events());
    await isFree()
    for (const open of openers(look)) open().cancel()
    await isFree()
    for await (const _ of look.watch({ everyMs: 100 })) break
    await isFree()
  })

  it('that are guests have a limit of their own, each', async (test) => {
    const auth = sharedSecret('a secret of guests')
    const guests = { allow: () => true, auth, limits: { maxReaders: 3 } }
    const introspected = { introspection: () => true, guests }
    const { listener, servers } = await connected(test, introspected)
    const dial = async (name: string) => {
      const guest = await dialGuest(listener.name, { auth, name, logger: silentLogger, dialer: servers.dialer })
      servers.onEnd(() => guest.close({ timeout: 1 }))
      return openers(introspection.on(guest))
    }
    const [ada, bob] = [await dial('ada'), await dial('bob')]
    const opened = [...ada, ...bob].map((open) => open())
    const first = opened.map(({ responses }) => responses.next())
    await until(() => listener.manager.stats().inboundStreams === 6, 'all are open')
    for (const open of [...ada, ...bob])
      await assert.rejects(open().responses.next(), refusedBy('guests.limits.maxReaders'))
    for (const stream of opened) stream.cancel()
    await Promise.allSettled(first)
  })
})

describe('a trace of calls', () => {
  it('has the calls that end at the server, as they are asked for', async (test) => {
    const { there, look, dialer, listener } = await connected(test)
    const all = collect<CallRecord>(look.trace())
    const failed = collect<CallRecord>(look.trace({ failed: true, side: 'handler' }))
    const none = collect<CallRecord>(look.trace({ slowerThanMs: 60_000 }))
    const callers = collect<CallRecord>(look.trace({ side: 'caller' }))
    await until(() => channels.handle.asyncEnd.hasSubscribers && channels.call.asyncEnd.hasSubscribers, 'it listens')
    await until(async () => {
      await there.request('echo', Buffer.alloc(100))
      return all.items.length > 0
    }, 'a record')
    await until(async () => {
      await rejection(there.request(boom))
      return failed.items.length > 0
    }, 'a failed one')
    const { side, host, kind, handler, subroute, code, bytesIn, bytesOut, skipped, startedAt, durationMs } =
      all.items[0] ?? assert.fail('no record')
    assert.deepEqual([side, host, kind, handler, subroute], ['handler', dialer.name, 'single', 'echo', ''])
    assert.deepEqual([code, bytesIn, bytesOut, skipped], ['OK', 100, 100, 0])
    assert.ok(durationMs >= 0 && Math.abs(startedAt - Date.now()) < 60_000)
    assert.ok(failed.items.every((each) => each.handler === 'boom' && each.code === 'E_NO'))
    assert.deepEqual([none.items, callers.items], [[], []])
    assert.ok([...all.items, ...failed.items].every((each) => each.subroute !== '$grid'))
    await Promise.all([all.stop(), failed.stop(), none.stop(), callers.stop()])
    const isOver = () => !channels.handle.asyncEnd.hasSubscribers && !channels.call.asyncEnd.hasSubscribers
    await until(isOver, 'nobody listens any more')
    await until(() => listener.manager.stats().inboundStreams === 0, 'nothing is open')
  })

  it('is bounded: what a slow reader does not take is left out and counted', async (test) => {
    const { there, look } = await connected(test)
    const trace = look.trace({ handler: 'echo' })
    const first = trace.responses.next()
    await until(() => channels.handle.asyncEnd.hasSubscribers, 'it listens')
    for (let n = 0; n < 600; n++) await there.request('echo', Buffer.of(1))
    let [got, skipped] = [(await first).done === true ? 0 : 1, 0]
    while (got + skipped < 600) {
      const { value, done } = await trace.responses.next()
      assert.ok(!done)
      got++
      skipped += value.skipped
    }
    assert.ok(skipped > 0 && got < 500, `${got} were kept, ${skipped} left out`)
    trace.cancel()
  })
})
