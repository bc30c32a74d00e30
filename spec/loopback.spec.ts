/** The connection of a server to itself: calls like any other, which nobody else sees. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  ClosedError,
  insecure,
  Manager,
  RemoteError,
  ShutdownError,
  silentLogger,
  single,
  streaming,
  UnknownHandlerError
} from '../lib/index.ts'
import { rejection } from './support/servers.ts'
import { until } from './support/until.ts'

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
    await self.waitForConnect()
    assert.ok((await rejection(self.request(double, 1))) instanceof UnknownHandlerError)
    const seen: unknown[] = []
    grid.handle(double, (n, { remote, deadline }) => {
      seen.push(remote, deadline !== undefined)
      return 2 * n
    })
    grid.handle('raw', (payload) => payload, { subroute: 'disk-1' })
    await until(async () => (await self.request(double, 21).catch(() => 0)) === 42, 'the handler is known')
    const remote = { host: grid.local, instance: grid.instance, identity: {}, address: 'memory' }
    assert.deepEqual(seen, [remote, true])
    assert.deepEqual(await self.subroute('disk-1').request('raw', Uint8Array.of(1)), Uint8Array.of(1))
    assert.equal(self.instance, grid.instance)
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
    await self.waitForConnect()
    const stream = self.newStream(count, 1000)
    assert.equal((await stream.responses.next()).value, 0)
    await until(() => made === 3, 'the window is full')
    await stream.responses.return?.()
    await until(() => ended, 'the generator ends')
    assert.equal(made, 3)

    const talk = self.newStream(echo)
    await talk.sink(['a', 'b', 'c', 'd', 'e'])
    const heard: string[] = []
    for await (const text of talk) heard.push(text)
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
    const failed = await rejection(self.request(double, 1, { waitForReady: true }))
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
    for (const grace of [10_000, 10]) {
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
      const answer = self.request(wait, undefined, { waitForReady: true }).catch((error) => error)
      await until(() => handler.started, 'the call runs')
      const closed = grid.close({ timeout: grace })
      assert.ok((await rejection(self.request(wait))) instanceof ClosedError)
      if (grace === 10_000) handler.end('done in time')
      await closed
      if (grace === 10_000) assert.equal(await answer, 'done in time')
      else assert.ok(handler.reason instanceof ShutdownError, String(handler.reason))
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
