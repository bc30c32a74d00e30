/** The signals that callers hand over and handlers are given: any number of calls, and signals that are not of Node. */

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, it, type TestContext } from 'node:test'
import { InnerSignal } from '../../lib/base/abort.ts'
import { type CallerInterceptor, type ManagerOptions, streaming } from '../../lib/index.ts'
import { ForeignSignal } from '../support/calls/foreign-signal.ts'
import { Gate } from '../support/gate.ts'
import { namesInOrder } from '../support/grid/manager.ts'
import { assertIdle } from '../support/grid/nothing-left.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const feed = streaming<void, never, number>('feed', { inCapacity: 0 })
const calls = 50

/** Two servers that are connected, whose handlers answer when the gate opens. */
async function connected(test: TestContext, ofDialer: Partial<ManagerOptions> = {}) {
  const { there, back, dialer, listener } = await new Servers(test).pair(ofDialer)
  const gate = new Gate()
  const managers = [dialer.manager, listener.manager]
  for (const manager of managers) {
    manager.handle('slow', async (payload) => {
      await gate.opened
      return payload
    })
    manager.handle(feed, async function* () {
      await gate.opened
      yield 1
    })
  }
  await Promise.all([there.waitForConnect(), back.waitForConnect()])
  return { there, back, gate, managers, listener: listener.manager }
}

/** A connection to a host that is not there. */
async function absent(test: TestContext) {
  const [a, b] = namesInOrder()
  const { manager } = await new Servers(test).node(a, [a, b], { dialer: () => new Promise(() => {}) })
  return manager.connection(b)
}

/** The warnings of Node until the spec ends. */
function warningsIn(test: TestContext): Error[] {
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  test.after(() => process.off('warning', onWarning))
  return warnings
}

async function drain(stream: AsyncIterable<number>): Promise<void> {
  for await (const value of stream) assert.equal(value, 1)
}

function listenersOf(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length
}

describe('a signal that many share', () => {
  it('has one listener of ours for all requests and streams, and none behind them', async (test) => {
    const { there, gate } = await connected(test)
    const { signal } = new AbortController()
    const results: Promise<unknown>[] = []
    for (let count = 0; count < calls; count++) {
      results.push(there.request('slow', undefined, { signal }), drain(there.newStream(feed, undefined, { signal })))
    }
    assert.equal(listenersOf(signal), 1)
    gate.open()
    await Promise.all(results)
    assert.equal(listenersOf(signal), 0)
  })

  it('has one listener of ours for all that wait for a connection, and none behind them', async (test) => {
    const connection = await absent(test)
    const controller = new AbortController()
    const { signal } = controller
    const options = { signal, waitForReady: true }
    const waits: Promise<unknown>[] = []
    for (let count = 0; count < calls; count++) {
      waits.push(
        connection.waitForConnect({ signal }),
        connection.request('slow', undefined, options),
        connection.newStream(feed, undefined, options).responses.next()
      )
    }
    const outcomes = Promise.allSettled(waits)
    assert.equal(listenersOf(controller.signal), 1)
    const reason = new Error('enough')
    controller.abort(reason)
    for (const outcome of await outcomes) assert.deepEqual(outcome, { status: 'rejected', reason })
    assert.equal(listenersOf(controller.signal), 0)
  })

  it('may be that of a handler, whatever else listens to it, without a warning', async (test) => {
    const { there, back, gate, listener } = await connected(test)
    const warnings = warningsIn(test)
    let heard = 0
    listener.handle('fan', async (payload, { signal }) => {
      for (let count = 0; count < calls; count++) signal.addEventListener('abort', () => heard++)
      await Promise.all(Array.from({ length: calls }, () => back.request('slow', undefined, { signal })))
      return payload
    })
    const controller = new AbortController()
    await until(async () => {
      const error = await rejection(there.request('fan', undefined, { signal: AbortSignal.timeout(1) }))
      return error.name !== 'UnknownHandlerError'
    }, 'the handler is known')
    await until(() => heard === calls, 'the signal of the handler has told all')
    gate.open()
    await there.request('fan', undefined, { signal: controller.signal })
    assert.equal(heard, calls)
    await new Promise(setImmediate)
    assert.deepEqual(warnings, [])
  })
})

/** How many listen to signals within the library of those that began to since. */
function listeningWithin(test: TestContext): () => number {
  const { add } = InnerSignal.prototype
  const listening = new Set<() => void>()
  test.mock.method(InnerSignal.prototype, 'add', function (this: InnerSignal, onAbort: (reason: unknown) => void) {
    const leave = add.call(this, onAbort)
    const counted = () => {
      listening.delete(counted)
      leave()
    }
    listening.add(counted)
    return counted
  })
  return () => listening.size
}

describe('calls with interceptors', () => {
  it('leave no listener and no timer behind, whatever signals they have', async (test) => {
    const own = new AbortController()
    const caller: CallerInterceptor = {
      single: (_call, next) => next({ signal: own.signal }),
      async *streaming(_call, next) {
        yield* next({ signal: own.signal })
      }
    }
    const { there, gate } = await connected(test, { interceptors: { caller: [caller] } })
    const { signal } = new AbortController()
    const within = listeningWithin(test)
    const timers = () => process.getActiveResourcesInfo().filter((type) => type === 'Timeout').length
    const timersBefore = timers()
    const options = { signal, timeout: 600_000 }
    const results: Promise<unknown>[] = []
    for (let count = 0; count < calls; count++) {
      results.push(there.request('slow', undefined, options), drain(there.newStream(feed, undefined, options)))
    }
    assert.deepEqual([listenersOf(signal), listenersOf(own.signal), within() > calls], [1, 1, true])
    assert.ok(timers() >= timersBefore + calls)
    gate.open()
    await Promise.all(results)
    const left = () => [listenersOf(signal), listenersOf(own.signal), within()]
    await until(() => left().every((count) => count === 0), 'nothing listens any more')
    await until(() => timers() < timersBefore + calls / 2, 'no timer is left')
  })

  it('listen to the end of their connection while nothing of them is sent, and no longer', async (test) => {
    const gate = new Gate()
    const caller: CallerInterceptor = { single: (call) => gate.opened.then(() => call.payload) }
    const { there } = await connected(test, { interceptors: { caller: [caller] } })
    const within = listeningWithin(test)
    const results = Array.from({ length: calls }, () => there.request('slow', new Uint8Array(1)))
    assert.equal(within(), calls)
    gate.open()
    await Promise.all(results)
    assert.equal(within(), 0)
  })
})

it('any number may listen to the states of a connection without a warning', async (test) => {
  const connection = await absent(test)
  const warnings = warningsIn(test)
  let heard = 0
  for (let count = 0; count < calls; count++) connection.on('state', () => heard++)
  await until(() => heard === calls, 'all have heard')
  await new Promise(setImmediate)
  assert.deepEqual(warnings, [])
})

describe('a signal that is not one of Node', () => {
  it('cancels with its reason, and with an AbortError where it has none', async (test) => {
    const { there, managers } = await connected(test)
    const given = new Error('enough')
    const thrown = new Error('no reason')
    const foreign = [
      new ForeignSignal(() => given),
      new ForeignSignal(),
      new ForeignSignal(() => {
        throw thrown
      })
    ]
    for (const each of foreign) {
      const { signal } = each
      const request = rejection(there.request('slow', undefined, { signal }))
      const stream = there.newStream(feed, undefined, { signal })
      const next = rejection(stream.responses.next())
      each.abort()
      const before = rejection(there.request('slow', undefined, { signal }))
      const errors = [await request, await next, (await stream.closed).error, await before] as Error[]
      for (const error of errors) {
        if (each === foreign[1]) assert.deepEqual([error.constructor, error.name], [DOMException, 'AbortError'])
        else assert.equal(error, each === foreign[0] ? given : thrown)
      }
      assert.equal((await stream.closed).how, 'cancelled')
      assert.equal(each.listeners, 0)
    }
    await assertIdle(managers)
  })

  it('fails only the calls that it is handed to where it takes no listener, and nothing is left of them', async (test) => {
    const { there, back, gate, managers } = await connected(test)
    const { signal } = new ForeignSignal(undefined, 'add')
    const other = there.request('slow')
    assert.equal((await rejection(there.request('slow', undefined, { signal }))).message, 'no more listeners')
    const stream = there.newStream(feed, undefined, { signal, timeout: 60_000 })
    assert.equal((await rejection(stream.responses.next())).message, 'no more listeners')
    assert.equal((await stream.closed).how, 'failed')
    gate.open()
    await other
    await assertIdle(managers)
    assert.deepEqual([there.stats().reconnects, back.stats().reconnects], [0, 0])
  })

  it('fails only the wait that it is handed to where it takes no listener', async (test) => {
    const connection = await absent(test)
    const { signal } = new ForeignSignal(undefined, 'add')
    assert.equal((await rejection(connection.waitForConnect({ signal }))).message, 'no more listeners')
    const stream = connection.newStream(feed, undefined, { signal, waitForReady: true })
    assert.equal((await rejection(stream.responses.next())).message, 'no more listeners')
    assert.equal((await stream.closed).how, 'failed')
  })

  it('ends its call where it aborts as it is listened to, and nothing is left', async (test) => {
    const { there, managers } = await connected(test)
    const moments: ((foreign: ForeignSignal) => unknown)[] = [
      (foreign) => {
        let looks = 0
        Object.defineProperty(foreign, 'aborted', { get: () => looks++ > 0 })
      },
      (foreign) => {
        const listen = foreign.addEventListener
        foreign.addEventListener = (type, listener) => {
          listen.call(foreign, type, listener)
          foreign.abort()
        }
      },
      (foreign) => {
        foreign.addEventListener = () => foreign.abort()
      }
    ]
    for (const [hasReason, abort] of moments.flatMap((abort) => [true, false].map((has) => [has, abort] as const))) {
      const given = hasReason ? new Error('enough') : undefined
      const make = () => {
        const foreign = new ForeignSignal(() => given)
        abort(foreign)
        return foreign
      }
      const [one, other] = [make(), make()]
      const stream = there.newStream(feed, undefined, { signal: one.signal })
      const errors = [
        rejection(there.request('slow', undefined, { signal: other.signal })),
        rejection(stream.responses.next())
      ]
      for (const error of await Promise.all(errors)) {
        if (hasReason) assert.equal(error, given)
        else assert.equal(error.name, 'AbortError')
      }
      assert.equal((await stream.closed).how, 'cancelled')
      assert.deepEqual([one.listeners, other.listeners], [0, 0])
    }
    await assertIdle(managers)
  })

  it('ends nothing where it lets no listener go', async (test) => {
    const { there, back, gate, managers } = await connected(test)
    const foreign = new ForeignSignal(undefined, 'remove')
    const { signal } = foreign
    const results = [there.request('slow', undefined, { signal }), drain(there.newStream(feed, undefined, { signal }))]
    gate.open()
    await Promise.all(results)
    await there.request('slow', undefined, { signal })
    await assertIdle(managers)
    foreign.abort()
    assert.deepEqual([there.stats().reconnects, back.stats().reconnects], [0, 0])
  })

  it('is refused where it cannot be listened to', async (test) => {
    const { there } = await connected(test)
    for (const wrong of [{ addEventListener() {} }, new AbortController(), null]) {
      const signal = wrong as unknown as AbortSignal
      const stream = there.newStream(feed, undefined, { signal })
      for (const call of [there.request('slow', undefined, { signal }), stream.responses.next()]) {
        assert.deepEqual([(await rejection(call)).name, (await stream.closed).how], ['InvalidOptionError', 'failed'])
      }
      assert.equal((await rejection(there.waitForConnect({ signal }))).name, 'InvalidOptionError')
    }
  })
})
