/**
 * `context.draining` and `stream.draining`: whoever runs on a conn is told when either end begins to close it, long before
 * its call is aborted; over every kind of conn, from either end, on a connection of a server to itself, and after a reconnect.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it, type TestContext } from 'node:test'
import {
  type Connection,
  DrainingError,
  type GridStream,
  type HandlerContext,
  type Manager,
  single,
  streaming
} from '../../lib/index.ts'
import { Gate } from '../support/gate.ts'
import { type CallsFrom, type Link, type LinkKind, openLink } from '../support/grid/links.ts'
import { namesInOrder, testManager } from '../support/grid/manager.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { settled, until } from '../support/until.ts'

const hold = single<void, string>('hold')
const feed = streaming<number, never, number>('feed', { inCapacity: 0, outCapacity: 2 })
const graceMs = 30_000

/** A feed that ends when its server goes, and a request that does. */
function serve(manager: Manager) {
  const contexts: HandlerContext[] = []
  manager.handle(hold, async (_, context) => {
    contexts.push(context)
    if (!context.draining.aborted) await once(context.draining, 'abort')
    return 'done'
  })
  manager.handle(feed, async function* (from, _requests, context) {
    contexts.push(context)
    yield from
    if (!context.draining.aborted) await once(context.draining, 'abort')
    yield from + 1
  })
  return contexts
}

async function rest(stream: GridStream<never, number>): Promise<number[]> {
  const got: number[] = []
  for await (const value of stream) got.push(value)
  return got
}

/** Calls of `peer` that run: their answers, and the stream. */
async function callsOf(peer: Connection, contexts: readonly HandlerContext[]) {
  const before = contexts.length
  const request = peer.request(hold)
  const stream = peer.newStream(feed, 7)
  assert.equal(stream.draining.aborted, false)
  const answers = Promise.all([request, rest(stream)])
  await until(() => contexts.length === before + 2, 'both run')
  return { stream, answers }
}

function assertTold(draining: AbortSignal, by: 'local' | 'remote', reason = 'shutdown', ms = graceMs) {
  assert.ok(draining.aborted, `told by ${by}`)
  const error = draining.reason
  assert.ok(error instanceof DrainingError, String(error))
  assert.deepEqual([error.code, error.by, error.reason, error.delivery], ['ERR_DRAINING', by, reason, undefined])
  if (ms === Number.POSITIVE_INFINITY) assert.equal(error.deadline, undefined)
  else assert.ok(Math.abs((error.deadline ?? 0) - Date.now() - ms) < 10_000, `until ${error.deadline}`)
}

/** Two servers on WebSockets, of which the listener serves. */
async function connected(test: TestContext) {
  const pair = await new Servers(test).pair()
  const contexts = serve(pair.listener.manager)
  await Promise.all([pair.there.waitForConnect(), pair.back.waitForConnect()])
  return { ...pair, contexts }
}

async function onLink(kind: LinkKind, from: CallsFrom, body: (link: Link) => Promise<void>): Promise<void> {
  const link = await openLink(kind, from)
  try {
    await body(link)
  } finally {
    await link.abandon()
  }
}

const kinds: readonly LinkKind[] = ['ws', 'tcp', 'memory']
for (const kind of kinds) {
  for (const from of ['dialer', 'listener'] as const) {
    describe(`over ${kind}, called from the ${from}, a call is told`, () => {
      for (const closes of ['caller', 'responder'] as const) {
        it(`at both ends when its ${closes} closes, ends by itself, and the close takes no longer`, async () => {
          await onLink(kind, from, async (link) => {
            const contexts = serve(link.responder)
            await link.known()
            const { stream, answers } = await callsOf(link.peer, contexts)
            const closing = link[closes].close({ timeout: graceMs })
            const [here, there] = closes === 'caller' ? (['local', 'remote'] as const) : (['remote', 'local'] as const)
            assert.deepEqual(await answers, ['done', [7, 8]])
            await closing
            assertTold(stream.draining, here)
            for (const { draining, signal } of contexts) {
              assertTold(draining, there)
              assert.equal(signal.aborted, false)
            }
            assert.deepEqual(await stream.closed, { how: 'ended' })
          })
        })
      }

      it('on the session after a lost one, and not of a conn that was lost before', async () => {
        await onLink(kind, from, async (link) => {
          const contexts = serve(link.responder)
          await link.known()
          const lost = await callsOf(link.peer, contexts)
          link.cut()
          await rejection(lost.answers)
          await link.connected(2)
          const { stream, answers } = await callsOf(link.peer, contexts)
          const closing = link.responder.close({ timeout: graceMs })
          assert.deepEqual(await answers, ['done', [7, 8]])
          await closing
          assertTold(stream.draining, 'remote')
          assert.equal(lost.stream.draining.aborted, false)
          for (const { draining, signal } of contexts.slice(0, 2)) {
            assert.deepEqual([draining.aborted, signal.aborted], [false, true])
          }
        })
      })
    })
  }
}

describe('draining', () => {
  it('is told to both ends of a call of a server to itself', async () => {
    const manager = testManager({ local: 'http://a', hosts: [] })
    const contexts = serve(manager)
    const { stream, answers } = await callsOf(manager.connection('http://a'), contexts)
    const closing = manager.close({ timeout: graceMs })
    for (const draining of [stream.draining, ...contexts.map((context) => context.draining)]) {
      assertTold(draining, 'local')
    }
    assert.deepEqual(await answers, ['done', [7, 8]])
    await closing
  })

  it('is told to the calls of a host that is taken from the list, at both ends', async (test) => {
    const [a, b] = namesInOrder()
    const removed = new Gate()
    const hosts = (async function* () {
      yield [a, b]
      await removed.opened
      yield [a]
    })()
    const servers = new Servers(test)
    const remote = await servers.node(b, [a, b])
    const manager = servers.manager({ local: a, hosts })
    const contexts = serve(remote.manager)
    await manager.ready
    const peer = manager.connection(b)
    await peer.waitForConnect()
    const { stream, answers } = await callsOf(peer, contexts)
    removed.open()
    assert.deepEqual(await answers, ['done', [7, 8]])
    assertTold(stream.draining, 'local', 'hostRemoved', 10_000)
    for (const { draining } of contexts) assertTold(draining, 'remote', 'hostRemoved', 10_000)
  })

  it('has no deadline when all running calls may end', async (test) => {
    const { there, listener, contexts } = await connected(test)
    const { stream, answers } = await callsOf(there, contexts)
    const closing = listener.manager.close({ timeout: Number.POSITIVE_INFINITY })
    await Promise.all([answers, closing])
    assertTold(stream.draining, 'remote', 'shutdown', Number.POSITIVE_INFINITY)
    for (const { draining } of contexts) assertTold(draining, 'local', 'shutdown', Number.POSITIVE_INFINITY)
  })

  it('is told before the call is aborted, also where there is no grace', async (test) => {
    const { there, listener } = await connected(test)
    const told: string[] = []
    const running = new Gate()
    listener.manager.handle('deaf', async (payload, { draining, signal }) => {
      if (payload.length === 0) return payload
      draining.addEventListener('abort', () => told.push(`draining ${signal.aborted}`))
      signal.addEventListener('abort', () => told.push(`aborted ${draining.aborted}`))
      running.open()
      await once(signal, 'abort')
      return payload
    })
    const isKnown = () =>
      there.request('deaf').then(
        () => true,
        () => false
      )
    await until(isKnown, 'it is known')
    const call = rejection(there.request('deaf', Buffer.of(1)))
    await running.opened
    await listener.manager.close({ timeout: 0 })
    assert.equal((await call).reason, 'shutdown')
    await until(() => told.length === 2, 'it is told of both')
    assert.deepEqual(told, ['draining false', 'aborted true'])
  })

  it('stays with the calls that ran: later ones are refused, and a stream that ended before is not told', async (test) => {
    const { there, back, listener, contexts } = await connected(test)
    const early = there.newStream(feed, 1)
    assert.equal((await early.responses.next()).value, 1)
    assert.equal(early.draining.aborted, false)
    early.cancel()
    const { stream, answers } = await callsOf(there, contexts)
    const gate = new Gate()
    stream.draining.addEventListener('abort', () => {
      const late = there.newStream(feed, 1)
      rejection(late.responses.next()).then(({ delivery }) => {
        assert.equal(delivery, 'notSent')
        assert.equal(late.draining.aborted, false)
        gate.open()
      })
    })
    const closing = listener.manager.close({ timeout: graceMs })
    assert.equal((await rejection(back.request('any'))).delivery, 'notSent')
    await Promise.all([answers, closing, gate.opened])
    assert.equal(early.draining.aborted, false)
  })

  it('is told to a stream that waited for its connection when it was asked', async (test) => {
    const servers = new Servers(test)
    const { dialer, listener, there } = await servers.pair()
    serve(listener.manager)
    const stream = there.newStream(feed, 7, { waitForReady: true })
    const { draining } = stream
    assert.deepEqual((await stream.responses.next()).value, 7)
    assert.equal(draining.aborted, false)
    const closing = dialer.manager.close({ timeout: graceMs })
    assertTold(draining, 'local')
    assert.deepEqual(await rest(stream), [8])
    await closing
  })

  it('tells a stream that has ended whether it ended because of that, also when it is asked only then', async (test) => {
    const { there, listener, contexts } = await connected(test)
    const stream = there.newStream(feed, 1)
    const all = rest(stream)
    await until(() => contexts.length === 1, 'it runs')
    await Promise.all([listener.manager.close({ timeout: graceMs }), all])
    assertTold(stream.draining, 'remote')
  })

  it('harms nobody by a listener that throws or rejects', async (test) => {
    const { there, listener, contexts } = await connected(test)
    const { stream, answers } = await callsOf(there, contexts)
    for (const { draining } of [stream, ...contexts]) {
      draining.addEventListener('abort', () => {
        throw new Error('a listener that throws')
      })
      draining.addEventListener('abort', async () => Promise.reject(new Error('a listener that rejects')))
    }
    const closing = listener.manager.close({ timeout: graceMs })
    assert.deepEqual(await answers, ['done', [7, 8]])
    await closing
  })

  it('costs no listener warning at thousands of streams, and all of them are told', async (test) => {
    const { there, listener, contexts } = await connected(test)
    const warnings: Error[] = []
    const onWarning = (warning: Error) => void warnings.push(warning)
    process.on('warning', onWarning)
    test.after(() => process.off('warning', onWarning))
    const streams = Array.from({ length: 3000 }, () => there.newStream(feed, 1))
    const told = streams.map((stream) => once(stream.draining, 'abort'))
    const all = Promise.all(streams.map(rest))
    await until(() => contexts.length === streams.length, 'all run')
    for (let n = 0; n < 20; n++) streams[0]?.draining.addEventListener('abort', () => n)
    const closing = listener.manager.close({ timeout: graceMs })
    await Promise.all([...told, all, closing])
    assert.equal(await settled(() => warnings.length), 0)
  })
})
