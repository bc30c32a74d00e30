/** `testGrid`: servers in memory, connected as in production, with each fault that a test may choose. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { type TestGrid, type TestGridOptions, testGrid } from '../../lib/extras/testing/index.ts'
import { dialerOf, type Manager, single, streaming } from '../../lib/index.ts'
import { Gate } from '../support/gate.ts'
import { rejection } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const hello = single<{ name: string }, string>('hello')
const wait = single<void, string>('wait')
const count = streaming<number, never, number>('count', { inCapacity: 0, outCapacity: 1 })

function setup(grid: Manager): void {
  grid.handle(hello, ({ name }, { remote }) => `hello ${name}, from ${remote.host}`)
  grid.handle(wait, (_none, { signal }) => once(signal, 'abort').then(() => 'aborted'))
  grid.handle(count, async function* (to) {
    for (let i = 0; i < to; i++) yield i
  })
}

async function started(size: number, options: TestGridOptions = {}) {
  const grid = await testGrid(size, { setup, ...options })
  await grid.ready()
  return grid
}

describe('testGrid()', () => {
  it('connects all servers, each dialed by the one that the names say, with checksums and a secret', async () => {
    await using grid = await started(3)
    for (const [a, manager] of grid.grids.entries()) {
      for (const connection of manager.connections) {
        const { isDialer, state } = connection.stats()
        assert.equal(state, 'connected')
        assert.equal(isDialer, dialerOf(manager.local, connection.host) === manager.local)
      }
      const to = (a + 1) % 3
      assert.equal(await grid.peer(a, to).request(hello, { name: 'Ada' }), `hello Ada, from ${manager.local}`)
    }
  })

  it('calls a server by itself, too', async () => {
    await using grid = await started(1)
    assert.match(await grid.peer(0, 0).request(hello, { name: 'Ada' }), /^hello Ada/)
  })

  it('loses the conn at a cut, and connects again', async () => {
    await using grid = await started(2)
    const call = rejection(grid.peer(0, 1).request(wait))
    await until(() => grid.peer(1, 0).stats().served.running === 1, 'it runs')
    grid.cut(0, 1)
    assert.equal((await call).delivery, 'maybeRan')
    await grid.ready()
    assert.equal(grid.peer(0, 1).stats().reconnects, 1)
  })

  it('lets nothing through what is held, in one direction', async () => {
    await using grid = await started(2)
    grid.hold(1, 0)
    const error = await rejection(grid.peer(0, 1).request(hello, { name: 'x' }, { timeout: 20 }))
    assert.equal(error.code, 'ERR_DEADLINE')
    await until(() => grid.peer(1, 0).stats().served.calls === 1, 'the other direction is open')
    await grid.heal()
    assert.match(await grid.peer(0, 1).request(hello, { name: 'x' }), /hello/)
  })

  it('delays each message of a direction, in order', async () => {
    await using grid = await started(2)
    grid.delay(0, 1, [20, 40])
    const startMs = performance.now()
    const order: number[] = []
    await Promise.all(
      [1, 2, 3].map((n) =>
        grid
          .peer(0, 1)
          .request(hello, { name: `${n}` })
          .then(() => order.push(n))
      )
    )
    assert.deepEqual(order, [1, 2, 3])
    assert.ok(performance.now() - startMs >= 19)
  })

  it('stops reading where it stalls', async () => {
    await using grid = await started(2)
    grid.stall(1, 0)
    assert.equal((await rejection(grid.peer(0, 1).request(hello, { name: 'x' }, { timeout: 20 }))).code, 'ERR_DEADLINE')
    await grid.heal()
    assert.match(await grid.peer(0, 1).request(hello, { name: 'x' }), /hello/)
  })

  it('lets groups talk among themselves at a partition', async () => {
    await using grid = await started(4)
    grid.partition([0, 1])
    const ask = (from: number, to: number, timeout = 15_000) =>
      grid.peer(from, to).request(hello, { name: 'x' }, { timeout })
    for (const [from, to] of [
      [0, 1],
      [1, 0],
      [2, 3],
      [3, 2]
    ] as const)
      assert.match(await ask(from, to), /hello/)
    for (const [from, to] of [
      [0, 2],
      [3, 1]
    ] as const)
      assert.equal((await rejection(ask(from, to, 20))).code, 'ERR_DEADLINE')
    await grid.heal()
    assert.match(await ask(0, 2), /hello/)
  })

  it('kills without a goodbye, and restarts as another instance', async () => {
    await using grid = await started(3)
    const { instance } = grid.grids[1] as Manager
    const call = rejection(grid.peer(0, 1).request(wait))
    await until(() => grid.peer(1, 0).stats().served.running === 1, 'it runs')
    grid.kill(1)
    assert.deepEqual([(await call).code, (await call).reason], ['ERR_DISCONNECTED', 'lost'])
    await grid.ready()
    const refused = await rejection(grid.peer(0, 1).request(hello, { name: 'x' }))
    assert.equal(refused.delivery, 'notSent')
    const again = await grid.restart(1)
    assert.equal(again, grid.grids[1])
    assert.notEqual(again.instance, instance)
    await grid.ready()
    assert.match(await grid.peer(0, 1).request(hello, { name: 'x' }), /hello/)
  })

  it('closes one that lives when it is restarted, with a goodbye that arrives, however long it is under way', async () => {
    await using grid = await started(2)
    grid.delay(1, 0, [30, 30])
    const call = rejection(grid.peer(0, 1).request(wait))
    await until(() => grid.peer(1, 0).stats().served.running === 1, 'it runs')
    await grid.restart(1)
    assert.equal((await call).reason, 'shutdown')
    await grid.ready()
  })

  it('survives a cut amid the handshake, and a restart amid a dial', async () => {
    await using grid = await testGrid(2, { setup })
    await until(() => grid.grids.some((manager) => manager.stats().pendingHandshakes > 0), 'a handshake is under way')
    grid.cut(0, 1)
    await grid.ready()
    grid.kill(1)
    grid.hold(0, 1)
    await until(() => grid.peer(0, 1).state !== 'connected', 'it is lost')
    await Promise.all([grid.restart(1), grid.heal()])
    await grid.ready()
    assert.match(await grid.peer(0, 1).request(hello, { name: 'x' }), /hello/)
  })

  it('holds back a sender whose messages are late', async () => {
    await using grid = await started(2)
    grid.delay(1, 0, [0, 3])
    let next = 0
    for await (const n of grid.peer(0, 1).newStream(count, 200).responses) assert.equal(n, next++)
    assert.equal(next, 200)
    await grid.settled()
  })

  it('keeps the windows of streams', async () => {
    await using grid = await started(2)
    const seen: number[] = []
    for await (const n of grid.peer(0, 1).newStream(count, 5).responses) seen.push(n)
    assert.deepEqual(seen, [0, 1, 2, 3, 4])
    await grid.settled()
    grid.assertNothingLeft()
  })
})

describe('assertNothingLeft()', () => {
  const here = /at .*grid\.spec\.ts:\d+:\d+/

  it('names requests, streams, handlers and listeners, with the line that made each', async () => {
    await using grid = await started(2)
    const call = rejection(grid.peer(0, 1).request(wait))
    const stream = grid.peer(0, 1).subroute('none').newStream(count, 5, { waitForReady: true })
    const listener = () => {}
    grid.peer(1, 0).on('state', listener)
    await until(() => grid.peer(1, 0).stats().served.running === 1, 'it runs')
    const error = await rejection((async () => grid.assertNothingLeft())())
    const [head, ...things] = error.message.split('\n- ')
    assert.equal(head, `4 things are left in the test grid (seed ${grid.seed}):`)
    const [a, b] = grid.grids.map(({ local }) => local)
    const expected = [
      `a request "wait" of ${a} to ${b}, open for`,
      `a stream "none/count" of ${a} to ${b}, open for`,
      `the handler "wait" of ${b}, running for`,
      `a listener of "state" on the connection of ${b} to ${a}`
    ]
    for (const [at, thing] of things.entries()) {
      assert.ok(thing.startsWith(expected[at] ?? '?'), thing)
      assert.match(thing, here)
    }
    stream.cancel()
    grid.peer(1, 0).off('state', listener)
    grid.cut(0, 1)
    await call
    await grid.settled()
  })

  it('names a handler that runs on when its call is over', async () => {
    const gate = new Gate()
    await using grid = await testGrid(2, { setup: (grid) => grid.handle(wait, () => gate.opened.then(() => 'late')) })
    await grid.ready()
    await rejection(grid.peer(0, 1).request(wait, undefined, { timeout: 10 }))
    assert.throws(() => grid.assertNothingLeft(), /something is left .*\n- the handler "wait" of .*, running for/)
    gate.open()
    await grid.settled()
  })

  it('names a timer that a handler has started, in the test or behind an await, until it fires or is cleared', async () => {
    const timers: NodeJS.Timeout[] = []
    const setup = (server: Manager) =>
      server.handle(hello, async () => {
        timers.push(setInterval(() => {}, 1000))
        await null
        timers.push(setTimeout(() => {}, 10_000))
        setTimeout(() => {}, 1)
        return 'done'
      })
    await using grid = await testGrid(2, { setup })
    await grid.ready()
    await grid.peer(0, 1).request(hello, { name: 'x' })
    await until(() => !/setTimeout\(1\)/.test(`${rejected(() => grid.assertNothingLeft())}`), 'one has fired')
    const text = `${rejected(() => grid.assertNothingLeft())}`
    assert.match(text, /- a timer of setInterval\(1000\) that a handler has started\n {4}at .*grid\.spec\.ts/)
    assert.match(text, /- a timer of setTimeout\(10000\) that a handler has started\n {4}at .*grid\.spec\.ts/)
    clearInterval(timers[0])
    timers[1]?.close()
    grid.assertNothingLeft()
  })

  it('counts nothing of a server that was killed, nor of other grids', async () => {
    const gate = new Gate()
    const setup = (server: Manager) => server.handle(wait, () => gate.opened.then(() => 'late'))
    await using other = await testGrid(2, { setup })
    await using grid = await testGrid(2, { setup })
    await Promise.all([other.ready(), grid.ready()])
    const lost = rejection(grid.peer(0, 1).request(wait))
    const answered = other.peer(0, 1).request(wait)
    const runs = (each: TestGrid) => each.peer(1, 0).stats().served.running === 1
    await until(() => runs(grid) && runs(other), 'both run')
    grid.kill(1)
    await lost
    await until(() => grid.peer(0, 1).stats().called.running === 0, 'the last of it has ended')
    grid.assertNothingLeft()
    assert.throws(() => other.assertNothingLeft(), /2 things are left/)
    gate.open()
    assert.equal(await answered, 'late')
    await other.settled()
  })
})

function rejected(act: () => void): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  return undefined
}
