/** The fault proxy by its methods for users, between two real servers. What it does to bytes is in `spec/faults/`. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { faultProxy } from '../../lib/extras/testing/index.ts'
import { bytes, single } from '../../lib/index.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const echo = single<Uint8Array, Uint8Array>('echo', { request: bytes(), response: bytes() })

describe('faultProxy()', () => {
  it('holds, delays, throttles, cuts and heals what two servers say', async (test) => {
    const servers = new Servers(test)
    const { listener, there } = await servers.pair()
    const proxy = await servers.proxy(listener)
    listener.manager.handle(echo, (payload) => payload)
    await there.waitForConnect()
    const ask = (size = 1, timeout = 15_000) =>
      there.request(echo, new Uint8Array(size), { timeout, waitForReady: true })
    await ask()
    const timed = async (size?: number) => {
      const startMs = performance.now()
      await ask(size)
      return performance.now() - startMs
    }
    proxy.hold('outbound')
    assert.equal((await rejection(ask(1, 20))).code, 'ERR_DEADLINE')
    proxy.heal()
    await ask()
    proxy.delay(30)
    assert.ok((await timed()) >= 59, 'both directions are late')
    proxy.heal()
    proxy.throttle(100_000)
    assert.ok((await timed(10_000)) >= 150, 'both directions take 100 ms')
    proxy.heal()
    proxy.cut()
    await until(() => there.stats().reconnects === 1, 'it is connected again')
    await ask()
  })

  it('is closed by await using, and again, and says what is wrong with what it is given', async () => {
    await using proxy = await faultProxy({ port: 9 })
    assert.match(proxy.url, /^http:\/\/127\.0\.0\.1:\d+$/)
    assert.throws(() => proxy.delay(-1), /delay\(\) takes ms of at least 0, less than 2\^31; it was given -1/)
    assert.throws(() => proxy.throttle(0), /throttle\(\) takes bytes per second, more than 0/)
    assert.throws(() => proxy.hold('in' as never), /a direction is outbound or inbound; it was in/)
    for (const ms of [Number.POSITIVE_INFINITY, 2 ** 31, '5' as never])
      assert.throws(() => proxy.delay(ms), /delay\(\) takes ms of at least 0, less than 2\^31/)
    const { port, url } = proxy
    await proxy.close()
    await proxy.close()
    assert.deepEqual([proxy.port, proxy.url], [port, url])
    assert.match(
      (await rejection(faultProxy(9000 as never))).message,
      /takes where its target listens: \{ port: 9000 \}/
    )
  })
})
