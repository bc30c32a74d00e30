/** Idle conns, reloads and restarts of a real proxy, under calls: none is lost silently. */

import assert from 'node:assert/strict'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { describe, it, type TestContext } from 'node:test'
import { type Auth, type Connection, DisconnectedError, GridError } from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { rejection } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'
import { behind, type Side, ways } from './grid.ts'
import { type Changes, type Kind, kinds, whyNot } from './proxy.ts'

const workersStay = 'How long old workers stay'

/** What a proxy knows of a conn: that it was an HTTP upgrade, or nothing. */
const tunnels = [ways[0], ways[2]] as const

/** The times of each configuration after which an idle conn is closed. */
const idle = (kind: Kind, way: string, to: string): Changes =>
  kind === 'haproxy' && way !== 'TLS passed through'
    ? [['timeout tunnel 60s', `timeout tunnel ${to}`]]
    : [[' 60s', ` ${to}`]]

/** Calls one after the other, each with a payload of its own, until it is told to stop; how each ended. */
function callAgainAndAgain(test: TestContext, peer: Connection) {
  const outcomes = new Map<string, string>()
  let isOver = false
  const done = (async () => {
    for (let n = 0; !isOver; n++) {
      const id = `call ${n}`
      const answer = await peer
        .request('work', Buffer.from(id), { timeout: paced(10_000) })
        .then((bytes) => (Buffer.from(bytes).toString() === id ? 'ok' : 'another answer'))
        .catch((error) => (GridError.is(error) ? `${error.code} ${error.delivery}` : String(error)))
      outcomes.set(id, answer)
      // Without a conn a call fails at once.
      if (answer !== 'ok') await new Promise(setImmediate)
    }
  })()
  const stop = async () => {
    isOver = true
    await done
    return outcomes
  }
  test.after(stop)
  return { outcomes, stop }
}

/** What each call says of itself agrees with what its handler saw. */
function assertTold(outcomes: ReadonlyMap<string, string>, { begun }: Side): void {
  for (const [id, outcome] of outcomes) {
    const runs = begun.filter((each) => each === id).length
    const allowed = { ok: [1], 'ERR_DISCONNECTED maybeRan': [0, 1], 'ERR_DISCONNECTED notSent': [0] }[outcome]
    assert.ok(allowed?.includes(runs), `${id} ended with ${outcome} and ran ${runs} times`)
  }
}

/** The recipe of the page. */
function renewEvery(ms: number): (auth: Auth) => Auth {
  return (auth) => ({
    prove: (context) => auth.prove(context),
    async verify(context, proof) {
      const identity = await auth.verify(context, proof)
      return { ...identity, expiresAt: Math.min(identity?.expiresAt ?? Infinity, Date.now() + ms) }
    }
  })
}

for (const kind of kinds) {
  describe(`a conn through ${kind}`, { skip: whyNot[kind], concurrency: 4 }, () => {
    for (const way of tunnels) {
      it(`that is pinged outlives the idle time-out of the proxy, by ${way}`, async (test) => {
        for (let idleMs = paced(500); ; idleMs *= 2) {
          const manager = { keepAlive: { intervalMs: Math.ceil(idleMs / 5) } }
          const { peer } = await behind(test, { kind, way, changes: idle(kind, way, `${idleMs}ms`), manager })
          await peer.waitForConnect()
          const { session } = peer.stats()
          const since = performance.now()
          const stalls = monitorEventLoopDelay({ resolution: 5 })
          stalls.enable()
          await until(() => performance.now() - since > 2.4 * idleMs, 'two time-outs have passed', 60_000)
          stalls.disable()
          if (peer.stats().session?.id === session?.id) return
          // Who stands still for so long pings too late: once more, with more time.
          const stallMs = stalls.max / 1e6
          assert.ok(stallMs > idleMs / 4, `it was cut, though it never stood still for more than ${stallMs} ms`)
        }
      })

      it(`that is pinged too rarely is cut, says why, and comes back, by ${way}`, async (test) => {
        const manager = { keepAlive: { intervalMs: 600_000 } }
        const { peer, b } = await behind(test, { kind, way, changes: idle(kind, way, '1s'), manager })
        await peer.waitForConnect()
        const error = await rejection(peer.request('work', Buffer.from('wait')))
        assert.ok(DisconnectedError.is(error), String(error))
        assert.deepEqual([error.reason, error.delivery], ['lost', 'maybeRan'])
        const why =
          /: connection lost.*; keepAlive\.intervalMs is 600000: does a proxy on the way close conns that are idle/
        assert.match(error.message, why)
        const answer = await peer.request('work', Buffer.from('again'), { waitForReady: true })
        assert.equal(Buffer.from(answer).toString(), 'again')
        assert.deepEqual(b.begun, ['wait', 'again'])
      })

      it(`goes on while the proxy is reloaded, with the calls on it, by ${way}`, async (test) => {
        const { peer, b, proxy } = await behind(test, { kind, way, titles: [workersStay] })
        await peer.waitForConnect()
        const { session } = peer.stats()
        const waiting = peer.request('work', Buffer.from('wait'))
        await until(() => b.begun.includes('wait'), 'it runs')
        const calls = callAgainAndAgain(test, peer)
        const [before] = proxy.workers()
        await proxy.reload()
        const { size } = calls.outcomes
        await until(() => calls.outcomes.size > size + 50, 'calls after the reload')
        b.release()
        assert.equal(Buffer.from(await waiting).toString(), 'wait')
        const outcomes = await calls.stop()
        assert.deepEqual(new Set(outcomes.values()), new Set(['ok']))
        assert.equal(peer.stats().session?.id, session?.id)
        assert.ok(proxy.workers().includes(before as number), 'the old worker carries it')
      })

      it(`is cut when the old worker has to go: each call says what became of it, by ${way}`, async (test) => {
        const [from, to] = kind === 'nginx' ? ['timeout 60s;\n', 'timeout 1s;\n'] : ['after 60s', 'after 1s']
        const { peer, b, proxy } = await behind(test, { kind, way, titles: [workersStay], changes: [[from, to]] })
        await peer.waitForConnect()
        const lost = rejection(peer.request('work', Buffer.from('wait')))
        await until(() => b.begun.includes('wait'), 'it runs')
        const calls = callAgainAndAgain(test, peer)
        await proxy.reload()
        const error = await lost
        assert.deepEqual([error.code, error.delivery], ['ERR_DISCONNECTED', 'maybeRan'])
        await peer.waitForConnect()
        const { size } = calls.outcomes
        await until(() => calls.outcomes.size > size + 20, 'calls after the cut')
        assertTold(await calls.stop(), b)
      })

      it(`is replaced before that where sessions are renewed, and no call fails, by ${way}`, async (test) => {
        for (let renewedMs = paced(3000); ; renewedMs *= 2) {
          const around = renewEvery(renewedMs)
          const { peer, proxy } = await behind(test, { kind, way, titles: [workersStay], around })
          await peer.waitForConnect()
          const [before] = proxy.workers()
          const stalls = monitorEventLoopDelay({ resolution: 5 })
          stalls.enable()
          const calls = callAgainAndAgain(test, peer)
          await proxy.reload()
          await until(() => !proxy.workers().includes(before as number), 'the old worker has ended', 10 * renewedMs)
          stalls.disable()
          const outcomes = new Set((await calls.stop()).values())
          if (outcomes.size === 1 && outcomes.has('ok')) return
          // A quarter of its time is left when a session is renewed. Who stands still for so long comes too late: once more, with more time.
          const stallMs = stalls.max / 1e6
          assert.ok(
            stallMs > renewedMs / 4,
            `${[...outcomes]}, though it never stood still for more than ${stallMs} ms`
          )
        }
      })
    }

    it('comes back when the proxy was stopped and started, and each call says what became of it', async (test) => {
      const { peer, b, proxy } = await behind(test, { kind, way: 'A path for each host' })
      await peer.waitForConnect()
      const calls = callAgainAndAgain(test, peer)
      await until(() => calls.outcomes.size > 20, 'calls before')
      await proxy.stop()
      await until(() => peer.state !== 'connected', 'the loss is noticed')
      const waiting = peer.request('work', Buffer.from('patient'), { waitForReady: true })
      await proxy.run()
      assert.equal(Buffer.from(await waiting).toString(), 'patient')
      assertTold(await calls.stop(), b)
    })
  })
}
