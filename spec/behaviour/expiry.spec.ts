/** Identities that end: the session is renewed before, or goes gracefully at that moment; one that has passed harms nobody. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Auth, type Connection, dialerOf, insecure, Manager, silentLogger, streaming } from '../../lib/index.ts'
import { until } from '../support/until.ts'

const reconnect = { firstDelayMs: 5, baseDelayMs: 10, maxDelayMs: 50 }

/** Two managers; `dialer` and `listener` give when the identity of that one ends, as the other one sees it. */
async function pair(
  test: TestContext,
  expiresAt: { readonly dialer?: () => number; readonly listener?: () => number }
): Promise<{ dialing: Manager; waiting: Manager; peer: Connection; back: Connection; log: string[] }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const listener = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let dialer = ''
  for (let port = 1; dialer === ''; port++) {
    const name = `http://127.0.0.2:${port}`
    if (dialerOf(name, listener) === name) dialer = name
  }
  const authOf = (peer: 'dialer' | 'listener'): Auth => ({
    ...insecure(),
    verify: () => ({ expiresAt: expiresAt[peer]?.() })
  })
  const log: string[] = []
  const logger = { ...silentLogger, warn: (text: string) => log.push(text) }
  const common = { hosts: [dialer, listener], logger, reconnect }
  const waiting = new Manager({ ...common, local: listener, auth: authOf('dialer') })
  const dialing = new Manager({ ...common, local: dialer, auth: authOf('listener') })
  for (const manager of [waiting, dialing]) {
    manager.handle('echo', (payload) => payload)
    manager.handle(ticks, async function* (_payload, _requests, { signal }) {
      for (let tick = 0; !signal.aborted; tick++) {
        yield tick
        await delay(1)
      }
    })
  }
  waiting.attach(server)
  test.after(async () => {
    await Promise.all([dialing.close({ timeout: 10 }), waiting.close({ timeout: 10 })])
    server.close()
  })
  return { dialing, waiting, peer: dialing.connection(listener), back: waiting.connection(dialer), log }
}

const ticks = streaming<void, never, number>('ticks', { inCapacity: 0 })
/** Renewed after two to three seconds, which leaves one or two for it on a machine that has other things to do. */
const soon = () => Date.now() + 4000

describe('an identity that expires', () => {
  for (const side of ['listener', 'dialer'] as const) {
    it(`is renewed before, beside running calls, when it is that of the ${side}`, async (test) => {
      const { peer, back } = await pair(test, { [side]: soon })
      await Promise.all([peer.waitForConnect(), back.waitForConnect()])
      const states: string[] = []
      for (const end of [peer, back]) end.on('state', ({ state }) => states.push(state))
      const stream = peer.newStream(ticks)
      let next = 0
      const reading = (async () => {
        for await (const tick of stream) assert.equal(tick, next++)
      })()
      reading.catch(() => undefined)
      const ticksBefore = next
      let answers = 0
      while (peer.stats().reconnects < 1 || back.stats().reconnects < 1) {
        assert.deepEqual(Buffer.from(await peer.request('echo', Buffer.of(1))), Buffer.of(1))
        assert.deepEqual(Buffer.from(await back.request('echo', Buffer.of(2))), Buffer.of(2))
        answers++
      }
      assert.ok(answers > 3)
      assert.deepEqual(states, [])
      assert.ok(next > ticksBefore, 'the stream goes on, on the session that it began on')
      stream.cancel()
    })
  }

  it('ends its session gracefully when it was not renewed in time, and the next session follows', async (test) => {
    const endsAt = Date.now() + 1500
    // The same moment again and again: what is not renewed by the identity is not renewed by a dial.
    const { peer, log } = await pair(test, { listener: () => (Date.now() < endsAt ? endsAt : Date.now() + 60_000) })
    await peer.waitForConnect()
    const lost = once(peer, 'state')
    const running = peer.newStream(ticks)
    const iterator = running[Symbol.asyncIterator]()
    await iterator.next()
    await Promise.race([lost, until(() => Date.now() > endsAt + 100, 'it has expired')])
    assert.deepEqual(Buffer.from(await peer.request('echo', Buffer.of(1), { waitForReady: true })), Buffer.of(1))
    assert.equal((await iterator.next()).done, false)
    assert.match(log.join('\n'), /^renewed with .*, but the identity of one end still ends at \d{4}-/m)
    running.cancel()
  })

  it('is refused when it has done so already, or at no moment at all, and no call of the peer runs', async (test) => {
    for (const moment of [Date.now() - 1000, Number.NaN]) {
      for (const side of ['listener', 'dialer'] as const) {
        const { peer, back } = await pair(test, { [side]: () => moment })
        await until(() => peer.lastError !== undefined, 'it is refused')
        assert.match(String(peer.lastError), side === 'listener' ? /the identity of the peer has expired/ : /refused/)
        await assert.rejects(peer.request('echo', Buffer.of(1)), { delivery: 'notSent' })
        assert.equal(peer.stats().reconnects + back.stats().reconnects, 0)
      }
    }
  })

  it('is renewed without a gap also while the handler table of one end takes long to arrive', async (test) => {
    const { peer, back, waiting } = await pair(test, { listener: soon })
    for (let i = 0; i < 4000; i++) waiting.handle(`${i}${'x'.repeat(200)}`, (payload) => payload)
    await Promise.all([peer.waitForConnect(), back.waitForConnect()])
    const states: string[] = []
    for (const end of [peer, back]) end.on('state', ({ state }) => states.push(state))
    while (peer.stats().reconnects < 1 || back.stats().reconnects < 1) {
      await Promise.all([peer.request('echo', Buffer.of(1)), back.request('echo', Buffer.of(2))])
    }
    assert.deepEqual(states, [])
  })

  it('leaves no session behind when a manager closes just after it was renewed', async (test) => {
    const { peer, dialing } = await pair(test, { listener: soon })
    await peer.waitForConnect()
    const stream = peer.newStream(ticks)
    const failed = assert.rejects(
      async () => {
        for await (const _ of stream);
      },
      { code: 'ERR_DISCONNECTED' }
    )
    const bytesIn = () => dialing.stats().totals.bytesIn
    let before = 0
    await until(
      () => {
        assert.ok(bytesIn() >= before, 'totals never fall')
        before = bytesIn()
        return peer.stats().reconnects > 0
      },
      'it is renewed',
      10_000
    )
    await dialing.close({ timeout: 20 })
    await failed
  })
})
