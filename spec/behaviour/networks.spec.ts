/**
 * Networks that are slow, late, or in pieces: what is alive stays connected and right, and what is not is noticed.
 *
 * Networks that swallow everything are in `blackhole.spec.ts`, those that reset in `cut-everywhere.spec.ts`.
 */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Faults } from '../../lib/extras/testing/index.ts'
import { DeadlineError, DisconnectedError, type ManagerOptions } from '../../lib/index.ts'
import { Book, callerOf } from '../support/calls/book.ts'
import { serveCalls } from '../support/calls/call.ts'
import { paced } from '../support/clock/pace.ts'
import { namesInOrder, quickReconnect } from '../support/grid/manager.ts'
import { rejection, Servers, statesOf } from '../support/grid/servers.ts'
import { Child } from '../support/process/child.ts'
import type { ServerInit } from '../support/process/server.ts'
import { until } from '../support/until.ts'

type Options = Partial<ManagerOptions>

/** Two servers that are connected through a proxy with these faults; `there` is the dialing end. */
async function proxied(test: TestContext, faults: Faults = {}, ofDialer: Options = {}, ofListener: Options = ofDialer) {
  const servers = new Servers(test)
  const pair = await servers.pair(ofDialer, ofListener)
  const proxy = await servers.proxy(pair.listener)
  proxy.impair(faults)
  const book = new Book()
  for (const { manager } of [pair.dialer, pair.listener]) serveCalls(manager, () => book)
  const { there, back } = pair
  await Promise.all([there.waitForConnect(), back.waitForConnect()])
  const callers = [callerOf(book, there, 'dialer'), callerOf(book, back, 'listener')]
  return { ...pair, proxy, book, callers }
}

function assertAllRight({ there, back, book }: Awaited<ReturnType<typeof proxied>>): void {
  assert.deepEqual(book.verdict(), [])
  assert.deepEqual(book.errors, [])
  assert.deepEqual([there.stats().reconnects, back.stats().reconnects], [0, 0])
}

describe('a live peer', () => {
  it('whose bytes come one by one, both ways, from the first on: calls and streams are all right', async (test) => {
    const net = await proxied(test, { sliceBytes: 1 })
    await Promise.all(net.callers.map((caller) => caller.small()))
    assertAllRight(net)
  })

  it('on a link of a quarter of a megabyte a second stays connected, and all of it arrives', async (test) => {
    const net = await proxied(test, { bytesPerSecond: 250_000 }, { keepAlive: { intervalMs: 1000 } })
    const started = performance.now()
    // A message in fragments each way, there and back: over a second of the link.
    await Promise.all(net.callers.map((caller) => Promise.all([caller.large(), caller.small()])))
    assert.ok(performance.now() - started > 500, 'it was slow')
    assertAllRight(net)
  })

  it('whose every byte comes 120 ms late is not condemned with a keep-alive of 80 ms', async (test) => {
    const net = await proxied(test, { delayMs: 120 }, { keepAlive: { intervalMs: 80 } })
    const { there, back } = net
    const frames = () => [there, back].map((end) => end.stats().totals.framesIn)
    const before = frames()
    await until(() => frames().every((count, end) => count >= (before[end] as number) + 10), 'five intervals', 20_000)
    await Promise.all(net.callers.map((caller) => caller.small()))
    assertAllRight(net)
  })

  it('is not condemned by whoever stalls himself for intervals, again and again', async (test) => {
    const servers = new Servers(test)
    const [local, remote] = namesInOrder()
    const intervalMs = paced(80)
    const { manager, server } = await servers.node(remote, [local, remote], { keepAlive: { intervalMs } })
    let heard = 0
    manager.handle('heard', (payload) => {
      heard++
      return payload
    })
    const init: ServerInit = { local, hosts: [local, remote], urls: { [remote]: server.url } }
    const peer = new Child(new URL('./talking-peer.ts', import.meta.url), init)
    test.after(() => peer.kill())
    const back = manager.connection(local)
    await until(() => heard > 0, 'it talks', 20_000)
    const states = statesOf(back)
    for (let stall = 0; stall < 6; stall++) {
      const before = heard
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, (1 + stall) * intervalMs)
      await until(() => heard > before, 'it is heard again')
    }
    assert.deepEqual([states, back.stats().reconnects], [[], 0])
    await peer.ask('close')
    await peer.exited()
  })
})

describe('a peer that is not alive', { concurrency: true }, () => {
  it('is noticed within two keep-alive intervals of its last word, on both ends', async (test) => {
    const intervalMs = 700
    const { there, back, proxy } = await proxied(test, {}, { keepAlive: { intervalMs } })
    const lost = [there, back].map(async (end) => {
      await until(() => end.state !== 'connected', 'the loss is noticed')
      assert.match(end.lastError?.message ?? '', /^keep-alive: the peer sent nothing for \d+ ms$/)
    })
    const started = performance.now()
    proxy.impair({ blackhole: true })
    await Promise.all(lost)
    const took = performance.now() - started
    assert.ok(took < paced(2 * intervalMs + 600), `it took ${took} ms`)
    assert.ok(took > intervalMs / 2 - 10, `it took only ${took} ms`)
  })

  it('but reads a byte a second while it asks for much: little waits for it, its calls end in time, and it is closed as slow', async (test) => {
    const slow = { keepAlive: { intervalMs: 100 }, limits: { slowPeerTimeoutMs: 500 }, reconnect: quickReconnect }
    const { there, back, proxy, listener } = await proxied(test, {}, { keepAlive: { intervalMs: 60_000 } }, slow)
    const blob = Buffer.alloc(1 << 20)
    listener.manager.handle('blob', () => blob)
    await until(() => there.request('blob').then(Boolean, () => false), 'the handler is known')
    proxy.impair({ bytesPerSecond: 1 }, 'outbound')
    const states = statesOf(back)
    let mostBytes = 0
    let timedOut = 0
    const [begun, longestMs] = [performance.now(), paced(10_000)]
    const ask = async () => {
      while (states.length === 0) {
        const started = performance.now()
        assert.ok(started < begun + longestMs, 'it is not closed')
        const error = await rejection(there.request('blob', undefined, { timeout: 100 }))
        assert.ok(performance.now() - started < paced(3000), 'it ends in time')
        if (error instanceof DeadlineError) timedOut++
        else assert.ok(error instanceof DisconnectedError, String(error))
        mostBytes = Math.max(mostBytes, back.stats().session?.sendQueueBytes ?? 0)
      }
    }
    // Much: more than all the sockets on the way hold.
    await Promise.all(Array.from({ length: 50 }, ask))
    assert.match(back.lastError?.message ?? '', /^the peer took nothing for 500 ms$/)
    assert.ok(timedOut > 50, `${timedOut} calls ran out of time`)
    assert.ok(mostBytes < 256 * 1024, `${mostBytes} bytes waited`)
    proxy.heal()
    await until(() => there.request('blob').then(Boolean, () => false), 'it is served again')
  })

  for (const direction of ['outbound', 'inbound'] as const) {
    it(`but whose conn a middle box half-closes, ${direction}, is lost: calls fail on both ends, the next conn works`, async (test) => {
      const { there, back, proxy, book, callers } = await proxied(test, {}, { reconnect: quickReconnect })
      const calls = callers.map((caller) => caller.late())
      await until(() => callers.every((caller) => caller.isLate()), 'the handlers run')
      proxy.halfClose(direction)
      await Promise.all(calls)
      book.gate.open()
      await until(() => there.stats().reconnects === 1 && back.stats().reconnects === 1, 'connected again')
      await until(() => book.running === 0 && proxy.size === 1, 'nothing is left')
      assert.deepEqual(book.verdict(), [])
      for (const { error } of book.errors) assert.equal((error as DisconnectedError).reason, 'lost')
      assert.equal(book.errors.length, 2)
      await Promise.all(callers.map((caller) => caller.small()))
      assert.deepEqual(book.verdict(), [])
    })
  }
})
