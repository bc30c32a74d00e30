/**
 * `it-grid/nestjs`: what a user of NestJS microservices knows of their transports holds over a grid, and what only a grid can
 * do. Two servers in one process; docs/frameworks.md and `nestjs-processes.spec.ts` have processes.
 */

import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { json, streaming } from 'it-grid'
import {
  GridClient,
  type GridClientOptions,
  type GridContext,
  GridServer,
  type GridServerOptions
} from 'it-grid/nestjs'
import { EmptyError, firstValueFrom, lastValueFrom, range, take, tap, timeout, toArray } from 'rxjs'
import { Gate } from '../support/gate.ts'
import { openGrid } from '../support/grid/grid.ts'
import { rejection } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'
import { happened, startApp } from './nestjs-app.ts'

/** An app at the second of two servers, and a client at the first one. */
async function appAndClient(ofServer: GridServerOptions = {}, ofClient: GridClientOptions = {}) {
  const grid = await openGrid(2)
  const app = await startApp(grid.at(1), ofServer)
  const client = new GridClient(grid.at(0), ofClient)
  const served = () => grid.at(0).connections[0]?.handlers.length
  await until(() => served() === grid.at(1).handlers.length, 'its patterns are known')
  return {
    ...{ grid, app, client },
    ask: <T>(pattern: unknown, data: unknown = 0) => firstValueFrom(client.send<T>(pattern, data)),
    all: <T>(pattern: unknown, data: unknown = 0) => lastValueFrom(client.send<T>(pattern, data).pipe(toArray())),
    async [Symbol.asyncDispose]() {
      client.close()
      await app.close()
      await grid[Symbol.asyncDispose]()
    }
  }
}

const saw = (what: string) => until(() => happened.includes(what), `it happens: ${what}, of ${happened}`)

beforeEach(() => {
  happened.length = 0
})

describe('a message to a controller', () => {
  it('is answered by what the method returns: a value, a promise, nothing', async () => {
    await using nest = await appAndClient()
    assert.equal(await nest.ask({ cmd: 'sum', version: 1 }, [1, 2, 3]), 6)
    assert.deepEqual(await nest.ask('later', { deep: [{ x: 1 }] }), { deep: [{ x: 1 }] })
    assert.equal(await nest.ask('nothing'), null)
  })

  it('finds its pattern whatever the order of the keys', async () => {
    await using nest = await appAndClient()
    assert.equal(await nest.ask({ version: 1, cmd: 'sum' }, [1]), 1)
  })

  it('keeps dates, bytes and instances of classes as their data', async () => {
    await using nest = await appAndClient()
    class Dto {
      at = new Date(0)
      bytes = Buffer.from([1, 2])
      label(): string {
        return ''
      }
    }
    const { at, bytes } = await nest.ask<Dto>('later', new Dto())
    assert.deepEqual([at, [...bytes]], [new Date(0), [1, 2]])
  })

  it('is JSON where both ends say so', async () => {
    await using nest = await appAndClient({ codec: json() }, { codec: json() })
    assert.equal(await nest.ask('later', new Date(0)), '1970-01-01T00:00:00.000Z')
    assert.equal(await nest.ask('nothing'), null)
  })

  it('tells the controller of its call: who, until when, with which metadata', async () => {
    await using nest = await appAndClient({}, { timeout: 5000 })
    nest.client.setOnDispatchHook((packet) => {
      packet.metadata = { trace: 'abc' }
    })
    const { host, deadline, ...known } = await nest.ask<{ host: string; deadline: number }>('who')
    assert.equal(host, nest.grid.at(0).local)
    assert.ok(Math.abs(deadline - Date.now()) < 60_000)
    assert.deepEqual(known, { pattern: 'who', metadata: { trace: 'abc' } })
  })

  it('is sent at each subscription, and never before', async () => {
    await using nest = await appAndClient()
    const made = nest.client.send('ticks', 'a').pipe(take(1))
    assert.deepEqual(happened, [])
    await firstValueFrom(made)
    await firstValueFrom(made)
    await until(() => happened.length === 2, 'both have ended')
  })

  it('reaches the handlers of plain programs, and controllers are reached by them', async () => {
    await using nest = await appAndClient({ subroute: 'app' }, { subroute: 'app' })
    const count = streaming<number, never, number>('count', { inCapacity: 0 })
    const stream = nest.grid.at(0).any(count, 2, { subroute: 'app' })
    const values: number[] = []
    for await (const value of stream) values.push(value)
    assert.deepEqual(values, [0, 1])
    nest.grid
      .at(1)
      .handle(streaming<number, never, number>('plain', { inCapacity: 0 }), (n) => [n, n], { subroute: 'app' })
    await until(
      () => nest.grid.at(0).connections[0]?.handlers.some(({ handler }) => handler === 'plain') === true,
      'known'
    )
    assert.deepEqual(await nest.all('plain', 7), [7, 7])
  })
})

describe('an observable of a controller', () => {
  it('gives all of its values in order, and completes, also without one', async () => {
    await using nest = await appAndClient()
    assert.deepEqual(
      await nest.all('count', 5000),
      Array.from({ length: 5000 }, (_, n) => n)
    )
    assert.deepEqual(await nest.all('empty'), [])
    assert.ok((await rejection(nest.ask('empty'))) instanceof EmptyError)
  })

  it('is unsubscribed at its server when the caller unsubscribes, also while it is silent', async () => {
    await using nest = await appAndClient()
    assert.equal(await firstValueFrom(nest.client.send('ticks', 'a').pipe(take(1))), 'a begins')
    await saw('a unsubscribed')
    const subscription = nest.client.send('silence', 'b').subscribe()
    await saw('b is silent')
    subscription.unsubscribe()
    await saw('b unsubscribed')
  })

  it('is unsubscribed when its caller is gone', async () => {
    await using nest = await appAndClient()
    const failed = rejection(nest.all('silence', 'c'))
    await saw('c is silent')
    nest.grid.cut()
    await saw('c unsubscribed')
    assert.deepEqual([(await failed).code, (await failed).delivery], ['ERR_DISCONNECTED', 'maybeRan'])
    await nest.grid.connected()
  })

  it('fails after its values', async () => {
    await using nest = await appAndClient()
    const values: unknown[] = []
    const error = await rejection(lastValueFrom(nest.client.send('breaks', 0).pipe(tap((value) => values.push(value)))))
    assert.deepEqual([values, error], [[1, 2], { code: 'BROKEN', at: 3 }])
  })

  it('may not give more than its caller takes without end', async () => {
    await using nest = await appAndClient({ maxAhead: 1000 })
    const error = await rejection(nest.all('count', 1001))
    assert.equal(error.code, 'ERR_MAX_AHEAD')
    assert.match(error.message, /1000 values .*\(maxAhead\): an async generator/)
    assert.equal((await nest.all('count', 1000)).length, 1000)
  })

  it('is stopped at its bound, also when it gives all at once', async () => {
    await using grid = await openGrid(2)
    let given = 0
    const strategy = new GridServer(grid.at(1), { maxAhead: 10 })
    strategy.addHandler('flood', async () => range(0, 1_000_000).pipe(tap(() => given++)))
    strategy.listen(() => undefined)
    const flood = new GridClient(grid.at(0), { waitForReady: true }).send('flood', 0)
    assert.equal((await rejection(lastValueFrom(flood))).code, 'ERR_MAX_AHEAD')
    assert.ok(given <= 12, `${given} values`)
    await strategy.close()
  })

  it('goes through interceptors, for which an async generator is one value', async () => {
    await using nest = await appAndClient()
    assert.deepEqual(await nest.all('doubled', 3), [0, 2, 4])
    assert.deepEqual(await nest.all('doubled-generated', 3), [0, 1, 2])
  })
})

describe('an async generator of a controller', () => {
  it('waits at its yield until its caller takes more, and ends with it', async () => {
    await using nest = await appAndClient()
    const stream = nest.grid
      .at(0)
      .any(streaming<number, never, number>('generated', { inCapacity: 0, outCapacity: 4 }), 10_000)
    assert.deepEqual(await stream.responses.next(), { done: false, value: 0 })
    const made = () => happened.filter((what) => what.startsWith('made')).length
    await until(() => made() > 100, 'it has filled the window')
    assert.ok(made() < 200, `it made ${made()}`)
    stream.cancel()
    await saw('generator ended')
  })

  it('gives all to an observable', async () => {
    await using nest = await appAndClient()
    assert.deepEqual(
      await nest.all('generated', 300),
      Array.from({ length: 300 }, (_, n) => n)
    )
  })
})

describe('what a controller throws', () => {
  const given: [string, unknown][] = [
    ['rpc', { status: 'error', message: 'no such account' }],
    ['rpc-object', { code: 'NO_ACCOUNT', account: 8 }],
    ['mistake', { status: 'error', message: 'Internal server error' }],
    ['filtered', { filtered: 'too far' }],
    ['forbidden', { status: 'error', message: 'Forbidden resource' }],
    ['large', { status: 'error', message: 'a large one' }]
  ]
  for (const [pattern, error] of given) {
    it(`arrives as with other transports: ${pattern}`, async () => {
      await using nest = await appAndClient()
      assert.deepEqual(await rejection(nest.ask(pattern)), error)
    })
  }
})

describe('a message that cannot be answered', () => {
  it('fails at once where no server has its pattern, or only for events', async () => {
    await using nest = await appAndClient()
    for (const pattern of ['nobody', { cmd: 'nobody' }, { cmd: 'sum' }, 'created', 'over-tcp']) {
      const error = await rejection(nest.ask(pattern))
      assert.deepEqual([error.code, error.delivery], ['ERR_UNKNOWN_HANDLER', 'notSent'])
      assert.match(error.message, /has a .*handler/)
    }
  })

  it('fails at once where no server is connected, unless it waits', async () => {
    await using nest = await appAndClient({}, { timeout: 60_000 })
    await nest.app.close()
    await nest.grid.stop(1)
    const waiting = new GridClient(nest.grid.at(0), { waitForReady: true })
    await until(() => nest.grid.at(0).connections[0]?.state !== 'connected', 'it is gone')
    assert.equal((await rejection(nest.ask('later'))).code, 'ERR_DISCONNECTED')
    const later = firstValueFrom(waiting.send('later', 1))
    const never = rejection(
      firstValueFrom(new GridClient(nest.grid.at(0), { waitForReady: true, timeout: 30 }).send('later', 1))
    )
    assert.equal((await never).code, 'ERR_DISCONNECTED')
    await nest.grid.restart(1)
    const app = await startApp(nest.grid.at(1))
    assert.equal(await later, 1)
    await app.close()
  })

  it('ends by its deadline, at both ends', async () => {
    await using nest = await appAndClient({}, { timeout: 50 })
    assert.equal((await rejection(nest.ask('hang'))).code, 'ERR_DEADLINE')
    await saw('aborted: ERR_DEADLINE')
  })

  it('ends by timeout() of RxJS, at both ends', async () => {
    await using nest = await appAndClient()
    const asked = firstValueFrom(nest.client.send('hang', 0).pipe(timeout(50)))
    assert.equal((await rejection(asked)).name, 'TimeoutError')
    await saw('aborted: ERR_CANCELLED')
  })

  it('fails when the client is closed, which may go on afterwards', async () => {
    await using nest = await appAndClient()
    const failed = rejection(nest.ask('silence', 'd'))
    await saw('d is silent')
    nest.client.close()
    assert.equal((await failed).code, 'ERR_CLOSED')
    await saw('d unsubscribed')
    assert.equal(await nest.ask('later', 1), 1)
  })

  it('and an event go to those of the named hosts that are in the grid now', async () => {
    await using nest = await appAndClient()
    const hosts = ['http://dropped.test:1', nest.grid.hosts[1] as string]
    const client = new GridClient(nest.grid.at(0), { hosts })
    assert.equal(await firstValueFrom(client.send('later', 1)), 1)
    await lastValueFrom(client.emit('created', 'y'), { defaultValue: undefined })
    await saw('created y')
  })

  it('is refused where its data, its pattern or a host is none', async () => {
    await using nest = await appAndClient()
    assert.equal((await rejection(nest.ask('later', new Map()))).code, 'ERR_CODEC')
    assert.equal((await rejection(nest.ask(''))).code, 'ERR_INVALID_OPTION')
    assert.equal((await rejection(nest.ask(true))).code, 'ERR_INVALID_OPTION')
    const lost = new GridClient(nest.grid.at(0), { hosts: ['http://elsewhere:1'] })
    assert.equal((await rejection(firstValueFrom(lost.send('later', 1)))).code, 'ERR_UNKNOWN_HOST')
  })
})

describe('an event', () => {
  it('is there when it is emitted, runs all handlers of its pattern, and nobody waits for them', async () => {
    await using nest = await appAndClient()
    await lastValueFrom(nest.client.emit('created', 'x'), { defaultValue: undefined })
    await saw('created x')
    await saw('also created x, of created')
  })

  it('is emitted without a subscription', async () => {
    await using nest = await appAndClient()
    nest.client.emit('created', 'y')
    await saw('created y')
  })

  it('fails when the client is closed while it waits for a server', async () => {
    await using grid = await openGrid(2)
    const client = new GridClient(grid.at(0), { waitForReady: true })
    const failed = rejection(lastValueFrom(client.emit('nobody', 0)))
    await new Promise(setImmediate)
    client.close()
    assert.equal((await failed).code, 'ERR_CLOSED')
  })

  it('may have the pattern of a message', async () => {
    await using nest = await appAndClient()
    assert.equal(await nest.ask('both', 'a'), 'asked a')
    await lastValueFrom(nest.client.emit('both', 'b'), { defaultValue: undefined })
    await saw('told b')
  })

  it('fails where nobody handles it, and not when its handler does', async () => {
    await using nest = await appAndClient()
    const emit = (pattern: string) => lastValueFrom(nest.client.emit(pattern, 'z'), { defaultValue: 'emitted' })
    for (const pattern of ['nobody', 'later'])
      assert.equal((await rejection(emit(pattern))).code, 'ERR_UNKNOWN_HANDLER')
    await emit('fails')
    assert.equal(await nest.ask('later', 1), 1)
  })
})

describe('the app', () => {
  it('lets what runs end when it closes, while new messages fail as not sent, and leaves the grid open', async () => {
    await using nest = await appAndClient()
    const hanging = nest.ask('hang')
    nest.client.emit('slow', 0)
    await saw('hangs')
    await saw('slow event begins')
    await nest.app.close()
    assert.ok(happened.includes('slow event ends'))
    assert.equal(await hanging, 'it drained')
    assert.equal((await rejection(nest.ask('later'))).code, 'ERR_UNKNOWN_HANDLER')
    assert.equal(nest.grid.at(1).handlers.length, 0)
    assert.equal(nest.grid.at(0).connections[0]?.state, 'connected')
  })

  it('fails observables that do not end within its grace', async () => {
    await using nest = await appAndClient({ close: { timeout: 10 } })
    const silent = rejection(nest.ask('silence', 'e'))
    await saw('e is silent')
    await nest.app.close()
    assert.equal((await silent).code, 'ERR_SHUTDOWN')
  })

  it('closes when what runs has ended, though it is closed twice', async () => {
    await using grid = await openGrid(2)
    const strategy = new GridServer(grid.at(1), { close: { timeout: Number.POSITIVE_INFINITY } })
    const gate = new Gate()
    strategy.addHandler('held', async () => await gate.opened)
    strategy.listen(() => undefined)
    const held = firstValueFrom(new GridClient(grid.at(0), { waitForReady: true }).send('held', 0))
    await until(() => grid.at(1).stats().connections[0]?.session?.runningHandlers === 1, 'it runs')
    const closed = [strategy.close(), strategy.close()]
    gate.open()
    await Promise.all(closed)
    assert.equal(await held, null)
  })

  it('keeps nothing of what was added to the signals of a call that is over', async () => {
    await using grid = await openGrid(2)
    const strategy = new GridServer(grid.at(1))
    const calls: GridContext[] = []
    strategy.addHandler('kept', async (_data, context: GridContext) => {
      calls.push(context)
      context.draining.addEventListener('abort', () => assert.fail('the call is over'))
    })
    strategy.listen(() => undefined)
    const client = new GridClient(grid.at(0), { waitForReady: true })
    for (const data of [1, 2]) await firstValueFrom(client.send('kept', data))
    const [one, two] = calls
    assert.ok(one !== undefined && two !== undefined)
    assert.equal(one.draining, one.draining)
    // A signal that both have would be that of the app, which outlives them.
    assert.notEqual(one.getArgByIndex(1), two.getArgByIndex(1))
    await strategy.close()
    assert.ok(!one.draining.aborted && !two.draining.aborted)
  })

  it('does not start where another handler has the name of a pattern, and takes back the others', async () => {
    await using grid = await openGrid(1)
    grid.at(0).handle(streaming<void, never, number>('later', { inCapacity: 0 }), () => [])
    await assert.rejects(startApp(grid.at(0)), { code: 'ERR_HANDLER_EXISTS' })
    assert.deepEqual(
      grid.at(0).handlers.map(({ handler }) => handler),
      ['later']
    )
    const app = await startApp(grid.at(0), { subroute: 'nest' })
    await app.close()
  })

  it('serves its own client where that is told so', async () => {
    await using grid = await openGrid(1)
    const app = await startApp(grid.at(0))
    const client = new GridClient(grid.at(0), { self: true })
    assert.equal(await firstValueFrom(client.send({ cmd: 'sum', version: 1 }, [1, 2])), 3)
    await app.close()
  })

  it('refuses options that there are not, and has the grid within', async () => {
    await using grid = await openGrid(1)
    const wrong = { subRoute: 'x' } as object
    assert.throws(() => new GridServer(grid.at(0), wrong), /GridServer has no option "subRoute"; it has subroute/)
    for (const [options, text] of [
      [{ maxAhead: 0.5 }, /maxAhead of GridServer must be a whole number/],
      [{ close: { timeout: -1 } }, /close\.timeout of GridServer must be/],
      [{ close: null as never }, /close of GridServer must be/],
      [{ close: { timeoutMs: 5 } as object }, /close of GridServer has no option "timeoutMs"; it has timeout/]
    ] as const) {
      assert.throws(() => new GridServer(grid.at(0), options), { code: 'ERR_INVALID_OPTION', message: text })
    }
    assert.throws(() => new GridClient(grid.at(0), wrong), /GridClient has no option "subRoute"; it has hosts/)
    for (const timeout of [0, -1, Number.NaN, '5' as unknown as number]) {
      const text = /timeout of GridClient must be a number above 0/
      assert.throws(() => new GridClient(grid.at(0), { timeout }), { code: 'ERR_INVALID_OPTION', message: text })
    }
    assert.equal(new GridServer(grid.at(0)).unwrap(), grid.at(0))
    assert.equal(new GridClient(grid.at(0)).unwrap(), grid.at(0))
    assert.throws(() => new GridServer(grid.at(0)).on('error'), /no event "error"/)
  })
})
