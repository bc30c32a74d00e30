/**
 * The last events: `recent` of a connection and of a manager, and of the error of a call whose conn was lost.
 */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { inspect } from 'node:util'
import {
  DisconnectedError,
  type FailedCalls,
  type GridEvent,
  type HandlerStats,
  type ManagerOptions,
  single,
  type Waits
} from '../../lib/index.ts'
import { spend } from '../support/clock/machine.ts'
import { Gate } from '../support/gate.ts'
import { namesInOrder } from '../support/grid/manager.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { settled, until } from '../support/until.ts'

const hold = single<void, string>('hold')

async function connected(test: TestContext, ofListener: Partial<ManagerOptions> = {}) {
  const servers = new Servers(test)
  const pair = await servers.pair({}, ofListener)
  const gate = new Gate()
  pair.listener.manager.handle(hold, async () => {
    await gate.opened
    return 'done'
  })
  await Promise.all([pair.there.waitForConnect(), pair.back.waitForConnect()])
  return { ...pair, servers, gate }
}

type Of<Type> = Extract<GridEvent, { readonly type: Type }>

function all<Type extends GridEvent['type']>(events: readonly GridEvent[], type: Type): Of<Type>[] {
  return events.filter((event): event is Of<Type> => event.type === type)
}

function find(served: readonly HandlerStats[], handler: string): HandlerStats {
  return served.find((each) => each.handler === handler) ?? assert.fail(`no ${handler}`)
}

const types = (events: readonly GridEvent[]) => events.map(({ type }) => type)

describe('the recent events of a connection', () => {
  it('tell of the dial, the hello and each state, at both ends, in their order', async (test) => {
    const before = Date.now()
    const { there, back, dialer, listener } = await connected(test)
    assert.deepEqual(types(there.recent), ['state', 'dial', 'hello', 'state'])
    assert.deepEqual(types(back.recent), ['state', 'hello', 'state', 'state'])
    const [state, dial, hello] = there.recent
    const { seq = 0, at = 0 } = state ?? {}
    assert.ok(at >= before && at <= Date.now())
    const common = { at, seq, host: there.host, local: dialer.name }
    assert.deepEqual(state, { ...common, type: 'state', state: 'connecting', previous: 'idle' })
    assert.ok(dial?.type === 'dial' && dial.durationMs > 0 && !('error' in dial))
    assert.ok(hello?.type === 'hello')
    assert.equal(hello.instance, listener.manager.instance)
    const numbers = there.recent.map((event) => event.seq)
    assert.deepEqual(
      numbers,
      [...numbers].sort((a, b) => a - b)
    )
    assert.deepEqual(JSON.parse(JSON.stringify(there.recent)), there.recent)
  })

  it('tell how a conn was lost, and that dials failed by what', async (test) => {
    const { there, listener } = await connected(test)
    await listener.kill()
    await until(() => all(there.recent, 'dial').some(({ error }) => error !== undefined), 'a dial has failed')
    const [close] = all(there.recent, 'close')
    assert.ok(close !== undefined && close.message !== '')
    const failed = all(there.recent, 'dial').find(({ error }) => error !== undefined)
    assert.equal(failed?.error?.code, 'ERR_DIAL')
    assert.match(failed?.error?.message ?? '', /ECONNREFUSED|refused/)
  })

  it('tell how many calls failed by that, and whether their handlers may have run', async (test) => {
    const { there, back, listener, servers, gate } = await connected(test)
    await there.request(hold, undefined, { signal: AbortSignal.abort() }).catch(() => undefined)
    const proxy = await servers.proxy(listener)
    listener.server.cut()
    await until(() => there.state === 'connected' && proxy.size > 0, 'connected through the proxy')
    const calls: Promise<unknown>[] = [there.request(hold), there.request(hold)]
    await until(() => back.stats().served.running === 2, 'they run')
    proxy.impair({ blackhole: true }, 'inbound')
    // More than what conns hold.
    for (let n = 0; n < 4; n++) calls.push(there.request('hold', Buffer.alloc(12 * 1024 * 1024)))
    const isStuck = ({ count, oldestMs = 0 }: Waits) => count > 0 && oldestMs > 100
    await until(() => isStuck(there.stats().waits.conn), 'some cannot be sent')
    // On a slow machine more may have gone since, so that each of them has begun.
    await settled(() => there.stats().session?.bytesOut ?? 0)
    calls.push(there.request(hold))
    proxy.cut()
    const failed = { notSent: 0, maybeRan: 0 }
    for (const error of await Promise.all(calls.map(rejection))) failed[error.delivery as keyof FailedCalls]++
    assert.ok(failed.notSent > 0 && failed.maybeRan > 1, JSON.stringify(failed))
    assert.deepEqual(
      all(there.recent, 'close').map((each) => each.failed),
      [{ notSent: 0, maybeRan: 0 }, failed]
    )
    assert.deepEqual(all(back.recent, 'close').at(-1)?.failed, { notSent: 0, maybeRan: 0 })
    gate.open()
  })

  it('tell who goes away, why and until when, at both ends', async (test) => {
    const { there, back, listener, gate } = await connected(test)
    const call = there.request(hold)
    await until(() => back.stats().served.running === 1, 'it runs')
    const closing = listener.manager.close({ timeout: 30_000 })
    await until(() => all(there.recent, 'goAway').length === 1, 'told')
    const [inbound] = all(there.recent, 'goAway')
    const [outbound] = all(back.recent, 'goAway')
    assert.deepEqual([inbound?.direction, inbound?.reason], ['inbound', 'shutdown'])
    assert.deepEqual([outbound?.direction, outbound?.reason], ['outbound', 'shutdown'])
    const graceMs = (inbound?.deadline ?? 0) - Date.now()
    assert.ok(graceMs > 0 && graceMs <= 30_000, `${graceMs} ms`)
    gate.open()
    await call
    await closing
    await until(() => all(there.recent, 'close').some(({ reason }) => reason === 'shutdown'), 'closed')
  })

  it('tell which calls were reset or refused, by whom and why, and nothing of their payload', async (test) => {
    const { there, back } = await connected(test, { limits: { maxInboundStreams: 1 } })
    const controller = new AbortController()
    const first = rejection(there.request(hold, undefined, { signal: controller.signal }))
    assert.equal((await rejection(there.request(hold))).reason, 'tooManyStreams')
    controller.abort(new Error('a secret'))
    await first
    await until(() => all(back.recent, 'reset').length === 1, 'the reset has arrived')
    const pick = ({ direction, reason, handler }: Of<'reset'> | Of<'refused'>) => [direction, reason, handler]
    assert.deepEqual(all(there.recent, 'refused').map(pick), [['outbound', 'tooManyStreams', 'hold']])
    assert.deepEqual(all(back.recent, 'refused').map(pick), [['inbound', 'tooManyStreams', 'hold']])
    assert.deepEqual(all(there.recent, 'reset').map(pick), [['outbound', 'cancelled', 'hold']])
    assert.deepEqual(all(back.recent, 'reset').map(pick), [['inbound', 'cancelled', 'hold']])
    assert.doesNotMatch(JSON.stringify([there.recent, back.recent]), /a secret/)
  })

  it('are at most 256, and resets in any number leave those of the life of the connection', async (test) => {
    const { there, listener } = await connected(test)
    for (let n = 0; n < 300; n++) {
      const signal = AbortSignal.timeout(60_000)
      const controller = new AbortController()
      const call = rejection(there.request(hold, undefined, { signal: AbortSignal.any([signal, controller.signal]) }))
      controller.abort()
      await call
    }
    assert.equal(all(there.recent, 'reset').length, 64)
    assert.deepEqual(types(there.recent).slice(0, 3), ['state', 'dial', 'hello'])
    for (let n = 1; n <= 60; n++) {
      listener.server.cut()
      await until(() => there.stats().reconnects === n, 'connected again')
    }
    assert.equal(there.recent.length, 256)
    assert.equal(there.recent.at(-1)?.type, 'state')
  })

  it('are a copy', async (test) => {
    const { there } = await connected(test)
    const { recent } = there
    assert.notEqual(there.recent, recent)
    assert.deepEqual(there.recent, recent)
  })
})

describe('the error of a call whose conn was lost', () => {
  it('has what happened before, not enumerable, and no later event', async (test) => {
    const { there, listener } = await connected(test)
    const call = rejection(there.request(hold))
    await until(() => there.stats().called.running === 1, 'it runs')
    listener.server.cut()
    const error = await call
    assert.ok(DisconnectedError.is(error))
    await until(() => there.stats().reconnects === 1, 'connected again')
    const { recent } = error
    assert.ok(types(recent).includes('hello') && types(recent).includes('close'))
    assert.ok(recent.length < there.recent.length)
    assert.doesNotMatch(inspect(error), /recent/)
    assert.doesNotMatch(JSON.stringify(error), /recent/)
    assert.deepEqual(Object.keys(error).includes('recent'), false)
  })

  it('has them where a call fails because there is no connection', async (test) => {
    const { there, listener } = await connected(test)
    await listener.kill()
    await until(() => there.state === 'waiting', 'lost')
    const error = await rejection(there.request(hold))
    assert.ok(DisconnectedError.is(error))
    assert.ok(types(error.recent).includes('close'))
    assert.deepEqual(new DisconnectedError('lost', 'made by hand').recent, [])
  })
})

describe('the recent events of a manager', () => {
  it('tell of mistakes of handlers, with their caller', async (test) => {
    const { there, dialer, listener } = await connected(test)
    listener.manager.handle('bad', () => (undefined as never as { x: Uint8Array }).x, { subroute: 'disk1' })
    await rejection(there.subroute('disk1').request('bad', Buffer.of(1), { waitForReady: true }))
    const [event] = listener.manager.recent
    const { seq = 0, at = 0 } = event ?? {}
    const what = { type: 'mistake', kind: 'single', handler: 'bad', subroute: 'disk1', name: 'TypeError' }
    assert.deepEqual(event, { ...what, seq, at, host: dialer.name, local: listener.name })
  })

  it('tell of a turn that took long, once', async (test) => {
    const { there, listener } = await connected(test)
    listener.manager.handle('busy', (payload) => {
      spend(150)
      return payload
    })
    await there.request('busy', Buffer.of(1), { waitForReady: true })
    const slow = all(listener.manager.recent, 'slowTurn').filter(({ durationMs }) => durationMs >= 149)
    assert.ok(slow.length >= 1)
    assert.equal(slow[0]?.host, listener.name)
  })

  it('tell of no long turn where a handler waits', async (test) => {
    const { there, listener } = await connected(test)
    let tookMs = 0
    listener.manager.handle('waits', async (payload) => {
      const startMs = performance.now()
      await until(() => performance.now() - startMs >= 400, 'it has waited')
      tookMs = performance.now() - startMs
      return payload
    })
    await there.request('waits', Buffer.of(1), { waitForReady: true })
    await until(() => find(listener.manager.stats().served, 'waits').running === 0, 'it is counted')
    const slow = all(listener.manager.recent, 'slowTurn').map(({ durationMs }) => durationMs)
    assert.ok(
      slow.every((durationMs) => durationMs < tookMs),
      `${slow} ms, where it took ${tookMs} ms`
    )
  })

  it('tell of a turn in which a handler held up the event loop before it waited', async (test) => {
    const { there, listener, gate } = await connected(test)
    listener.manager.handle('busy', async (payload) => {
      spend(150)
      await gate.opened
      return payload
    })
    const call = there.request('busy', Buffer.of(1), { waitForReady: true })
    const isTold = () => all(listener.manager.recent, 'slowTurn').some(({ durationMs }) => durationMs >= 149)
    await until(isTold, 'it is told while the call is open')
    gate.open()
    await call
  })

  it('tell of peers that are refused and not in the list; those in the list have them at their connection', async (test) => {
    const servers = new Servers(test)
    const [a, b] = namesInOrder()
    const { manager } = await servers.node(b, [b])
    const stranger = await servers.node(a, [a, b])
    await until(() => all(manager.recent, 'refused').length > 0, 'it is refused')
    const [event] = all(manager.recent, 'refused')
    assert.deepEqual([event?.direction, event?.reason, event?.host], ['inbound', 'unknownHost', a])
    const there = stranger.manager.connection(b)
    await until(() => all(there.recent, 'refused').length > 0, 'it is told')
    const [told] = all(there.recent, 'refused')
    assert.deepEqual([told?.direction, told?.reason, told?.host], ['outbound', 'unknownHost', b])
  })
})
