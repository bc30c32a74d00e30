/** What servers tell that are of another version, or that mean harm: it is left out, and nothing else suffers by it. */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { Reader } from '../../lib/extras/inspector/compact.ts'
import { Happenings } from '../../lib/extras/inspector/happenings.ts'
import { Observer } from '../../lib/extras/inspector/observer.ts'
import { changeOf, eventOf, recordOfCall, streamsIn } from '../../lib/extras/inspector/shapes.ts'
import { field, slotMs, Tracker } from '../../lib/extras/inspector/tracker.ts'
import { type CallFigures, DialError, type Manager } from '../../lib/index.ts'
import { until } from '../support/until.ts'

const [here, there] = ['http://a:1', 'http://b:1']
const at = Date.now()
const none = { waitedMs: 2000, totalBytes: 1, totalMessages: 1 }
const room = { messages: 0, bytes: 0 }
const figures = {
  ...{ calls: 5, running: 1, oldestMs: 3, retries: 0, mistakes: 1, errors: { ERR_X: 1 }, bytesIn: 1, bytesOut: 1 },
  durations: { boundsMs: [1, 10], counts: [1, 2, 2], sumMs: 9 }
}
const call = { kind: 'streaming', handler: 'put', subroute: '' }
const change = {
  ...{ at, instance: 'i', startedAt: at, loop: { activeMs: 1, idleMs: 1 }, removed: ['http://c:1'] },
  connections: [
    {
      ...{ host: here, state: 'connected', since: at, reconnects: 0, instance: 'j', lastSeenAt: at, lastError: 'none' },
      session: {
        ...{ rttMs: 1, inboundStreams: 1, outboundStreams: 1, runningHandlers: 1 },
        ...{ sendQueueBytes: 1, sendQueueStreams: 1 }
      },
      waits: { called: { count: 1, oldestMs: 900 } },
      totals: { messagesOut: 1, bytesOut: 1, refusals: 0 }
    }
  ],
  served: [{ ...call, ...figures }],
  guests: [{ host: 'guest:x', since: at, called: figures, served: figures, session: { rttMs: 1 } }]
}
const streams = [
  {
    ...{ ...call, session: 's', id: 1, side: 'handler', host: here, ageMs: 9000 },
    sending: { ...none, waitsFor: 'credit', room, capacity: { messages: 8, bytes: 8 } },
    receiving: { ...none, waitsFor: 'consumer', room, capacity: { messages: 8, bytes: 8 }, unread: room }
  }
]
const base = { seq: 1, at, host: here, local: there }
const events = [
  { ...base, type: 'state', state: 'waiting', previous: 'connected', reason: 'lost' },
  { ...base, type: 'dial', durationMs: 1, error: { code: 'ERR_DIAL', message: 'no' } },
  { ...base, type: 'hello', role: 'host', instance: 'i', address: 'a' },
  { ...base, type: 'goAway', direction: 'inbound', reason: 'closing' },
  { ...base, type: 'close', reason: 'lost', message: 'm', failed: { notSent: 1, maybeRan: 1 } },
  { ...base, type: 'rtt', durationMs: 50, previousMs: 1 },
  { ...base, type: 'refused', direction: 'inbound', reason: 'r', message: 'm', handler: 'put', subroute: '' },
  { ...base, ...call, type: 'reset', direction: 'inbound', reason: 'r' },
  { ...base, type: 'slowTurn', durationMs: 900 },
  { ...base, ...call, type: 'mistake', name: 'TypeError' }
]
const wrong = [undefined, null, Number.NaN, -1, 1e300, 10n, 'x', '\ud800', 'x'.repeat(20_000), {}, [], [null], true]

/** A value with each of its parts, one after the other, as something else. */
function* spoilt(value: unknown): Generator<unknown> {
  yield* wrong
  if (typeof value !== 'object' || value === null) return
  for (const [key, part] of Object.entries(value)) {
    for (const other of spoilt(part)) {
      const copy = structuredClone(value) as Record<string, unknown>
      copy[key] = other
      yield copy
    }
  }
}

interface Answers {
  readonly changes: readonly unknown[]
  readonly events: readonly unknown[] | ((options: unknown) => AsyncIterable<unknown>)
  readonly streams: unknown
}

/** A grid with one other server, that answers what it is given. */
function gridWith(test: TestContext, answers: Answers, ping: unknown = { at, instance: 'i' }): Manager {
  const { changes, events, streams: open } = answers
  const abort = new AbortController()
  test.after(() => abort.abort())
  async function* tell(all: readonly unknown[]) {
    yield* all
    await new Promise((resolve) => abort.signal.addEventListener('abort', resolve))
  }
  const peer = (host: string) => ({
    ...{ host, state: 'connected', waitForConnect: async () => undefined, newStream: () => tell([]) },
    request: async ({ id }: { id: string }) => (id !== 'ping' ? open : typeof ping === 'function' ? ping() : ping),
    ...{ subroute: () => (host === there ? { ...peer(''), newStream } : peer(host)) }
  })
  const newStream = ({ id }: { id: string }, options: unknown) => {
    if (id === 'watch') return tell(changes)
    return typeof events === 'function' ? events(options) : tell(events)
  }
  const [local, other] = [peer(here), peer(there)]
  const connection = (host: string) => (host === there ? other : local)
  return { local: here, hosts: [there], connection } as unknown as Manager
}

function look(test: TestContext, grid: Manager): Observer {
  const observer = new Observer(grid, () => undefined)
  test.after(() => observer.stop())
  return observer
}

it('a server that has left the list and is back between two looks is looked at again, by its new connection', async (test) => {
  const grid = gridWith(test, { changes: [change], events: [], streams: [] })
  const [first, local] = [grid.connection(there), grid.connection(here)]
  const observer = look(test, grid)
  const watcher = () => observer.watchers.get(there)
  await until(() => watcher()?.heardAt !== undefined, 'it is heard')
  const before = watcher()
  const second = { ...first, state: 'connected' }
  Object.assign(grid, { connection: (host: string) => (host === there ? second : local) })
  Object.assign(first, { state: 'closed' })
  await until(() => watcher() !== before && watcher()?.heardAt !== undefined, 'it is heard again')
  const after = watcher()
  await until(() => observer.mark.version > 3, 'some time passes')
  assert.equal(watcher(), after)
})

describe('a server that tells what is not of the shape that is known', () => {
  it('breaks no picture and no other answer, whichever part of its figures and streams is wrong', async (test) => {
    for (const other of spoilt({ change, streams })) {
      const { change: told, streams: open } = (other ?? {}) as { change?: unknown; streams?: unknown }
      const [kept, infos] = [changeOf(told), streamsIn(open)]
      for (const { host, lastError, session, waits } of kept?.connections ?? []) {
        assert.ok(typeof host === 'string' && session !== null && Object.values(waits).every((each) => each !== null))
        assert.ok(lastError === undefined || typeof lastError === 'string')
      }
      for (const each of kept?.served ?? []) new Tracker(each, 0).update(each)
      for (const { sending, receiving } of infos) assert.ok(sending !== null && receiving !== null)
    }
    const changes = [...spoilt(change)].filter((each) => changeOf(each) !== undefined)
    const grid = gridWith(test, { changes: [change, ...changes, change], events: [], streams: [null, ...streams, {}] })
    const observer = look(test, grid)
    await until(() => observer.watchers.get(there)?.heardAt !== undefined, 'it is heard')
    const tick = () => observer.changesAfter({ version: 0, slot: 0 })
    await until(() => (tick().waits ?? []).length > 0, 'it is told who waits')
    assert.doesNotThrow(() => JSON.stringify(tick()))
    assert.ok(tick().handlers?.some((row) => row.includes('streaming put')))
  })

  it('leaves out what has more codes of errors, or longer ones, than are kept', () => {
    const served = (errors: Record<string, number>) =>
      changeOf({ ...change, served: [{ ...call, ...figures, errors }] })
    assert.equal(served({ ERR_X: 1 })?.served?.length, 1)
    assert.equal(served({ ['x'.repeat(5000)]: 1 })?.served?.length, 0)
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`E${at}`, 1]))
    assert.equal(served(many)?.served?.length, 0)
  })

  it('puts no event among the others that has no words, and none of another server', () => {
    const happenings = new Happenings()
    for (const event of events) {
      for (const other of spoilt(event)) {
        const kept = eventOf(other, there)
        if (kept === undefined) continue
        assert.equal(kept.local, there)
        happenings.add(kept, 0, [here, there])
      }
    }
    assert.ok(happenings.all.length > 0)
    for (const { title, detail, at: moment } of happenings.all) {
      assert.ok(typeof title === 'string' && typeof detail === 'string' && !Number.isNaN(new Date(moment).getTime()))
    }
    assert.equal(eventOf({ ...base, type: 'toString' }, there), undefined)
  })

  it('puts no call in the trace of which a part is missing', () => {
    const record = {
      ...{ ...call, side: 'handler', host: here, code: 'OK', durationMs: 1, bytesIn: 1, bytesOut: 1, startedAt: at },
      skipped: 0
    }
    assert.deepEqual(recordOfCall({ ...record, delivery: null }), record)
    for (const name of Object.keys(record)) assert.equal(recordOfCall({ ...record, [name]: undefined }), undefined)
  })

  it('is held to what is known of an event: nothing else of it is kept', () => {
    for (const event of events) {
      const more = { big: ['x'], text: 'x', one: 1 }
      const nested = 'failed' in event ? { failed: { ...event.failed, ...more } } : {}
      const told = eventOf({ ...event, ...more, ...nested }, there)
      assert.deepEqual({ ...told }, { ...eventOf(event, there) })
      for (const name of Object.keys(more)) assert.ok(!JSON.stringify(told).includes(`"${name}"`), event.type)
    }
  })

  it('is no more in memory for hosts that it makes up', async (test) => {
    const [connection] = change.connections
    const made = Array.from({ length: 5000 }, (_, n) => ({ ...connection, host: `http://${n}` }))
    const observer = look(
      test,
      gridWith(test, { changes: [{ ...change, connections: made }], events: [], streams: [] })
    )
    await until(() => observer.watchers.get(there)?.heardAt !== undefined, 'it is heard')
    assert.equal(observer.watchers.get(there)?.connections.size, 2000)
  })
})

describe('an outage that is older than the page', () => {
  it('has its age, however young the last dial is', async (test) => {
    const [ageMs, lookedAt] = [420_000, Date.now()]
    const [connected] = change.connections
    const { lastSeenAt: _, ...connection } = { ...connected, state: 'connecting', since: at, downSince: at - ageMs }
    const dials = { ...base, type: 'state', state: 'connecting', previous: 'waiting' }
    const told = { changes: [{ ...change, connections: [connection] }], events: [dials], streams: [] }
    const observer = look(test, gridWith(test, told))
    const cell = () => {
      const { cells } = new Reader().read(observer.changesAfter({ version: 0, slot: 0 }))
      return cells?.find(({ from, state }) => from === there && state !== 'unknown')
    }
    await until(() => cell() !== undefined, 'it is told')
    // By the clock of the page, on which it was told between then and now.
    const lostAt = (cell()?.since ?? 0) + ageMs
    assert.ok(lostAt > lookedAt - 2000 && lostAt < Date.now() + 2000, `${Date.now() - lostAt} ms apart`)
  })
})

describe('a server whose clock is an hour ahead', () => {
  it('has its events, its start and its connections where they belong from the first one on', async (test) => {
    const hourMs = 3_600_000
    const ahead = Date.now() + hourMs
    const [connection] = change.connections
    const connections = [{ ...connection, since: ahead, lastSeenAt: ahead }]
    const grid = gridWith(
      test,
      {
        changes: [{ ...change, at: ahead, startedAt: ahead, connections }],
        ...{ events: [{ ...events[9], at: ahead }], streams: [] }
      },
      { at: ahead, instance: 'i' }
    )
    const observer = look(test, grid)
    const tick = () => new Reader().read(observer.changesAfter({ version: 0, slot: 0 }))
    const cell = () => tick().cells?.find(({ from, state }) => from === there && state === 'up')
    await until(() => tick().events?.length === 1 && cell() !== undefined, 'it is told')
    const { events: happened = [], servers = [] } = tick()
    const started = servers.find(({ host }) => host === there)?.startedAt
    for (const moment of [happened[0]?.at, started, cell()?.since]) {
      assert.ok(Math.abs((moment ?? 0) - Date.now()) < hourMs / 2, `${(moment ?? 0) - Date.now()} ms from now`)
    }
  })
})

describe('a grid that is looked at by none of its servers', () => {
  it('has the server from which it is seen among those that may be away, with why', async (test) => {
    const grid = gridWith(test, { changes: [change], events: [], streams: [] })
    const away = Object.assign(grid.connection(here), {
      ...{ state: 'connecting', lastError: new DialError('nothing listens there') },
      waitForConnect: () => new Promise(() => undefined)
    })
    assert.equal(grid.connection(here), away)
    const stateOf = (observer: Observer) => {
      const { servers = [], isGuest } = new Reader().read(observer.changesAfter({ version: 0, slot: 0 }))
      const { state, note } = servers.find(({ host }) => host === here) ?? {}
      return [isGuest, state, note]
    }
    const inside = look(test, grid)
    const outside = look(test, Object.assign(Object.create(grid), { isGuest: true }))
    await until(() => outside.watchers.get(there)?.heardAt !== undefined, 'the other one is heard')
    assert.deepEqual(stateOf(outside), [true, 'away', 'nothing listens there'])
    assert.deepEqual(stateOf(inside).slice(0, 2), [undefined, 'silent'])
  })
})

describe('a server that comes back as another process', () => {
  it('is asked for its events from its first one on, as it counts them anew', async (test) => {
    const asked: unknown[] = []
    let process = 0
    const grid = gridWith(
      test,
      {
        ...{ changes: [change], streams: [] },
        events: async function* (options) {
          asked.push(options)
          yield { ...base, seq: asked.length === 1 ? 500 : 1, type: 'slowTurn', durationMs: 900 }
          if (asked.length === 1) process = 1
          else await new Promise((resolve) => test.after(() => resolve(undefined)))
        }
      },
      () => ({ at, instance: `i${process}` })
    )
    look(test, grid)
    await until(() => asked.length === 2, 'it is asked again', 60_000)
    assert.deepEqual(asked, [{ after: 0 }, { after: 0 }])
  })
})

describe('counters', () => {
  it('leave no rest when they rise by more than 4 GiB at once, and when they fall', () => {
    const tell = (calls: number, bytesIn: number) => ({ ...figures, calls, bytesIn }) as unknown as CallFigures
    const tracker = new Tracker(tell(100, 0), 0)
    tracker.update(tell(100, 5 * 2 ** 30))
    assert.equal(tracker.now[field.bytesIn], 5 * 2 ** 30)
    tracker.update(tell(1, 0))
    assert.equal(tracker.now[field.calls], 0)
    tracker.advance(60_000 / slotMs)
    assert.deepEqual([tracker.now[field.bytesIn], tracker.minute[field.bytesIn]], [0, 0])
  })
})
