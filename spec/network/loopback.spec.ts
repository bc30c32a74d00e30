/** The connection of a server to itself: calls like any other, which nobody else sees. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import {
  ClosedError,
  contract,
  DisconnectedError,
  insecure,
  Manager,
  RemoteError,
  ShutdownError,
  silentLogger,
  single,
  streaming,
  UnknownHandlerError
} from '../../lib/index.ts'
import { rejection } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const double = single<number, number>('double')
const wait = single<void, string>('wait')
const count = streaming<number, never, number>('count', { inCapacity: 0, outCapacity: 2 })
const echo = streaming<void, string, string>('echo', { inCapacity: 2, outCapacity: 2 })

function alone(): Manager {
  const auth = insecure()
  return new Manager({ local: 'http://alone.test:80', hosts: ['http://other.test'], auth, logger: silentLogger })
}

describe('the connection of a server to itself', () => {
  it('leads to its own handlers, those registered later included', async () => {
    await using grid = alone()
    const self = grid.connection('HTTP://alone.test')
    assert.equal(self, grid.connection(grid.local))
    assert.ok((await rejection(self.request(double, 1))) instanceof UnknownHandlerError)
    const seen: unknown[] = []
    grid.handle(double, (n, { remote, deadline }) => {
      seen.push(remote, deadline !== undefined)
      return 2 * n
    })
    grid.handle('raw', (payload) => payload, { subroute: 'disk-1' })
    await until(async () => (await self.request(double, 21).catch(() => 0)) === 42, 'the handler is known')
    const session = self.stats().session?.id
    const remote = { host: grid.local, role: 'host', instance: grid.instance, session, identity: {}, address: 'memory' }
    assert.deepEqual(seen, [remote, true])
    assert.deepEqual(await self.subroute('disk-1').request('raw', Uint8Array.of(1)), Uint8Array.of(1))
    assert.equal(self.instance, grid.instance)
  })

  it('knows at once of a handler that is registered, withdrawn, registered again, or another one of its name', async () => {
    await using grid = alone()
    const self = grid.connection(grid.local)
    assert.ok((await rejection(self.request(double, 1))) instanceof UnknownHandlerError)
    let events = 0
    self.on('handlers', () => events++)
    const double2 = single<number, number>('double2')
    grid.implement(contract({ double, double2 }), { double: (n) => 2 * n, double2: (n) => 2 * n })
    assert.deepEqual(await Promise.all([self.request(double, 1), self.request(double2, 2)]), [2, 4])
    await until(() => events > 0, 'the event of the handlers')
    grid.unhandle(double)
    const unknown = await rejection(self.request(double, 1))
    assert.deepEqual(unknown instanceof UnknownHandlerError && [unknown.code, unknown.delivery], [
      'ERR_UNKNOWN_HANDLER',
      'notSent'
    ])
    grid.handle(double, (n) => 3 * n)
    assert.equal(await self.request(double, 1), 3)
    grid.unhandle(double)
    const stream = streaming<number, never, number>('double', { inCapacity: 0, outCapacity: 2 })
    grid.handle(stream, (n) => [n, n])
    const numbers: number[] = []
    for await (const n of self.newStream(stream, 7)) numbers.push(n)
    assert.deepEqual(numbers, [7, 7])
    assert.deepEqual(self.handlers.map(({ handler, kind }) => [handler, kind]).sort(), [
      ['double', 'streaming'],
      ['double2', 'single']
    ])
  })

  it('can be used at once', async () => {
    await using grid = alone()
    grid.handle(double, (n) => 2 * n)
    grid.handle(count, (to) => Array.from({ length: to }, (_, n) => n))
    assert.equal(await grid.connection(grid.local).request(double, 21), 42)
    await using other = alone()
    other.handle(count, (to) => Array.from({ length: to }, (_, n) => n))
    const numbers: number[] = []
    for await (const n of other.connection(other.local).newStream(count, 3)) numbers.push(n)
    assert.deepEqual(numbers, [0, 1, 2])
    await using third = alone()
    const refused = rejection(third.connection(third.local).request(double, 1, { waitForReady: false }))
    assert.ok((await refused) instanceof DisconnectedError)
  })

  it('has streams whose consumer stops their generator', async () => {
    await using grid = alone()
    let made = 0
    let ended = false
    grid.handle(count, async function* (to) {
      try {
        while (made < to) yield made++
      } finally {
        ended = true
      }
    })
    grid.handle(echo, (_payload, requests) => requests)
    const self = grid.connection(grid.local)
    const stream = self.newStream(count, 1000)
    assert.equal((await stream.responses.next()).value, 0)
    await until(() => made === 3, 'the window is full')
    await stream.responses.return?.()
    await until(() => ended, 'the generator ends')
    assert.equal(made, 3)

    const talk = self.newStream(echo)
    const said = talk.sink(['a', 'b', 'c', 'd', 'e'])
    const heard: string[] = []
    for await (const text of talk) heard.push(text)
    await said
    assert.deepEqual(heard, ['a', 'b', 'c', 'd', 'e'])
  })

  it('has errors, deadlines and cancels like any other', async () => {
    await using grid = alone()
    const aborted: unknown[] = []
    grid.handle(double, () => {
      throw Object.assign(new Error('no'), { code: 'ERR_NO' })
    })
    grid.handle(wait, (_request, { signal }) => {
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          aborted.push(signal.reason.code)
          reject(signal.reason)
        })
      })
    })
    const self = grid.connection(grid.local)
    const failed = await rejection(self.request(double, 1))
    assert.ok(failed instanceof RemoteError && failed.code === 'ERR_NO')
    await assert.rejects(self.request(wait, undefined, { timeout: 5 }), { code: 'ERR_DEADLINE' })
    const reason = new Error('enough')
    const cancel = new AbortController()
    const cancelled = rejection(self.request(wait, undefined, { signal: cancel.signal }))
    setImmediate(() => cancel.abort(reason))
    assert.equal(await cancelled, reason)
    await until(() => aborted.length === 2, 'the handler hears of both')
    assert.deepEqual(aborted, ['ERR_DEADLINE', 'ERR_CANCELLED'])
  })

  it('leaves timers and sockets their turns, however busy it is', async () => {
    await using grid = alone()
    let calls = 0
    grid.handle(double, (n) => {
      calls++
      return 2 * n
    })
    const self = grid.connection(grid.local)
    await self.waitForConnect()
    let over = false
    const ask = async () => {
      while (!over) await self.request(double, 1)
    }
    const callers = 8
    const asking = Array.from({ length: callers }, ask)
    // A call and its answer are a turn of the event loop each: nobody is called twice in one.
    for (let turns = 0; turns < 50; turns++) {
      const before = calls
      await turn()
      assert.ok(calls - before <= callers, `${calls - before} calls in one turn`)
    }
    assert.ok(calls >= callers)
    over = true
    await Promise.all(asking)
  })

  it('closes before anybody who hears of it can call it', async () => {
    const grid = alone()
    let calls = 0
    grid.handle(double, (n) => {
      calls++
      return 2 * n
    })
    const answers: Promise<unknown>[] = []
    grid.connection('http://other.test').on('state', () => {
      answers.push(
        grid
          .connection(grid.local)
          .request(double, 1)
          .catch((error) => error)
      )
    })
    await grid.close()
    assert.ok(answers.length > 0)
    for (const answer of answers) assert.ok((await answer) instanceof ClosedError)
    assert.equal(calls, 0)
  })

  it('is not among the hosts, the connections and the stats', async () => {
    await using grid = alone()
    await grid.connection(grid.local).waitForConnect()
    assert.deepEqual(grid.hosts, ['http://other.test'])
    assert.deepEqual(
      grid.connections.map(({ host }) => host),
      ['http://other.test']
    )
    assert.deepEqual(
      grid.stats().connections.map(({ host }) => host),
      ['http://other.test']
    )
  })

  it('closes with the manager: what runs may end in time, and is told when it does not', async () => {
    // Again and again: the time of both ends is over at nearly the same moment.
    for (const grace of [10_000, ...new Array<number>(20).fill(10)]) {
      const grid = alone()
      const handler = { started: false, reason: undefined as unknown, end: (_text: string) => {} }
      grid.handle(wait, (_request, { signal }) => {
        handler.started = true
        signal.addEventListener('abort', () => {
          handler.reason = signal.reason
        })
        return new Promise((resolve) => {
          handler.end = resolve
        })
      })
      const self = grid.connection(grid.local)
      const answer = self.request(wait).catch((error) => error)
      await until(() => handler.started, 'the call runs')
      const closed = grid.close({ timeout: grace })
      assert.ok((await rejection(self.request(wait))) instanceof ClosedError)
      if (grace === 10_000) handler.end('done in time')
      await closed
      if (grace === 10_000) assert.equal(await answer, 'done in time')
      else assert.ok(handler.reason instanceof ShutdownError, String(handler.reason))
      if (grace === 10) assert.match(String(await answer), /the peer said: .* is shutting down$/)
      assert.equal(self.state, 'closed')
    }
  })

  it('is closed from the start when it is asked for after close()', async () => {
    const grid = alone()
    await grid.close()
    const self = grid.connection(grid.local)
    assert.equal(self.state, 'closed')
    assert.ok((await rejection(self.request(double, 1))) instanceof ClosedError)
  })
})
