/** What the page is told of one connection, of one handler, and of calls as they end. */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { unpackRow } from '../../lib/extras/inspector/compact.ts'
import type { ConnectionDetail, HandlerDetail, HandlersDetail, Lane, Tick } from '../../lib/extras/inspector/model.ts'
import type { TraceBatch, TraceRow } from '../../lib/extras/inspector/traced.ts'
import { introspection, type Manager, single, streaming } from '../../lib/index.ts'
import { openGrid } from '../support/grid/grid.ts'
import { until } from '../support/until.ts'
import { answerOf, Looking, openInspector, read } from './look.ts'

const tail = streaming<void, never, Uint8Array>('logs/tail', { inCapacity: 0, outCapacity: 16 })
const bulk = streaming<void, never, Uint8Array>('disk/read', { inCapacity: 0, outCapacity: 1000 })
const write = streaming<void, Uint8Array, never>('disk/write', { inCapacity: 8, outCapacity: 0 })
const feed = streaming<void, never, number>('meta/watch', { inCapacity: 0, outCapacity: 8 })
const work = single<number, number>('work')

function serve(manager: Manager): void {
  manager.handle(tail, async function* () {
    for (;;) yield new Uint8Array(100)
  })
  manager.handle(bulk, async function* () {
    for (;;) yield new Uint8Array(60_000)
  })
  manager.handle(write, async function* (_, __, { signal }) {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
  })
  manager.handle(feed, async function* (_, __, { signal }) {
    yield 1
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
  })
  manager.handle(work, (value) => {
    if (value < 0) throw Object.assign(new Error('no'), { code: 'NO' })
    return value
  })
  manager.handle(
    'hang',
    (payload, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(payload)))
  )
}

/** Two servers and the page of the first. */
async function open(test: TestContext) {
  const grid = await openGrid(2, { introspection: true, serve })
  const { url } = await openInspector(test, grid.at(0))
  const [a = '', b = ''] = grid.hosts
  return { grid, url, a, b, peer: grid.at(0).connection(b) }
}

/** The first news for which this holds. */
async function newsThat<T>(url: string, isIt: (news: T) => boolean): Promise<T> {
  const stop = AbortSignal.timeout(60_000)
  for await (const news of read<T>(url, stop)) if (isIt(news)) return news
  return assert.fail('it ended')
}

const partsOf = ({ bar }: Lane) => (bar === undefined ? 0 : bar.free + bar.onTheWay + bar.unread + bar.owed)

describe('one connection', () => {
  it('has a lane for each direction, with who waits for whom, and a window whose parts add up to it', async (test) => {
    const { grid, url, a, b, peer } = await open(test)
    await using _ = grid
    const streams = [peer.newStream(tail), peer.newStream(bulk), peer.newStream(feed)]
    for (const stream of streams) await stream.responses.next()
    const upload = peer.newStream(write)
    for (let at = 0; at < 10; at++) upload.send(new Uint8Array(10)).catch(() => undefined)
    using page = new Looking(url)
    const told = await page.until(
      ({ waits = [] }) => waits.filter(({ cause }) => cause === 'credit').length === 3,
      'three wait'
    )
    assert.deepEqual(told.waits?.map(({ handler, who, whom }) => [handler, who, whom]).sort(), [
      ['disk/read', [b], a],
      ['disk/write', [a], b],
      ['logs/tail', [b], a]
    ])
    assert.match(answerOf(told, 'waits'), / waits for /)
    const isStalled = ({ events = [] }: Tick) =>
      events.filter(({ title }) => / has no credit$/.test(title)).length === 3
    const { events = [] } = await page.until(isStalled, 'that they have no credit is an event of each')
    const stalled = events.find(({ title }) => title.includes('logs/tail'))
    assert.match(stalled?.detail ?? '', /^\d+ of 16 messages wait to be taken$/)
    assert.equal(stalled?.severity, 'warn')
    const name = (host: string) => host.replace('http://', '')
    assert.ok(stalled?.title.startsWith(`${name(b)} → ${name(a)} · logs/tail #`), stalled?.title)
    const isWaiting = ({ lanes }: ConnectionDetail) => lanes.filter(({ blame }) => blame === 'receiver').length === 3
    const { lanes, rows } = await newsThat<ConnectionDetail>(
      `${url}connection?${new URLSearchParams({ a, b })}`,
      isWaiting
    )
    for (const lane of lanes) assert.equal(partsOf(lane), lane.bar?.capacity, JSON.stringify(lane))
    const lane = (handler: string, direction: string) =>
      lanes.find((each) => each.handler === handler && each.direction === direction)
    assert.equal(lane('logs/tail', 'responses')?.bar?.unit, 'messages')
    assert.equal(lane('disk/read', 'responses')?.bar?.unit, 'bytes', 'the scarcer of both')
    assert.deepEqual([lane('disk/write', 'requests')?.from, lane('disk/write', 'requests')?.to], [a, b])
    const quiet = lane('meta/watch', 'responses')
    assert.deepEqual([quiet?.severity, quiet?.blame], ['ok', undefined])
    assert.deepEqual(
      rows.find(([name]) => name === 'state'),
      ['state', 'connected', 'connected']
    )
    for (const stream of [...streams, upload]) stream.cancel()
    page.close()
  })
})

describe('one handler', () => {
  it('has its errors by code, and who has calls of it open', async (test) => {
    const { grid, url, a, peer } = await open(test)
    await using _ = grid
    await assert.rejects(peer.request(work, -1))
    const stop = new AbortController()
    const hanging = peer.request('hang', new Uint8Array(1), { signal: stop.signal }).catch(() => undefined)
    using page = new Looking(url)
    await page.until(({ handlers = [] }) => handlers.some(({ running }) => running > 0), 'it runs')
    const failed = await newsThat<HandlerDetail>(`${url}handler?key=single%20work`, ({ codes }) => codes.length > 0)
    assert.deepEqual(
      failed.codes.map(({ code, total }) => [code, total]),
      [['NO', 1]]
    )
    assert.equal(failed.byServer.length, 2)
    const open_ = await newsThat<HandlerDetail>(`${url}handler?key=single%20hang`, ({ callers }) => callers.length > 0)
    assert.deepEqual(
      open_.callers.map(({ host, open: count }) => [host, count]),
      [[a, 1]]
    )
    stop.abort()
    await hanging
    page.close()
  })
})

describe('handlers as callers saw them', () => {
  it('are counted once somebody asks, with charts, for one server or for all of them', async (test) => {
    const { grid, url, a, b, peer } = await open(test)
    await using _ = grid
    using page = new Looking(url)
    await page.until(({ servers = [] }) => servers.every(({ state }) => state === 'answers'), 'both answer')
    const calls = setInterval(() => peer.request(work, 1).catch(() => undefined), 50)
    const ask = (host: string) =>
      newsThat<HandlersDetail>(`${url}handlers?${new URLSearchParams({ host, side: 'caller' })}`, ({ rows }) =>
        rows.some(([key, ...values]) => (unpackRow(String(key), values).calls ?? 0) > 0)
      )
    const [all, own] = [await ask(''), await ask(a)]
    clearInterval(calls)
    assert.deepEqual(
      all.rows.map(([key]) => key),
      ['single work']
    )
    const first = await newsThat<HandlersDetail>(`${url}handlers?side=caller`, () => true)
    assert.deepEqual([first.points?.count, first.points?.of.map(([key]) => key)], [60, ['single work']])
    assert.deepEqual([own.host, own.rows.length, own.points], [a, 1, undefined])
    const other = await newsThat<HandlersDetail>(
      `${url}handlers?${new URLSearchParams({ host: b, side: 'caller' })}`,
      () => true
    )
    assert.deepEqual(other.rows, [], 'it calls nothing')
    page.close()
  })
})

describe('a server with more handlers than have rows', () => {
  it('is told of with how many are not shown, all together and alone', async (test) => {
    const names = Array.from({ length: 2003 }, (_, at) => `do-${at}`)
    const serve = (manager: Manager) => {
      for (const name of names) manager.handle(name, (payload) => payload)
    }
    await using grid = await openGrid(1, { introspection: true, serve })
    const { url } = await openInspector(test, grid.at(0))
    using page = new Looking(url)
    await page.until(({ sums }) => sums?.handlersNotShown === 3, 'three are not shown')
    const asked = new URLSearchParams({ host: grid.hosts[0] ?? '', side: 'handler' })
    const own = await newsThat<HandlersDetail>(`${url}handlers?${asked}`, () => true)
    assert.deepEqual([own.rows.length, own.notShown], [2000, 3])
    const called = await newsThat<HandlersDetail>(`${url}handlers?side=caller`, () => true)
    assert.deepEqual([called.rows.length, called.notShown], [0, 0])
    page.close()
  })
})

describe('the trace', () => {
  it('tells each call once, with its two ends, as its filter says', async (test) => {
    const { grid, url, a, b, peer } = await open(test)
    await using _ = grid
    using page = new Looking(url)
    await page.until(({ servers = [] }) => servers.every(({ state }) => state === 'answers'), 'both answer')
    const rows: TraceRow[] = []
    let count = 0
    const calls = setInterval(() => {
      if (count++ < 5) for (const value of [1, -1]) peer.request(work, value).catch(() => undefined)
    }, 100)
    await newsThat<TraceBatch>(`${url}trace?failed=1&handler=work`, (batch) => {
      rows.push(...batch.rows)
      return rows.length >= 3
    })
    clearInterval(calls)
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
    const metadata = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` }
    const streams = setInterval(async () => {
      const stream = peer.newStream(tail, undefined, { metadata })
      await stream.responses.next()
      stream.cancel()
    }, 100)
    const all = await newsThat<TraceBatch>(`${url}trace?handler=logs%2Ftail`, (batch) => batch.rows.length > 0)
    clearInterval(streams)
    assert.deepEqual([all.rows[0]?.handler, all.rows[0]?.traceId], ['logs/tail', traceId])
    assert.ok((all.rows[0]?.firstMs ?? -1) >= 0, 'how long its first response took')
    assert.ok(
      rows.every(({ from, to, handler, code }) => from === a && to === b && handler === 'work' && code === 'NO')
    )
    assert.ok(rows.length <= 5, 'once each')
    page.close()
  })

  it('says why a server does not tell of one side, and tries that again alone', async (test) => {
    // The page of the first one has two readers at the second one, and the trace two more.
    const grid = await openGrid(2, { introspection: true, serve, limits: { maxReaders: 4 } })
    await using _ = grid
    const peer = grid.at(0).connection(grid.hosts[1] as string)
    const { url } = await openInspector(test, grid.at(0))
    using page = new Looking(url)
    await page.until(({ servers = [] }) => servers.every(({ state }) => state === 'answers'), 'both answer')
    const other = introspection.on(peer).events()
    const calls = setInterval(() => void peer.request(work, 1).catch(() => undefined), 100)
    test.after(() => clearInterval(calls))
    await until(() => grid.at(1).stats().inboundStreams === 3, 'its other reader is open')
    let [rows, told] = [0, false]
    await newsThat<TraceBatch>(`${url}trace`, ({ rows: { length }, servers, refused }) => {
      rows += length
      assert.ok(servers <= 2)
      if (refused !== undefined) assert.match(refused, /has 4 streams of \$grid open for .+ \(limits\.maxReaders\)/)
      // The other side is read meanwhile.
      if (refused !== undefined && rows > 0 && !told) {
        told = true
        clearInterval(calls)
        other.cancel()
      }
      return told && refused === undefined && servers === 2 && grid.at(1).stats().inboundStreams === 4
    })
  })
})
