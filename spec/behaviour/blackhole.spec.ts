/**
 * A network that swallows everything, one way or both: noticed by keep-alive, settled, and healed. Over a TCP proxy.
 */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { connectWS, DisconnectedError, type HandlerContext, single, streaming } from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { quickReconnect } from '../support/grid/manager.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const intervalMs = paced(150)
const handshakeTimeoutMs = paced(300)
const slackMs = 1500

const hold = single<void, void>('hold')
const count = streaming<void, never, number>('count', { inCapacity: 0, outCapacity: 8 })

/** Two servers with a proxy in between, connected; `there` is the dialing end. */
async function relayed(test: TestContext, keepAliveOfListener = intervalMs) {
  const servers = new Servers(test)
  const options = { limits: { handshakeTimeoutMs }, reconnect: { ...quickReconnect, stableAfterMs: 50 } }
  const pair = await servers.pair(
    { ...options, keepAlive: { intervalMs } },
    { ...options, keepAlive: { intervalMs: keepAliveOfListener } }
  )
  const proxy = await servers.proxy(pair.listener)
  const contexts: HandlerContext[] = []
  for (const { manager } of [pair.dialer, pair.listener]) {
    manager.handle(hold, (_, context) => {
      contexts.push(context)
      return new Promise((resolve) => context.signal.addEventListener('abort', () => resolve()))
    })
    manager.handle(count, async function* (_payload, _requests, context) {
      contexts.push(context)
      for (let n = 0; ; n++) yield n
    })
  }
  await Promise.all([pair.there.waitForConnect(), pair.back.waitForConnect()])
  return { ...pair, servers, proxy, contexts }
}

function assertKeepAlive(error: unknown): void {
  assert.ok(error instanceof DisconnectedError, String(error))
  assert.equal(error.reason, 'keepAlive')
  assert.match(error.message, /keep-alive/)
  assert.equal(error.delivery, 'maybeRan')
}

describe('a network that swallows everything', { concurrency: true }, () => {
  for (const busy of [false, true]) {
    const how = busy ? 'with busy streams' : 'with an idle conn'
    it(`is noticed on both ends in two intervals ${how}, fails all calls, and heals`, async (test) => {
      const { there, back, proxy, contexts } = await relayed(test)
      const calls = [there.request(hold), back.request(hold)].map(rejection)
      const streams = busy ? [there.newStream(count), back.newStream(count)] : []
      const readers = streams.map(async (stream) => {
        for await (const _ of stream.responses) assert.ok(true)
      })
      const ends = readers.map(rejection)
      await until(() => contexts.length === calls.length + streams.length, 'the handlers run')
      const started = performance.now()
      proxy.impair({ blackhole: true })
      for (const error of await Promise.all([...calls, ...ends])) assertKeepAlive(error)
      const took = performance.now() - started
      assert.ok(took < paced(2 * intervalMs + slackMs), `it took ${took} ms`)
      for (const { signal } of contexts) {
        await until(() => signal.aborted, 'the handlers are told')
        assert.equal((signal.reason as DisconnectedError).reason, 'keepAlive')
      }
      assert.notEqual(there.state, 'connected')
      proxy.heal()
      await Promise.all([there.waitForConnect(), back.waitForConnect()])
      assert.equal((await there.newStream(count).responses.next()).value, 0)
      const session = there.stats().session
      assert.deepEqual([session?.inboundStreams, session?.runningHandlers], [0, 0])
    })
  }

  for (const direction of ['outbound', 'inbound'] as const) {
    it(`one way, ${direction}, is noticed by the end that hears nothing, and heals`, async (test) => {
      const { there, back, proxy, contexts } = await relayed(test)
      const calls = [there.request(hold), back.request(hold)].map(rejection)
      await until(() => contexts.length === 2, 'the handlers run')
      const deaf = direction === 'outbound' ? there : back
      const states: string[] = []
      deaf.on('state', ({ state, reason }) => states.push(`${state} ${reason ?? ''}`))
      const started = performance.now()
      proxy.impair({ blackhole: true }, direction)
      for (const error of await Promise.all(calls)) {
        assert.ok(error instanceof DisconnectedError)
        assert.equal(error.reason, 'keepAlive')
      }
      const took = performance.now() - started
      // The end that hears is told by the other one, or finds out by itself.
      assert.ok(took < paced(4 * intervalMs + slackMs), `it took ${took} ms`)
      assert.match(states[0] ?? '', /^waiting keep-alive: the peer sent nothing for \d+ ms$/)
      proxy.heal()
      await Promise.all([there.waitForConnect(), back.waitForConnect()])
    })
  }

  it('is tried again and again until it heals, without a conn left over', async (test) => {
    const { there, back, proxy, listener } = await relayed(test)
    proxy.impair({ blackhole: true }, 'outbound')
    await until(
      () =>
        there.lastError?.message.includes(` within ${handshakeTimeoutMs} ms: does that server call attach()?`) === true,
      'a dial into the black hole'
    )
    proxy.heal()
    await Promise.all([there.waitForConnect(), back.waitForConnect()])
    await until(() => listener.server.sockets.size === 1, 'the sockets of the dials are gone')
    assert.equal(listener.manager.stats().pendingHandshakes, 0)
  })
})

it('a redial while the old conn looks open wins at once, and fails what ran on the old one', async (test) => {
  const { servers, there, back, proxy, listener, contexts } = await relayed(test, 60_000)
  const call = rejection(back.request(hold))
  await until(() => contexts.length === 1, 'the handler runs')
  const stuck = rejection(there.request(hold))
  await until(() => contexts.length === 2, 'both run')
  servers.urls.set(listener.name, listener.server.url)
  proxy.impair({ blackhole: true })
  assertKeepAlive(await stuck)
  const error = await call
  assert.ok(error instanceof DisconnectedError)
  assert.equal(error.reason, 'replaced')
  await Promise.all([there.waitForConnect(), back.waitForConnect()])
  for (const { signal } of contexts) assert.ok(signal.aborted)
  assert.equal(listener.log.warnings(/replaced by a newer one: the host has connected anew/).length, 1)
  assert.equal(back.stats().reconnects, 1)
})

it('a peer that answers pings is kept for many intervals, whatever else is silent', async (test) => {
  const { there, back } = await relayed(test)
  const rtts = () => [there.stats().session?.rttMs, back.stats().session?.rttMs]
  const pings = there.stats().totals.framesIn
  await until(() => there.stats().totals.framesIn - pings >= 20, 'ten intervals', 10_000)
  assert.deepEqual([there.stats().reconnects, back.stats().reconnects], [0, 0])
  for (const rtt of rtts()) assert.ok(rtt !== undefined && rtt >= 0 && rtt < paced(1000), `${rtt}`)
})

it('connectWS gives up a dial that gets no answer when its signal aborts', async (test) => {
  const { proxy } = await relayed(test)
  proxy.impair({ blackhole: true }, 'outbound')
  const controller = new AbortController()
  const dial = connectWS()(`http://127.0.0.1:${proxy.port}`, {
    signal: controller.signal,
    path: '/grid/v1',
    maxConnMessageBytes: 1000
  })
  const before = proxy.size
  const reason = new Error('enough')
  const failed = rejection(dial)
  await until(() => proxy.size > before, 'it is under way')
  controller.abort(reason)
  assert.equal(await failed, reason)
})
