/** Identities that end: the session is renewed before, or goes gracefully at that moment; one that has passed harms nobody. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type Auth,
  type Connection,
  DrainingError,
  type HandlerContext,
  insecure,
  type Manager,
  streaming
} from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { LogBook } from '../support/grid/manager.ts'
import { Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

/** Two managers; `dialer` and `listener` give when the identity of that one ends, as the other one sees it. */
async function expiring(
  test: TestContext,
  expiresAt: { readonly dialer?: () => number; readonly listener?: () => number }
): Promise<{ dialing: Manager; waiting: Manager; peer: Connection; back: Connection; logger: LogBook }> {
  const authOf = (peer: 'dialer' | 'listener'): Auth => ({
    ...insecure(),
    verify: () => ({ expiresAt: expiresAt[peer]?.() })
  })
  const logger = new LogBook()
  const servers = new Servers(test)
  const pair = await servers.pair({ logger, auth: authOf('listener') }, { logger, auth: authOf('dialer') })
  for (const { manager } of [pair.listener, pair.dialer]) {
    manager.handle('echo', (payload) => payload)
    manager.handle(ticks, async function* (_payload, _requests, { signal }) {
      for (let tick = 0; !signal.aborted; tick++) {
        yield tick
        await delay(1)
      }
    })
  }
  return { dialing: pair.dialer.manager, waiting: pair.listener.manager, peer: pair.there, back: pair.back, logger }
}

const ticks = streaming<void, never, number>('ticks', { inCapacity: 0 })
/** Renewed after two to three seconds, which leaves one or two for it. */
const soon = () => Date.now() + paced(4000)

describe('an identity that expires', { concurrency: true }, () => {
  for (const side of ['listener', 'dialer'] as const) {
    it(`is renewed before, beside running calls, when it is that of the ${side}`, async (test) => {
      const { peer, back } = await expiring(test, { [side]: soon })
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

  it('is renewed, and the calls on the old session are told at both ends: they may all end', async (test) => {
    const { waiting, peer } = await expiring(test, { listener: soon })
    const follow = streaming<number, never, number>('follow', { inCapacity: 0 })
    const contexts: HandlerContext[] = []
    waiting.handle(follow, async function* (from, _requests, context) {
      contexts.push(context)
      for (let at = from; !context.draining.aborted; at++) {
        yield at
        await delay(1)
      }
    })
    await peer.waitForConnect()
    const first = peer.newStream(follow, 0, { waitForReady: true })
    let next = 0
    for await (const at of first) assert.equal(at, next++)
    assert.equal(peer.stats().reconnects, 1)
    const second = peer.newStream(follow, next)
    assert.equal((await second.responses.next()).value, next)
    for (const { draining } of [first, contexts[0] as HandlerContext]) {
      assert.ok(draining.reason instanceof DrainingError)
      assert.deepEqual([draining.reason.reason, draining.reason.deadline], ['replaced', undefined])
    }
    for (const { draining } of [second, contexts[1] as HandlerContext]) assert.equal(draining.aborted, false)
    second.cancel()
  })

  it('ends its session gracefully when it was not renewed in time, and the next session follows', async (test) => {
    const endsAt = soon()
    // The same moment again and again: what is not renewed by the identity is not renewed by a dial.
    const { peer, logger } = await expiring(test, {
      listener: () => (Date.now() < endsAt ? endsAt : Date.now() + 60_000)
    })
    await peer.waitForConnect()
    const lost = once(peer, 'state')
    const running = peer.newStream(ticks)
    const iterator = running[Symbol.asyncIterator]()
    await iterator.next()
    await Promise.race([lost, until(() => Date.now() > endsAt + 100, 'it has expired')])
    assert.deepEqual(Buffer.from(await peer.request('echo', Buffer.of(1), { waitForReady: true })), Buffer.of(1))
    assert.equal((await iterator.next()).done, false)
    assert.match(
      logger.warnings().join('\n'),
      /^warn renewed with .*, but the identity of one end still ends at \d{4}-/m
    )
    running.cancel()
  })

  it('is refused when it has done so already, or at no moment at all, and no call of the peer runs', async (test) => {
    for (const moment of [Date.now() - 1000, Number.NaN]) {
      for (const side of ['listener', 'dialer'] as const) {
        const { peer, back } = await expiring(test, { [side]: () => moment })
        await until(() => peer.lastError !== undefined, 'it is refused')
        assert.match(String(peer.lastError), side === 'listener' ? /the identity of the peer has expired/ : /refused/)
        await assert.rejects(peer.request('echo', Buffer.of(1)), { delivery: 'notSent' })
        assert.equal(peer.stats().reconnects + back.stats().reconnects, 0)
      }
    }
  })

  it('is renewed without a gap also while the handler table of one end takes long to arrive', async (test) => {
    const { peer, back, waiting } = await expiring(test, { listener: soon })
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
    const { peer, dialing } = await expiring(test, { listener: soon })
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
