/** What all pages are told: what changed to the eye, states first, and never more than a page may be told a second. */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { Budget } from '../../lib/extras/inspector/budget.ts'
import { pack, Reader, type Recorded } from '../../lib/extras/inspector/compact.ts'
import type { KnownGuest } from '../../lib/extras/inspector/guests.ts'
import { Happenings } from '../../lib/extras/inspector/happenings.ts'
import type {
  Answer,
  Cell,
  Guest,
  HandlerRow,
  Happening,
  ListName,
  Patch,
  ServerFigures,
  Wait,
  Wire
} from '../../lib/extras/inspector/model.ts'
import { News } from '../../lib/extras/inspector/news.ts'
import { Versions } from '../../lib/extras/inspector/versions.ts'
import type { GridEvent } from '../../lib/index.ts'
import { randomFrom } from '../support/random.ts'

const mostBytesPerSecond = 20_480

const entry = (key: string, n: number, urgent = 0) => ({ key, values: [key, n], urgent })

describe('what has changed', () => {
  const versionsOf = (...rounds: (readonly ReturnType<typeof entry>[])[]) => {
    const versions = new Versions(new Budget(0))
    for (const round of rounds) {
      versions.begin()
      versions.list('rows', round)
      versions.tell()
    }
    return versions
  }

  it('is told by columns, so that whoever is behind gets the newest once', () => {
    const versions = versionsOf([entry('a', 1), entry('b', 1)], [entry('a', 2), entry('b', 1)])
    versions.one('answers', ['x'])
    versions.begin()
    versions.one('answers', ['x'])
    assert.deepEqual(versions.after(1), { answers: ['x'], rows: [[0, 2, 2]] })
    assert.deepEqual(versions.after(2), {})
    assert.deepEqual(versions.after(0).rows, [
      [0, 3, 'a', 2],
      [1, 3, 'b', 1]
    ])
  })

  it('is told of those that have gone alone, and never gives the number of one to another one', () => {
    const versions = versionsOf([entry('a', 1), entry('b', 1)], [entry('b', 1)], [entry('b', 1), entry('a', 1)])
    assert.deepEqual(versions.after(1), { rows: [[2, 3, 'a', 1]], gone: { rows: [0] } })
    assert.deepEqual(versions.after(2), { rows: [[2, 3, 'a', 1]] })
    assert.deepEqual(versions.after(0).gone, undefined)
  })

  /** After so many rounds, each of 100 rows that are no more in the next. */
  function told(rounds: number): Versions {
    const budget = new Budget(0)
    const versions = new Versions(budget)
    for (let round = 0; round < rounds; round++) {
      budget.fill(round * 10_000)
      versions.begin()
      const rows = Array.from({ length: 100 }, (_, at) => entry(`${round} ${at}`, 1, 3))
      versions.list('rows', rows)
      versions.tell()
    }
    return versions
  }

  it('is told whole to whoever has not heard of more that have gone than are kept', () => {
    const versions = told(50)
    const { isWhole, rows = [] } = versions.after(1) as { isWhole?: true; rows?: readonly unknown[] }
    assert.deepEqual([isWhole, rows.length], [true, 100])
    assert.equal(versions.after(49).isWhole, undefined)
  })

  it('is told of the newer half of those that have gone to whoever has heard of the others', () => {
    const versions = told(42)
    for (const known of [41, 30]) {
      const { isWhole, gone } = versions.after(known)
      assert.deepEqual([isWhole, gone?.rows?.length], [undefined, (42 - known) * 100])
    }
    assert.equal(versions.after(10).isWhole, true)
  })

  it('is told later where there is no credit for it, however large a part of all is that changes each time', () => {
    const budget = new Budget(0)
    const versions = new Versions(budget)
    let bytes = 0
    for (let second = 0; second < 120; second++) {
      budget.fill(second * 1000)
      const before = versions.version
      versions.begin()
      versions.one('answers', `${second}`.padEnd(30_000))
      versions.tell()
      if (second >= 15) bytes += Buffer.byteLength(JSON.stringify(versions.after(before)))
    }
    assert.ok(bytes / 105 <= mostBytesPerSecond, `${bytes / 105}`)
    assert.ok(bytes / 105 > mostBytesPerSecond / 2, `${bytes / 105}`)
  })
})

describe('a page that is told all again', () => {
  const host = 'http://a:1'
  const packed = (place: number, list: ListName, record: Recorded): Patch => {
    const values = pack(list, record)
    return [place, 2 ** values.length - 1, ...values]
  }
  const wait = (key: string): Wait => ({
    ...{ key, cause: 'credit', severity: 'warn', who: [host], whom: host, since: 1, why: '' },
    ...{ handler: 'get', handlerKey: 'single get' }
  })
  const event = (title: string): Happening => ({ id: 0, at: 1, severity: 'bad', title, detail: '' })
  const guest = (name: string, calls = 0): Guest => {
    return { server: host, name, since: 1, calls, failed: 0, running: 0, asked: 0 }
  }
  const all: Wire = {
    ...{ at: 1, local: host, waits: [packed(0, 'waits', wait('w'))], quiet: [packed(0, 'quiet', wait('q'))] },
    ...{ events: [packed(0, 'events', event('e')), packed(1, 'events', event('f'))] },
    guests: [packed(0, 'guests', guest('ada')), packed(1, 'guests', guest('bob', 2))]
  }

  it('knows no wait, guest and event any more of which it is told nothing', () => {
    const reader = new Reader()
    const { guests = [] } = reader.read(all)
    assert.deepEqual(guests, [guest('bob', 2), guest('ada')])
    const { waits, quiet, guests: left, gone } = reader.read({ at: 2, local: host, isWhole: true })
    assert.deepEqual({ waits, quiet, left, gone }, { waits: [], quiet: [], left: [], gone: [0, 1] })
  })

  it('keeps those that it is told again', () => {
    const reader = new Reader()
    reader.read(all)
    const { waits = [], events = [], gone } = reader.read({ ...all, events: all.events?.slice(1) ?? [], isWhole: true })
    assert.deepEqual([waits.map(({ key }) => key), events.map(({ title }) => title), gone], [['w'], ['f'], [0]])
  })
})

const hosts = Array.from({ length: 32 }, (_, at) => `http://node-${String(at + 1).padStart(2, '0')}.test:9000`)
const keys = Array.from({ length: 200 }, (_, at) => `single part-${at % 10}/do-${at}`)
const answers: Answer[] = [{ id: 'connected', severity: 'ok', answer: 'Yes, all 32', detail: '' }]

interface Second {
  readonly cells: Cell[]
  readonly servers: ServerFigures[]
  readonly handlers: HandlerRow[]
}

/** What is told of a grid a second, with made-up figures, on a clock of its own. */
class Telling {
  nowMs = 0
  readonly happenings = new Happenings()
  readonly news = new News(() => this.nowMs)
  readonly bytes = new Map<string, number>()
  total = 0
  most = 0
  readonly reader = new Reader()
  readonly known = new Map<string, Cell>()
  #version = 0

  /** @param isFirst whether it counts as the picture that forms at first */
  tell({ cells, servers, handlers }: Second, isFirst = false, guests: readonly KnownGuest[] = []): Wire {
    const { now = 1_790_000_000_000 + this.nowMs } = {}
    const seen = {
      seen: { hosts, now } as never,
      cells,
      servers,
      handlers,
      merged: [],
      waits: [],
      quiet: [],
      guests
    }
    const sums = { streams: 0, requests: 0, answering: 32 }
    const detail = `for ${Math.round(this.nowMs / 1000)} s`
    this.news.take({
      ...seen,
      events: this.happenings.all,
      sums,
      answers: answers.map((each) => ({ ...each, detail }))
    })
    const told = { at: now, local: hosts[0] ?? '', ...this.news.after(this.#version) } as Wire
    this.#version = this.news.version
    const size = Buffer.byteLength(JSON.stringify(told)) + 'data: \n\n'.length
    if (!isFirst) {
      for (const [name, part] of Object.entries(told)) {
        this.bytes.set(name, (this.bytes.get(name) ?? 0) + Buffer.byteLength(JSON.stringify(part)))
      }
      this.total += size
      this.most = Math.max(this.most, size)
    }
    for (const cell of this.reader.read(JSON.parse(JSON.stringify(told))).cells ?? []) {
      this.known.set(`${cell.from} ${cell.to}`, cell)
    }
    return told
  }
}

type Rtt = (from: number, to: number, second: number) => number

function secondOf(
  at: number,
  random: () => number,
  rtt: Rtt,
  given: (from: number, to: number) => Partial<Cell> = () => ({})
) {
  const cells = hosts.flatMap((from, a) =>
    hosts.flatMap((to, b): Cell[] => {
      if (a === b) return []
      return [
        {
          from,
          to,
          state: 'up',
          since: 1_789_000_000_000 + a * 32 + b,
          rttMs: rtt(a, b, at),
          streams: 2,
          queueBytes: 0,
          ...given(a, b)
        }
      ]
    })
  )
  const servers = hosts.map((host): ServerFigures => {
    const busy = Math.round(random() * 30) / 100
    return {
      host,
      state: 'answers',
      up: 31,
      startedAt: 1_789_000_000_000,
      severity: 'ok',
      note: '',
      busy,
      calls: Math.round(random() * 100) / 10
    }
  })
  const handlers = keys.map((key): HandlerRow => {
    const calls = Math.round((1 + random()) * 10) / 10
    const figures = {
      calls,
      errors: 0,
      bytesIn: calls * 100,
      bytesOut: calls * 100,
      p50: Math.round(random() * 2) / 10,
      p99: Math.round(random() * 20) / 10
    }
    return {
      key,
      name: key,
      kind: 'single',
      running: 0,
      unusual: 1,
      isSlow: false,
      fails: false,
      servers: 32,
      ...figures
    }
  })
  return { cells, servers, handlers }
}

function lookAt(test: TestContext, what: string, telling: Telling, seconds: number): void {
  const parts = [...telling.bytes].map(([name, bytes]) => `${name} ${Math.round(bytes / seconds)}`)
  test.diagnostic(
    `${what}: ${Math.round(telling.total / seconds)} bytes a second (${parts.join(', ')}), at most ${telling.most} at once`
  )
}

describe('what pages are told of 32 servers with 200 handlers', () => {
  const secondsLooked = 20

  const run = (rtt: Rtt, each: (telling: Telling, second: number) => void = () => undefined) => {
    const telling = new Telling()
    const random = randomFrom(3)
    for (let second = 0; second < 15; second++, telling.nowMs += 1000) telling.tell(secondOf(second, random, rtt), true)
    for (let second = 15; second < 15 + secondsLooked; second++, telling.nowMs += 1000) {
      each(telling, second)
      telling.tell(secondOf(second, random, rtt))
    }
    return telling
  }

  it('is a third of that where nothing jitters, while all handlers are called', (test) => {
    const telling = run(() => 0.5)
    lookAt(test, 'quiet', telling, secondsLooked)
    assert.ok(telling.total / secondsLooked < mostBytesPerSecond / 2, `${telling.total}`)
    assert.equal(telling.bytes.get('cells'), undefined)
  })

  it('has no cell whose round trip jitters about what it was, and has those that are far from it', (test) => {
    const random = randomFrom(5)
    const telling = run(() => Math.round((1 + random() * 0.4) * 10) / 10)
    lookAt(test, 'all round trips jitter', telling, secondsLooked)
    assert.equal(telling.bytes.get('cells'), undefined)
    telling.tell(secondOf(99, random, (from) => (from === 7 ? 40 : 1.2)))
    const slow = [...telling.known.values()].filter(({ rttMs }) => rttMs === 40)
    assert.equal(slow.length, 31)
  })

  it('keeps to the limit where all round trips of a busy grid jump, and says so in few rows', (test) => {
    const random = randomFrom(5)
    const telling = run(
      () => Math.round(10 * 30 ** random()),
      ({ happenings, nowMs }) => {
        for (let at = 0; at < 400; at++) {
          const [a, b] = [Math.floor(random() * 32), Math.floor(random() * 32)]
          const names = { local: hosts[a] ?? '', host: hosts[b] ?? '' }
          const event = { type: 'rtt', seq: at, at: nowMs, ...names, previousMs: 10, durationMs: 40 + at } as const
          happenings.add(event as GridEvent, 0, hosts)
        }
      }
    )
    lookAt(test, 'all round trips jump', telling, secondsLooked)
    assert.ok(telling.total / secondsLooked <= mostBytesPerSecond, `${telling.total / secondsLooked}`)
    assert.ok(telling.happenings.all.length < 12)
  })

  it('keeps to the limit where one server stands for seconds, again and again', (test) => {
    const rtt: Rtt = (from, to, second) => (second % 10 < 5 && (from === 4 || to === 4) ? 500 + second : 0.4)
    const telling = run(rtt, ({ happenings, nowMs }, second) => {
      if (second % 10 !== 0) return
      for (const [at, host] of hosts.entries()) {
        if (at === 4) continue
        const event = {
          type: 'rtt',
          seq: second,
          at: nowMs,
          local: hosts[4] ?? '',
          host,
          previousMs: 0.4,
          durationMs: 500
        }
        happenings.add(event as GridEvent, 0, hosts)
      }
    })
    lookAt(test, 'one server stalls', telling, secondsLooked)
    assert.ok(telling.total / secondsLooked <= mostBytesPerSecond / 2)
  })

  it('keeps to the limit whatever happens: all states change all the time, and each is told within two seconds', (test) => {
    const telling = new Telling()
    const random = randomFrom(3)
    // So many are told, with long names, and all of them call all the time.
    const guestsAt = (at: number) =>
      Array.from({ length: 100 }, (_, guest): KnownGuest => {
        const name = `${guest}`.padEnd(190, 'x')
        const figures = { calls: at * 7 + guest, failed: 0, running: (at + guest) % 5, asked: 0, rttMs: (at % 9) + 0.1 }
        return { key: name, server: hosts[guest % 32] ?? '', name, since: 1_790_000_000_000, ...figures }
      })
    const since = (at: number) => 1_790_000_000_000 + at
    let last = secondOf(0, random, () => 1)
    for (let at = 0; at < 15; at++, telling.nowMs += 1000)
      telling.tell(
        secondOf(at, random, () => 1),
        true,
        guestsAt(0)
      )
    const unknownSince = new Map<string, number>()
    let longest = 0
    // What is told on credit counts, and is paid back over time.
    const seconds = 60
    for (let at = 0; at < seconds * 4; at++, telling.nowMs += 250) {
      last = secondOf(
        at,
        random,
        () => 1 + random() * 200,
        (from) => {
          const isDown = (at + from) % 16 < 8
          return {
            state: isDown ? 'try' : 'up',
            since: since(at - ((at + from) % 8)),
            ...(isDown ? { why: 'ECONNREFUSED' } : {})
          }
        }
      )
      telling.tell(last, false, guestsAt(at))
      for (const { from, to, state } of last.cells) {
        const key = `${from} ${to}`
        if (telling.known.get(key)?.state === state) unknownSince.delete(key)
        else unknownSince.set(key, unknownSince.get(key) ?? telling.nowMs)
        longest = Math.max(longest, telling.nowMs - (unknownSince.get(key) ?? telling.nowMs))
      }
    }
    lookAt(test, `all states change, the longest untold for ${longest} ms`, telling, seconds)
    assert.ok(telling.total / seconds <= mostBytesPerSecond, `${telling.total / seconds}`)
    assert.ok(longest <= 2000, `${longest} ms`)
  })

  it('has a server that is lost at once, also after a message that was too big', () => {
    const random = randomFrom(3)
    const telling = run(
      () => 1,
      ({ happenings, nowMs }, second) => {
        for (let at = 0; at < 40; at++) {
          const names = { local: hosts[at % 32] ?? '', host: hosts[0] ?? '', subroute: '', kind: 'single' } as const
          const event = {
            type: 'mistake',
            seq: at,
            at: nowMs,
            ...names,
            handler: `h${second}-${at}`.repeat(20),
            name: 'TypeError'
          }
          happenings.add(event as GridEvent, 0, hosts)
        }
      }
    )
    const lost = secondOf(
      99,
      random,
      () => 300,
      (_, to) => (to === 9 ? { state: 'down', why: 'ECONNREFUSED' } : {})
    )
    telling.tell(lost)
    assert.equal([...telling.known.values()].filter(({ state }) => state === 'down').length, 31)
  })
})
