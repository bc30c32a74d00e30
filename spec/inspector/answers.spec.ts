/** The answers that are not seen in a grid that works: what each finding needs, how long it must hold, and which one is told. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { answersOf } from '../../lib/extras/inspector/answers.ts'
import { Board } from '../../lib/extras/inspector/board.ts'
import { HandlerLooker } from '../../lib/extras/inspector/handler-detail.ts'
import { mergeHandlers, toRow } from '../../lib/extras/inspector/handlers.ts'
import { Happenings } from '../../lib/extras/inspector/happenings.ts'
import { barOf, type Half } from '../../lib/extras/inspector/lanes.ts'
import { Link } from '../../lib/extras/inspector/link.ts'
import { cellsOf, freshOf, type Seen, serversOf } from '../../lib/extras/inspector/matrix.ts'
import type { Bar } from '../../lib/extras/inspector/model.ts'
import type { Observer } from '../../lib/extras/inspector/observer.ts'
import { Tracked } from '../../lib/extras/inspector/tracked.ts'
import { chartSlots } from '../../lib/extras/inspector/tracker.ts'
import type { Watcher } from '../../lib/extras/inspector/watcher.ts'
import type { ConnectionStats, GridEvent, HalfInfo, HandlerStats, Manager } from '../../lib/index.ts'

const [a, b, c] = ['http://a:1', 'http://b:1', 'http://c:1']
const hosts = [a, b, c]
const now = 1_000_000_000

type View = Partial<ConnectionStats>

function connection(host: string, given: View = {}): ConnectionStats {
  const stats = { host, state: 'connected', since: now - 60_000, lastSeenAt: now, reconnects: 0, waits: {}, ...given }
  return stats as unknown as ConnectionStats
}

interface Given {
  /** What it says of others that is not as usual. */
  readonly views?: Readonly<Record<string, View | undefined>>
  readonly links?: Readonly<Record<string, Link>>
  readonly isConnected?: boolean
}

function watcher(host: string, { views = {}, links = {}, isConnected = true }: Given): Watcher {
  const all = [...new Set([...hosts, ...Object.keys(views)])].filter((to) => to !== host)
  const connections = all.flatMap((to) =>
    to in views && views[to] === undefined ? [] : [[to, connection(to, views[to])] as const]
  )
  const told = {
    ...{ host, isConnected, offsetMs: 0, busy: 0.1, heardAt: now, refuses: undefined },
    ...{
      stats: { at: now, keepAliveMs: 5000 },
      connections: new Map(connections),
      links: new Map(Object.entries(links))
    },
    tracked: { handler: new Tracked(true), caller: new Tracked(false) }
  }
  return told as unknown as Watcher
}

function seenBy(given: Readonly<Record<string, Given>> = {}): Seen {
  const watchers = new Map(hosts.map((host) => [host, watcher(host, given[host] ?? {})]))
  const grid = { local: a, hosts: [b, c], connection: () => ({ lastError: undefined }) } as unknown as Manager
  return { grid, hosts, watchers, now, freshMs: 3000, windowSeconds: 10 }
}

function answer(id: string, given?: Readonly<Record<string, Given>>): string {
  const seen = seenBy(given)
  const picture = { seen, servers: serversOf(seen), cells: cellsOf(seen) }
  const all = answersOf({ ...picture, handlers: [], merged: [], waits: [], events: [] })
  const { severity, answer: text, detail } = all.find((each) => each.id === id) ?? all[0] ?? assert.fail()
  return `${severity}: ${text} (${detail})`.replaceAll('\u00a0', ' ')
}

const waiting = (sinceMs: number): View => ({ state: 'waiting', since: now - sinceMs, lastSeenAt: now - sinceMs })

describe('whether everybody is connected', () => {
  it('is yes where all are', () => {
    assert.match(answer('connected'), /^ok: Yes, all 3 \(3 connections/)
  })

  it('is no for a server that nobody reaches, once that has lasted for a second', () => {
    const lost = (ms: number) => ({
      [a]: { views: { [c]: waiting(ms) } },
      [b]: { views: { [c]: waiting(ms) } },
      [c]: { isConnected: false }
    })
    assert.match(answer('connected', lost(1000)), /^bad: No: c is gone \(not connected for 1 s · 2 of 3 answer\)$/)
    assert.doesNotMatch(answer('connected', lost(999)), /gone/)
  })

  it('is gone since the last one lost it, or where nobody had it, since the first one looks for it', () => {
    const minutes = (count: number) => count * 60_000
    const dialed = (ms: number, had: boolean) => {
      const view: View = { state: 'waiting', since: now - 400, downSince: now - ms }
      const link = new Link()
      link.take(connection(c, { ...view, ...(had ? {} : { lastSeenAt: undefined as never }) }))
      const views = { [c]: { ...view, lastSeenAt: (had ? now - ms : undefined) as never } }
      return { views, links: { [c]: link } }
    }
    const gone = (...[first, second]: readonly [Given, Given]) =>
      answer('connected', { [a]: first, [b]: second, [c]: { isConnected: false } })
    assert.match(gone(dialed(minutes(7), true), dialed(minutes(9), true)), /c is gone \(not connected for 7 min/)
    assert.match(gone(dialed(minutes(7), true), dialed(10_000, false)), /not connected for 7 min/, 'one began later')
    assert.match(gone(dialed(minutes(7), false), dialed(10_000, false)), /not connected for 7 min/)
  })

  it('is no for a pair that is apart, and says that both ends differ where one of them does not know', () => {
    const pair = { [b]: { views: { [c]: waiting(3000) } }, [c]: { views: { [b]: waiting(3000) } } }
    assert.match(answer('connected', pair), /^warn: No: b does not reach c \(for 3 s/)
    const half = (ms: number) => ({ [b]: { views: { [c]: waiting(ms) } } })
    assert.match(answer('connected', half(3000)), /^warn: Both ends differ \(c says connected, b does not · for 3 s/)
    assert.match(answer('connected', half(1900)), /^ok: /)
    assert.deepEqual(
      cellsOf(seenBy(half(3000)))
        .filter(({ differs }) => differs)
        .map(({ from, to }) => [from, to]),
      [
        [b, c],
        [c, b]
      ]
    )
  })

  it('says who was not heard from for one and a half intervals of pings', () => {
    const silent = (ms: number) => ({ [a]: { views: { [c]: { lastSeenAt: now - ms } } } })
    assert.match(answer('connected', silent(7500)), /^warn: c is silent \(a has heard nothing for 8 s/)
    assert.match(answer('connected', silent(7400)), /^ok: /)
  })

  it('says that lists of hosts differ, whichever of the two lists is the longer one', () => {
    assert.match(
      answer('connected', { [b]: { views: { [c]: undefined } } }),
      /lists of hosts differ \(b does not know c/
    )
    const further = { [b]: { views: { 'http://d:1': {} } } }
    assert.match(answer('connected', further), /lists of hosts differ \(b knows d:1, a does not/)
  })

  it('says who reconnects again and again', () => {
    const link = new Link()
    const states: GridEvent[] = [9, 200, 150, 1].map((seconds, seq) => {
      const names = { host: c, local: b, state: 'connected', previous: 'connecting' } as const
      return { type: 'state', seq, at: now - seconds * 1000, ...names }
    })
    for (const event of states.slice(0, 3)) link.takeEvent(event, false)
    const given = (reconnects: number) => ({ [b]: { views: { [c]: { reconnects } }, links: { [c]: link } } })
    assert.match(answer('connected', given(2)), /^ok: /, 'the first time is no reconnect')
    assert.match(answer('connected', given(3)), /^warn: Yes, but b and c reconnect \(3 times in 5 minutes\)$/)
    assert.equal(link.reconnects(now + 100_000, 9), 2, 'what is older is not counted')
  })
})

/** As if so many pings had been answered. */
function linkWith(...rttsMs: readonly number[]): Link {
  const link = new Link()
  for (const rttMs of rttsMs) link.take(connection(c, { session: { rttMs } as never }))
  return link
}

describe('a round trip', () => {
  const usual = [0.5, 0.6, 0.5, 0.7, 0.5, 0.6]

  it('is held against its own usual one: three times, 5 ms, and twice in a row', () => {
    assert.equal(linkWith(...usual, 6, 7).isLong, true)
    assert.equal(linkWith(...usual, 6, 0.5).isLong, false, 'one alone says nothing')
    assert.equal(linkWith(...usual, 4, 4.5).isLong, false)
    assert.equal(linkWith(40, 41, 42, 43, 44, 45, 46).isLong, false, 'it is far away')
    assert.equal(linkWith(6, 7).isLong, false, 'nothing is usual yet')
  })

  it('is usual after some minutes', () => {
    const link = linkWith(...usual, ...Array.from({ length: 200 }, (_, at) => 20 + (at % 2) / 10))
    assert.equal(link.isLong, false)
    assert.ok((link.usualRttMs ?? 0) > 10)
  })

  it('was usual before somebody looked, where an event says so', () => {
    const link = new Link()
    const event = { type: 'rtt', seq: 1, at: now, host: c, local: b, durationMs: 40, previousMs: 2 } as const
    link.takeEvent(event, false)
    for (const rttMs of [41, 42]) link.take(connection(c, { session: { rttMs } as never }))
    assert.equal(link.isLong, true)
  })

  it('that is long is an answer to who is slow, by the server that long ones have in common', () => {
    const session = { rttMs: 31 } as never
    const far = { views: { [c]: { session } }, links: { [c]: linkWith(...usual, 30, 31) } }
    assert.match(answer('slow', { [b]: far }), /^warn: b ⇄ c \(round trip 31 ms, usually 0\.\d ms\)$/)
    assert.match(answer('slow', { [a]: far, [b]: far }), /^warn: Round trips to c \(.* · 2 connections\)$/)
  })
})

function half(info: Partial<HalfInfo>): HalfInfo {
  return { waitsFor: 'peer', waitedMs: 0, totalBytes: 0, ...info }
}

const capacity = { messages: 16, bytes: 1000 }
const partsOf = (bar: Bar | undefined) =>
  bar === undefined ? [] : [bar.unit, bar.free, bar.onTheWay, bar.unread, bar.owed, bar.capacity, bar.by]

describe('the window of a stream', () => {
  it('has parts that add up, also where a message larger than it has overdrawn it', () => {
    const sending = half({ capacity, room: { messages: 10, bytes: 900 } })
    const receiving = half({ capacity, room: { messages: 13, bytes: 950 }, unread: { messages: 2, bytes: 50 } })
    assert.deepEqual(partsOf(barOf({ sending, receiving } as Half)), ['messages', 10, 3, 2, 1, 16, undefined])
    const large = { messages: 15, bytes: -4000 }
    const over = {
      sending: half({ capacity, room: large }),
      receiving: half({ capacity, room: large, unread: { messages: 1, bytes: 5000 } })
    }
    assert.deepEqual(partsOf(barOf(over as Half)), ['bytes', 0, 0, 1000, 0, 1000, undefined])
  })

  it('shows the scarcer of messages and bytes, also where nothing lies there', () => {
    const room = { messages: 0, bytes: 1000 }
    const all = {
      sending: half({ capacity, room }),
      receiving: half({ capacity, room, unread: { messages: 0, bytes: 0 } })
    }
    assert.deepEqual(partsOf(barOf(all as Half)), ['messages', 0, 0, 0, 16, 16, undefined])
  })

  it('has two or three parts where one end alone tells of it, and says which', () => {
    const room = { messages: 4, bytes: 1000 }
    const sending = half({ capacity, room, unread: { messages: 12, bytes: 0 } })
    assert.deepEqual(partsOf(barOf({ sending } as Half)), ['messages', 4, 0, 0, 12, 16, 'sender'])
    const receiving = half({ capacity, room, unread: { messages: 9, bytes: 0 } })
    assert.deepEqual(partsOf(barOf({ receiving } as Half)), ['messages', 4, 0, 9, 3, 16, 'receiver'])
  })
})

function figures(handler: string): HandlerStats {
  const durations = { boundsMs: [1], counts: [0, 0], sumMs: 0 }
  const none = { retries: 0, running: 0, mistakes: 0, errors: {}, bytesIn: 0, bytesOut: 0 }
  return { kind: 'single', subroute: '', handler, calls: 1, durations, ...none }
}

/** What is said of who is slow, where these handlers have ended so many calls a minute ago and since, each of 90 ms. */
function slowOf(all: Readonly<Record<string, readonly [before: number, since: number]>>): string {
  const seen = seenBy()
  const { handler } = seen.watchers.get(b)?.tracked ?? assert.fail()
  for (const [name, [before, since]] of Object.entries(all)) {
    const told = (calls: number) => ({
      ...figures(name),
      ...{ calls, durations: { boundsMs: [50, 100], counts: [0, calls, 0], sumMs: 0 } }
    })
    handler.take(told(before), now, 0)
    handler.take(told(before + since), now, 0)
  }
  const merged = mergeHandlers(freshOf(seen), 'handler')
  const picture = { seen, servers: serversOf(seen), cells: cellsOf(seen), waits: [], events: [] }
  const [, slow] = answersOf({ ...picture, merged, handlers: merged.map((row) => toRow(row, 10)) })
  return `${slow?.severity}: ${slow?.answer} (${slow?.detail})`.replaceAll('\u00a0', ' ')
}

describe('who is slow, where it is not known yet what is usual', () => {
  it('is too early to say, with how long calls took so far, once there are enough to say even that', () => {
    assert.match(slowOf({ young: [10, 30] }), /^ok: Too early to say \(young too young to judge: p99 100 ms so far · /)
    assert.match(slowOf({ young: [10, 30], other: [0, 20] }), /^ok: Too early to say \(\w+ and 1 other too young /)
    assert.match(slowOf({ rare: [10, 19] }), /^ok: Nobody \(every p99 is as usual/)
  })

  it('is nobody of those that can be judged, and nobody at all once all can be', () => {
    assert.match(slowOf({ old: [1000, 30], young: [0, 30] }), /^ok: Nobody that can be judged \(young too young /)
    assert.match(slowOf({ old: [1000, 30] }), /^ok: Nobody \(every p99 is as usual/)
  })
})

/** Of these handlers, all of which throw at `b` for whoever calls, with what happened because of that. */
function thrownIn(...names: readonly string[]) {
  const seen = seenBy()
  const { handler } = seen.watchers.get(b)?.tracked ?? assert.fail()
  const happenings = new Happenings()
  for (const name of names) {
    const told = (calls: number) => ({ ...figures(name), calls, mistakes: calls, errors: { ERR_X: calls } })
    handler.take(told(0), now, 0)
    handler.take(told(30), now, 0)
    const event = {
      type: 'mistake',
      seq: 0,
      at: now,
      local: b,
      host: c,
      kind: 'single',
      subroute: '',
      name: 'TypeError'
    }
    happenings.add({ ...event, handler: name } as GridEvent, 0, hosts)
  }
  const merged = mergeHandlers(freshOf(seen), 'handler')
  return { seen, merged, handlers: merged.map((row) => toRow(row, 10)), happenings }
}

describe('what happened to several handlers in one row', () => {
  const names = Array.from({ length: 20 }, (_, at) => `do-${at}`)

  it('says what a handler throws that fails, also where a row has the rest of many', () => {
    const { seen, merged, handlers, happenings } = thrownIn(...names)
    const [row] = handlers.filter(({ name }) => name === 'do-19')
    const picture = { seen, servers: serversOf(seen), cells: cellsOf(seen), waits: [], events: happenings.all }
    const all = answersOf({ ...picture, merged, handlers: row === undefined ? [] : [row] })
    assert.match(all.find(({ id }) => id === 'fails')?.detail ?? '', / · TypeError, a mistake in the handler$/)
  })

  it('is a mark in the charts of those handlers, and in no other', async () => {
    const { seen, merged, happenings } = thrownIn(...names, 'undo-0')
    const observer = { seen, watchers: seen.watchers, handlers: { merged }, happenings }
    const marksOf = async (name: string) => {
      const looked = await new HandlerLooker(observer as unknown as Observer, `single ${name}`).look()
      return looked?.marks.map(({ text }) => text)
    }
    assert.deepEqual(await marksOf('do-0'), ['b · do-0 throws TypeError'])
    assert.deepEqual(await marksOf('undo-0'), ['b · 13 handlers throw TypeError'])
    assert.deepEqual(await marksOf('do-15'), ['b · 13 handlers throw TypeError'])
  })
})

describe('the callers of a handler', () => {
  it('are told by how many calls they have open, the first twelve, and how many others there are', async () => {
    const looked = async (count: number) => {
      const { seen, merged, happenings } = thrownIn('do')
      const reports = Array.from({ length: count }, (_, at) => {
        return { host: `http://caller-${at}:1`, handler: 'do', subroute: '', kind: 'single', open: at + 1, oldestMs: 5 }
      })
      Object.assign(seen.watchers.get(b) ?? assert.fail(), { calls: { callers: async () => reports } })
      const observer = { seen, watchers: seen.watchers, handlers: { merged }, happenings }
      const { callers, callersNotShown } =
        (await new HandlerLooker(observer as never, 'single do').look()) ?? assert.fail()
      return [callers.length, callers[0]?.open, callersNotShown]
    }
    assert.deepEqual(await looked(12), [12, 12, 0])
    assert.deepEqual(await looked(15), [12, 15, 3])
  })
})

describe('handlers that come and go while a page is open', () => {
  it('are forgotten once their chart is over, and told of for as long as a server has them', () => {
    const seen = seenBy()
    const tracked = seen.watchers.get(b)?.tracked.handler ?? assert.fail()
    const board = new Board('handler')
    const names = () => [...board.rows()].map(([key]) => key)
    for (let at = 0; at < 100; at++) tracked.take(figures(`old-${at}`), now, 0)
    board.look(seen, 0)
    assert.equal(names().length, 100)
    tracked.clear()
    tracked.take(figures('new'), now, 1)
    board.look(seen, 1)
    assert.equal(names().length, 101, 'their charts are still there')
    board.look(seen, chartSlots + 1)
    assert.deepEqual(names(), ['single new'])
  })

  it('are no more in memory than a bound, however many there are', () => {
    const seen = seenBy()
    const board = new Board('handler')
    for (let process = 0; process < 5; process++) {
      const tracked = seen.watchers.get(b)?.tracked.handler ?? assert.fail()
      tracked.clear()
      for (let at = 0; at < 3000; at++) tracked.take(figures(`${process}-${at}`), now, process)
      assert.equal(tracked.entries.size, 2000)
      board.look(seen, process)
    }
    assert.equal([...board.rows()].length, 4000)
  })

  it('are counted where there are too many for rows, each once, however often and by however many servers it is told', () => {
    const seen = seenBy()
    const board = new Board('handler')
    const tell = (host: string, name: string, count: number, slot: number) => {
      const { handler } = seen.watchers.get(host)?.tracked ?? assert.fail()
      for (let at = 0; at < count; at++) handler.take(figures(`${name}-${at}`), now, slot)
      return handler
    }
    const look = (slot: number) => {
      board.look(seen, slot)
      return [[...board.rows()].length, board.notShown]
    }
    tell(b, 'one', 1990, 0)
    assert.deepEqual(look(0), [1990, 0])
    for (const host of [b, b, c]) assert.equal(tell(host, 'one', 3000, 0).others.size, 1000)
    assert.deepEqual(look(0), [2000, 1000])
    seen.watchers.get(b)?.tracked.handler.clear()
    tell(b, 'two', 2500, 1)
    assert.deepEqual(look(1), [4000, 1500])
    tell(a, 'three', 10, 1)
    assert.deepEqual(look(1), [4000, 1510], 'nor is there a row for those')
    for (const host of [b, c]) seen.watchers.get(host)?.tracked.handler.clear()
    look(chartSlots + 2)
    assert.deepEqual(look(chartSlots + 2), [10, 0], 'once the charts of the others are over')
  })

  it('are left out by a server that makes up ever new names at the cost of some numbers only', () => {
    const tracked = new Tracked(true)
    for (let at = 0; at < 30_000; at++) tracked.take(figures(`made-up-${at}`), now, 0)
    assert.deepEqual([tracked.entries.size, tracked.others.size], [2000, 16_384])
  })
})
