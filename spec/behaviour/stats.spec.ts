/**
 * What stats() says, at each end, while and after things happen.
 */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { pushable } from 'it-pushable'
import { type ManagerOptions, type SessionStats, single, streaming } from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { Gate } from '../support/gate.ts'
import { namesInOrder } from '../support/grid/manager.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { settled, until } from '../support/until.ts'

/** No ping but the first of each end disturbs the numbers. */
const keepAlive = { intervalMs: 60_000 }
const count = streaming<number, never, number>('count', { inCapacity: 0, outCapacity: 8 })
const hold = single<void, string>('hold')

async function connected(test: TestContext, ofListener: Partial<ManagerOptions> = {}) {
  const servers = new Servers(test)
  const pair = await servers.pair({ keepAlive }, { keepAlive, ...ofListener })
  const proxy = await servers.proxy(pair.listener)
  const gate = new Gate()
  let started = 0
  for (const { manager } of [pair.dialer, pair.listener]) {
    manager.handle('echo', (payload) => payload)
    manager.handle(hold, async () => {
      started++
      await gate.opened
      return 'done'
    })
    manager.handle(count, async function* (n) {
      for (let i = 0; i < n; i++) yield i
    })
  }
  const { there, back } = pair
  await Promise.all([there.waitForConnect(), back.waitForConnect()])
  const near = () => sessionOf(there)
  const far = () => sessionOf(back)
  const quiet = () => near().framesIn + far().framesIn
  // The tables and first pings are over.
  await until(() => near().rttMs !== undefined && far().rttMs !== undefined, 'the first pongs')
  await settled(quiet)
  return { ...pair, near, far, proxy, gate, started: () => started, quiet }
}

function sessionOf(connection: { stats(): { session: SessionStats | undefined } }): SessionStats {
  const { session } = connection.stats()
  assert.ok(session !== undefined, 'there is a session')
  return session
}

const byName = (now: SessionStats, before: SessionStats) => ({
  framesOut: now.framesOut - before.framesOut,
  framesIn: now.framesIn - before.framesIn,
  messagesOut: now.messagesOut - before.messagesOut,
  messagesIn: now.messagesIn - before.messagesIn
})

describe('the stats of a connection', () => {
  it('count two frames and two messages for a request, and all its bytes, at both ends alike', async (test) => {
    const { there, listener, quiet, near, far } = await connected(test)
    const [before, beforeThere] = [near(), far()]
    for (let n = 0; n < 10; n++) await there.request('echo', Buffer.alloc(1000))
    await settled(quiet)
    const ten = { framesOut: 10, framesIn: 10, messagesOut: 10, messagesIn: 10 }
    assert.deepEqual(byName(near(), before), ten)
    assert.deepEqual(byName(far(), beforeThere), ten)
    const bytes = near().bytesOut - before.bytesOut
    assert.ok(bytes > 10_000 && bytes < 10_500, `${bytes} bytes for ten times 1000`)
    assert.equal(near().bytesOut, far().bytesIn)
    assert.equal(near().bytesIn, far().bytesOut)
    assert.equal(near().batchesOut, far().batchesIn)
    assert.equal(near().batchesIn, far().batchesOut)
    assert.equal(near().framesOut, far().framesIn)
    assert.equal(listener.manager.stats().totals.messagesIn, far().messagesIn)
  })

  it('name the session alike at both ends, and say when it began', async (test) => {
    const before = Date.now()
    const { near, far } = await connected(test)
    assert.equal(near().id, far().id)
    for (const { since } of [near(), far()]) assert.ok(since >= before && since <= Date.now())
  })

  it('count many small messages of one turn in few batches', async (test) => {
    const { there, quiet, near } = await connected(test)
    const before = near()
    await Promise.all(Array.from({ length: 100 }, () => there.request('echo', Buffer.of(1))))
    await settled(quiet)
    assert.equal(near().messagesOut - before.messagesOut, 100)
    const batches = near().batchesOut - before.batchesOut
    assert.ok(batches >= 1 && batches < 10, `${batches} batches`)
  })

  it('count a fragmented message once, and its fragments as frames', async (test) => {
    const { there, quiet, near } = await connected(test)
    const before = near()
    await there.request('echo', Buffer.alloc(1024 * 1024))
    await settled(quiet)
    const moved = byName(near(), before)
    assert.deepEqual([moved.messagesOut, moved.messagesIn], [1, 1])
    assert.ok(moved.framesOut > 10 && moved.framesIn > 10, JSON.stringify(moved))
  })

  it('count the messages of a stream', async (test) => {
    const { there, quiet, near, far } = await connected(test)
    const [before, beforeThere] = [near(), far()]
    let got = 0
    for await (const _ of there.newStream(count, 100)) got++
    await settled(quiet)
    assert.equal(got, 100)
    assert.equal(near().messagesIn - before.messagesIn, 100)
    assert.equal(near().messagesOut - before.messagesOut, 1)
    assert.equal(far().messagesOut - beforeThere.messagesOut, 100)
  })

  it('show open streams and running handlers while they are, at both ends, and zero afterwards', async (test) => {
    const { there, back, gate, started, near, far } = await connected(test)
    const calls = [there.request(hold), there.request(hold), back.request(hold)]
    const stream = there.newStream(count, 1000)
    assert.equal((await stream.responses.next()).value, 0)
    await until(() => started() === 3, 'all run')
    const open = (stats: SessionStats) => [stats.outboundStreams, stats.inboundStreams, stats.runningHandlers]
    assert.deepEqual(open(near()), [3, 1, 1])
    assert.deepEqual(open(far()), [1, 3, 3])
    gate.open()
    await Promise.all(calls)
    stream.cancel()
    await until(() => far().runningHandlers === 0, 'the stream is unwound')
    assert.deepEqual(open(near()), [0, 0, 0])
    assert.deepEqual(open(far()), [0, 0, 0])
  })

  it('count calls that were refused at the door', async (test) => {
    const { there, gate, started, near, far } = await connected(test, { limits: { maxInboundStreams: 1 } })
    const running = there.request(hold)
    await until(() => started() === 1, 'it runs')
    assert.equal((await rejection(there.request('echo', Buffer.of(1)))).reason, 'tooManyStreams')
    assert.equal(far().refusals, 1)
    assert.equal(near().refusals, 0)
    gate.open()
    await running
  })

  it('count frames that came too late to matter', async (test) => {
    const { there, proxy, gate, started, near, far } = await connected(test)
    const controller = new AbortController()
    const call = rejection(there.request(hold, undefined, { signal: controller.signal }))
    await until(() => started() === 1, 'it runs')
    proxy.impair({ blackhole: true }, 'inbound')
    controller.abort(new Error('enough'))
    assert.equal((await call).message, 'enough')
    assert.equal(near().ignoredFrames, 0)
    gate.open()
    await until(() => near().ignoredFrames === 1, 'the late reply is ignored and counted')
    proxy.heal()
    await until(() => far().ignoredFrames === 1, 'the late reset is ignored and counted')
  })

  it('show what waits to be sent while the network takes nothing', async (test) => {
    const { there, proxy, near } = await connected(test)
    proxy.impair({ blackhole: true }, 'inbound')
    const call = there.request('echo', Buffer.alloc(12 * 1024 * 1024))
    await until(() => near().sendQueueStreams === 1, 'the call waits for its turn')
    proxy.heal()
    await call
    assert.deepEqual([near().sendQueueStreams, near().sendQueueBytes], [0, 0])
  })

  it('go on in the totals over a reconnect and a shutdown, and never go back', async (test) => {
    const { there, back, listener, gate, started } = await connected(test)
    const totals: number[] = []
    const note = () => totals.push(there.stats().totals.bytesOut)
    await there.request('echo', Buffer.alloc(5000))
    note()
    listener.server.cut()
    await until(() => there.state !== 'connected', 'lost')
    assert.equal(there.stats().session, undefined)
    note()
    await until(() => there.stats().reconnects === 1 && back.stats().reconnects === 1, 'connected again')
    assert.ok(sessionOf(there).bytesOut < 5000)
    note()
    const call = there.request(hold)
    await until(() => started() === 1, 'it runs')
    note()
    const closing = listener.manager.close()
    await until(() => there.state !== 'connected', 'going away')
    note()
    gate.open()
    await call
    await closing
    note()
    assert.deepEqual(
      totals,
      [...totals].sort((a, b) => a - b)
    )
    assert.ok((totals[0] ?? 0) > 5000)
  })

  it('have a round-trip time once a ping is answered, and since when the state is what it is', async (test) => {
    const before = Date.now()
    const { there, near } = await connected(test)
    const { rttMs = -1 } = near()
    assert.ok(rttMs >= 0 && rttMs < paced(5000))
    const { since, host, state, isDialer } = there.stats()
    assert.ok(since >= before && since <= Date.now())
    assert.deepEqual({ host, state, isDialer }, { host: there.host, state: 'connected', isDialer: true })
  })
})

describe('the stats of a manager', () => {
  it('are plain data that survives JSON, and sum up its connections', async (test) => {
    const { there, dialer, listener, quiet } = await connected(test)
    for (let n = 0; n < 3; n++) await there.request('echo', Buffer.of(1))
    await settled(quiet)
    for (const { manager } of [dialer, listener]) {
      const stats = manager.stats()
      assert.deepEqual(JSON.parse(JSON.stringify(stats)), stats)
      const { local, instance, handlerCount, pendingHandshakes, refusedHandshakes } = stats
      assert.deepEqual({ local, instance }, { local: manager.local, instance: manager.instance })
      assert.deepEqual(
        { handlerCount, pendingHandshakes, refusedHandshakes },
        { handlerCount: 3, pendingHandshakes: 0, refusedHandshakes: 0 }
      )
      assert.deepEqual(stats.totals, stats.connections[0]?.totals)
      assert.match(instance, /^[0-9a-f]{32}$/)
    }
    assert.equal(there.instance, listener.manager.instance)
  })

  it('keep in the totals what was counted with a host that is removed, and added again', async (test) => {
    const servers = new Servers(test)
    const [a, b] = namesInOrder()
    const { manager: remote } = await servers.node(b, [a, b])
    remote.handle('echo', (payload) => payload)
    const lists = pushable<string[]>({ objectMode: true })
    const { manager } = await servers.node(a, lists)
    const totals: number[] = []
    const note = () => totals.push(manager.stats().totals.bytesOut)
    for (let round = 0; round < 2; round++) {
      lists.push([a, b])
      await until(() => manager.hosts.length === 1, 'it is there')
      const there = manager.connection(b)
      await there.request('echo', Buffer.alloc(5000), { waitForReady: true })
      note()
      lists.push([a])
      await until(() => manager.hosts.length === 0, 'it is removed')
      note()
      await until(() => there.stats().session === undefined, 'its session has ended')
      note()
    }
    assert.deepEqual(
      totals,
      [...totals].sort((x, y) => x - y)
    )
    assert.ok((totals.at(-1) ?? 0) > 10_000, `${totals}`)
  })

  it('are a snapshot: what was taken does not move', async (test) => {
    const { there, dialer } = await connected(test)
    const stats = dialer.manager.stats()
    const copy = structuredClone(stats)
    await there.request('echo', Buffer.of(1))
    assert.deepEqual(stats, copy)
    assert.notDeepEqual(dialer.manager.stats().totals, copy.totals)
  })
})
