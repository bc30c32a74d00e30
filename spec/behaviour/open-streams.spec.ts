/**
 * What `streams()` says of open calls: what each half waits for, at both ends, and for how long.
 */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { introspection, type StreamInfo, single, streaming, type Waits } from '../../lib/index.ts'
import { Gate } from '../support/gate.ts'
import { Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const hold = single<void, string>('hold')
const endless = streaming<void, never, Uint8Array>('endless', { inCapacity: 0, outCapacity: 4 })
const quiet = streaming<void, never, Uint8Array>('quiet', { inCapacity: 0, outCapacity: 4 })
const upload = streaming<void, Uint8Array, void>('upload', { inCapacity: 2, outCapacity: 1 })

async function connected(test: TestContext) {
  const pair = await new Servers(test).pair({}, { introspection: true })
  const { manager } = pair.listener
  const gate = new Gate()
  manager.handle(hold, async () => {
    await gate.opened
    return 'done'
  })
  manager.handle(endless, async function* () {
    for (;;) yield Buffer.alloc(1000)
  })
  manager.handle(quiet, async function* () {
    yield Buffer.alloc(10)
    await gate.opened
  })
  manager.handle(upload, async (_, requests) => {
    await gate.opened
    for await (const _ of requests);
  })
  await Promise.all([pair.there.waitForConnect(), pair.back.waitForConnect()])
  const { there, back } = pair
  const find = (streams: readonly StreamInfo[], handler: string) => streams.find((each) => each.handler === handler)
  const near = (handler: string) => find(there.streams(), handler)
  const far = (handler: string) => find(back.streams(), handler)
  return { ...pair, gate, near, far }
}

describe('an open call', () => {
  it('that is a request waits for its peer at the caller, and for its producer at the handler', async (test) => {
    const { there, gate, near, far, listener } = await connected(test)
    const call = there.request(hold, undefined, { timeout: 50_000 })
    await until(() => far('hold') !== undefined, 'it runs')
    const [at, of] = [near('hold') ?? assert.fail(), far('hold') ?? assert.fail()]
    assert.deepEqual([at.kind, at.side, at.host, of.side], ['single', 'caller', listener.name, 'handler'])
    assert.equal(at.id, of.id)
    assert.ok(at.id > 0)
    assert.deepEqual([at.sending, at.receiving?.waitsFor], [undefined, 'peer'])
    assert.deepEqual([of.sending?.waitsFor, of.receiving], ['producer', undefined])
    assert.ok((at.deadline ?? 0) > Date.now() && (at.deadline ?? 0) <= Date.now() + 50_000)
    await until(() => (near('hold')?.receiving?.waitedMs ?? 0) > 30, 'it waits')
    assert.ok((near('hold')?.ageMs ?? 0) >= (near('hold')?.receiving?.waitedMs ?? 0) - 5)
    gate.open()
    await call
    await until(() => near('hold') === undefined && far('hold') === undefined, 'gone')
  })

  it('whose consumer takes nothing waits for credit at the producer, and the parts of its window add up', async (test) => {
    const { there, near, far } = await connected(test)
    const stream = there.newStream(endless)
    await until(() => far('endless')?.sending?.waitsFor === 'credit', 'no credit')
    await until(() => near('endless')?.receiving?.unread?.messages === 4, 'all is there')
    const [at, of] = [near('endless')?.receiving, far('endless')?.sending]
    assert.equal(at?.waitsFor, 'consumer')
    assert.deepEqual([at?.room?.messages, at?.capacity?.messages, of?.room?.messages], [0, 4, 0])
    assert.equal((at?.unread?.bytes ?? 0) + (at?.room?.bytes ?? 0), at?.capacity?.bytes)
    assert.equal(at?.unread?.bytes, at?.totalBytes)
    assert.equal(at?.totalBytes, of?.totalBytes)
    assert.deepEqual([of?.capacity, of?.unread], [at?.capacity, at?.unread])
    assert.deepEqual([of?.totalMessages, at?.totalMessages], [4, 4])
    await until(() => (near('endless')?.receiving?.waitedMs ?? 0) > 50, 'it waits')
    const { waitedMs = 0 } = far('endless')?.sending ?? {}
    assert.ok(waitedMs > 0)
    for (let n = 0; n < 4; n++) await stream.responses.next()
    await until(() => (far('endless')?.sending?.waitedMs ?? 1e9) < waitedMs + 50, 'it has moved')
    stream.cancel()
  })

  it('has at both ends the same session, which is another one after a reconnect and with another peer', async (test) => {
    const { there, gate, near, far, listener } = await connected(test)
    const call = there.request(hold)
    await until(() => far('hold') !== undefined, 'it runs')
    const { id } = there.stats().session ?? assert.fail()
    assert.match(id, /^[0-9a-f]{16}$/)
    assert.deepEqual([near('hold')?.session, far('hold')?.session], [id, id])
    const self = listener.manager.connection(listener.name)
    const own = self.request(hold)
    await until(() => self.streams({ handler: 'hold' }).length === 1, 'it is open')
    assert.notEqual(self.streams()[0]?.session, id)
    listener.server.cut()
    await call.catch(() => undefined)
    await until(() => (there.stats().session?.id ?? id) !== id, 'another session')
    gate.open()
    await own
  })

  it('whose producer gives nothing waits for that, and its consumer for the peer', async (test) => {
    const { there, gate, near, far } = await connected(test)
    const stream = there.newStream(quiet)
    await stream.responses.next()
    await until(() => far('quiet')?.sending?.waitsFor === 'producer', 'quiet')
    assert.equal(near('quiet')?.receiving?.waitsFor, 'peer')
    gate.open()
    await stream.closed
  })

  it('whose handler takes no requests waits for credit at its caller', async (test) => {
    const { there, gate, near, far } = await connected(test)
    const stream = there.newStream(upload)
    for (let n = 0; n < 4; n++) stream.requests.push(Buffer.alloc(100))
    stream.requests.end()
    await until(() => near('upload')?.sending?.waitsFor === 'credit', 'no credit')
    await until(() => far('upload')?.receiving?.unread?.messages === 2, 'they are there')
    assert.equal(far('upload')?.receiving?.waitsFor, 'consumer')
    gate.open()
    for await (const _ of stream);
  })

  it('waits for the conn where that takes nothing', async (test) => {
    const servers = new Servers(test)
    const { dialer, listener } = await servers.pair()
    const proxy = await servers.proxy(listener)
    listener.manager.handle('echo', (payload) => payload)
    const there = dialer.manager.connection(listener.name)
    await there.waitForConnect()
    proxy.impair({ blackhole: true }, 'inbound')
    const call = there.request('echo', Buffer.alloc(12 * 1024 * 1024))
    await until(() => there.streams()[0]?.sending?.waitsFor === 'conn', 'the conn is full')
    proxy.heal()
    await call
  })

  it('is counted by what it waits for, with the longest wait, requests apart from streams', async (test) => {
    const { there, back, gate, near } = await connected(test)
    const none = { count: 0 }
    assert.deepEqual(there.stats().waits, { called: none, served: none, credit: none, conn: none, consumer: none })
    const call = there.request(hold)
    const stuck = there.newStream(endless)
    const given = there.newStream(upload)
    for (let n = 0; n < 4; n++) given.requests.push(Buffer.alloc(100))
    const silent = there.newStream(quiet)
    await silent.responses.next()
    const counts = ({ waits }: ReturnType<typeof there.stats>) =>
      Object.fromEntries(Object.entries(waits).map(([name, { count }]) => [name, count]))
    const atBoth = () => JSON.stringify([counts(there.stats()), counts(back.stats())])
    const expected = [
      { called: 1, served: 0, credit: 1, conn: 0, consumer: 1 },
      { called: 0, served: 1, credit: 1, conn: 0, consumer: 1 }
    ]
    await until(() => atBoth() === JSON.stringify(expected), 'all wait')
    await until(
      () => Object.values(there.stats().waits).every(({ count, oldestMs = 0 }) => count === 0 || oldestMs > 50),
      'old'
    )
    const { called, consumer } = there.stats().waits
    assert.ok((called.oldestMs ?? 0) <= (near('hold')?.ageMs ?? 0))
    for (let n = 0; n < 4; n++) await stuck.responses.next()
    const isYounger = ({ count, oldestMs = 0 }: Waits) => count === 1 && oldestMs < (consumer.oldestMs ?? 0)
    await until(() => isYounger(there.stats().waits.consumer), 'it has moved')
    stuck.cancel()
    gate.open()
    await call
    given.requests.end()
    for await (const _ of given);
    await silent.closed
    await until(() => Object.values(counts(there.stats())).every((count) => count === 0), 'nothing waits')
  })

  it('is found by its handler, the longest wait first, and no more than are asked for', async (test) => {
    const { there, gate, far } = await connected(test)
    const calls = [there.request(hold)]
    await until(() => far('hold') !== undefined, 'the first')
    await until(() => (there.streams()[0]?.receiving?.waitedMs ?? 0) > 20, 'it is older')
    const stream = there.newStream(quiet)
    calls.push(there.request(hold))
    await stream.responses.next()
    const waits = there.streams().map(({ receiving }) => receiving?.waitedMs ?? 0)
    assert.deepEqual(
      waits,
      [...waits].sort((a, b) => b - a)
    )
    assert.equal(there.streams({ handler: 'hold' }).length, 2)
    assert.equal(there.streams({ max: 1 }).length, 1)
    assert.equal(there.streams({ subroute: 'none' }).length, 0)
    assert.throws(() => there.streams({ max: 0 }), { code: 'ERR_INVALID_OPTION' })
    gate.open()
    await Promise.all(calls)
    await stream.closed
  })

  it('is counted at its handler by who has called it, the most calls first, over the grid', async (test) => {
    const { there, listener, dialer, gate } = await connected(test)
    const look = introspection.on(there)
    const calls = [there.request(hold), there.request(hold)]
    const stream = there.newStream(quiet)
    await stream.responses.next()
    await until(async () => (await look.callers({ handler: 'hold' }))[0]?.open === 2, 'both are counted')
    const all = await look.callers({ subroute: '' })
    const common = { host: dialer.name, subroute: '' }
    assert.deepEqual(
      all.map(({ oldestMs, ...each }) => each),
      [
        { ...common, kind: 'single', handler: 'hold', open: 2 },
        { ...common, kind: 'streaming', handler: 'quiet', open: 1 }
      ]
    )
    const ages = listener.manager
      .connection(dialer.name)
      .streams({ handler: 'hold' })
      .map(({ ageMs }) => ageMs)
    assert.ok((all[0]?.oldestMs ?? 1e9) <= Math.max(...ages))
    gate.open()
    await Promise.all(calls)
    await stream.closed
    await until(async () => (await look.callers({ subroute: '' })).length === 0, 'nobody calls')
  })

  it('is told over the grid, of one host or of all', async (test) => {
    const { there, dialer, gate } = await connected(test)
    const look = introspection.on(there)
    const call = there.request(hold)
    await until(async () => (await look.streams({ handler: 'hold' })).length === 1, 'it is told')
    const [told] = await look.streams({ host: dialer.name, handler: 'hold' })
    assert.deepEqual([told?.side, told?.host, told?.sending?.waitsFor], ['handler', dialer.name, 'producer'])
    gate.open()
    await call
  })
})
