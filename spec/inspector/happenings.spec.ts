/** What one cause does is one event of the page, however many servers tell of it. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Happenings, type Known } from '../../lib/extras/inspector/happenings.ts'
import type { GridEvent } from '../../lib/index.ts'

const hosts = Array.from({ length: 32 }, (_, at) => `http://node-${String(at + 1).padStart(2, '0')}.test:9000`)
const others = (...those: readonly number[]) => hosts.filter((_, at) => !those.includes(at))
const host = (at: number) => hosts[at] as string

type Given = GridEvent extends infer Event ? (Event extends unknown ? Omit<Event, 'seq'> : never) : never

/** What a page knows once all this has been told. */
function told(...events: readonly Given[]): string[] {
  return rowsOf(new Happenings(), ...events).map(({ severity, title, detail }) => {
    return `${severity}: ${title}${detail === '' ? '' : ` (${detail})`}`.replaceAll('\u00a0', ' ')
  })
}

function rowsOf(happenings: Happenings, ...events: readonly Given[]): Known[] {
  for (const [seq, event] of events.entries()) happenings.add({ ...event, seq } as GridEvent, 0, hosts)
  return [...happenings.all]
}

const lost = (local: string, about: string, at = 0): Given => {
  return { type: 'state', at, local, host: about, state: 'waiting', previous: 'connected', reason: 'lost' }
}
const closed = (local: string, about: string, at = 0): Given => {
  const failed = { notSent: 1, maybeRan: 2 }
  return { type: 'close', at, local, host: about, reason: 'connLost' as never, message: 'ended', failed }
}
const refusedDial = (local: string, about: string, at = 0): Given => {
  const error = { code: 'ERR_DIAL', message: 'ECONNREFUSED' }
  return { type: 'dial', at, local, host: about, durationMs: 1, error }
}
const hello = (local: string, about: string, instance: string, at = 0): Given => {
  return { type: 'hello', at, local, host: about, role: 'host', instance, address: '' }
}
const jump = (local: string, about: string, previousMs: number, durationMs: number, at = 0): Given => {
  return { type: 'rtt', at, local, host: about, previousMs, durationMs }
}
const called = (type: 'mistake' | 'reset', local: string, about: string, handler: string, at = 0): Given => {
  const base = { at, local, host: about, kind: 'single', subroute: '', handler } as const
  return type === 'mistake'
    ? { type, ...base, name: 'TypeError' }
    : { type, ...base, direction: 'inbound', reason: 'cancelled' }
}
const pairs = hosts.flatMap((a, at) => hosts.slice(at + 1).map((b) => [a, b] as const))

/** In an order of its own, the same each time. */
function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((value, at) => [(at * 7919) % 1009, value] as const)
    .sort(([a], [b]) => a - b)
    .map(([, value]) => value)
}

describe('the events of the page', () => {
  it('have one row for the round trips of a server that stalls, with how many and how far they go', () => {
    const x = host(4)
    const both = others(4).flatMap((each, at) => [jump(each, x, 1 + at, 100 + at, at), jump(x, each, 1 + at, 200, at)])
    assert.deepEqual(told(...both), [
      'info: node-05 ⇄ all 31 others · 31 round trips 1.0 ms to 31 ms → 200 ms (62 times)'
    ])
  })

  it('have one row for the round trips of a whole grid that stalls', () => {
    const all = shuffled(pairs).map(([a, b], at) => jump(a, b, 5, 50 + (at % 100), at))
    assert.deepEqual(told(...all), ['info: 496 round trips among 32 servers 5.0 ms → 50 ms to 149 ms (496 times)'])
  })

  it('name two servers whose round trip jumps, also while two others do the same', () => {
    assert.deepEqual(told(jump(host(0), host(1), 1, 20), jump(host(2), host(3), 1, 30, 1)), [
      'info: node-03 ⇄ node-04 · round trip 1.0 ms → 30 ms',
      'info: node-01 ⇄ node-02 · round trip 1.0 ms → 20 ms'
    ])
  })

  it('are one once they turn out to have one cause', () => {
    const happenings = new Happenings()
    const before = rowsOf(happenings, jump(host(0), host(1), 1, 20), jump(host(2), host(3), 1, 30, 1))
    const after = rowsOf(happenings, jump(host(1), host(2), 1, 40, 2))
    assert.deepEqual([before.length, after.length], [2, 1])
    assert.ok(
      before.some(({ id }) => id === after[0]?.id),
      'the other one has gone'
    )
    assert.equal(
      after[0]?.title.replaceAll('\u00a0', ' '),
      'node-02 and node-04 ⇄ node-03 and node-01 · 3 round trips 1.0 ms → 20 ms to 40 ms'
    )
  })

  it('have three rows for a server that is killed, and one for its return', () => {
    const x = host(16)
    const all = others(16)
    const gone = all.flatMap((each, at) => [lost(each, x, at), closed(each, x, at), refusedDial(each, x, at)])
    const tries = [1, 2, 3].flatMap((second) => all.map((each) => refusedDial(each, x, 1000 * second)))
    assert.deepEqual(told(...gone, ...tries), [
      'info: all 31 others → node-17 · dials failed (ECONNREFUSED · 124 times)',
      'info: conns of node-17 ended at all 31 others (connLost: ended · 93 calls failed: 31 notSent, 62 maybeRan)',
      'bad: node-17 lost by all 31 others (lost)'
    ])
    const back = all.flatMap((each, at) => [hello(each, x, 'new-one-of-17', at), hello(x, each, `process-${at}`, at)])
    assert.deepEqual(told(...back), ['ok: node-17 connected to all 31 others (32 processes)'])
  })

  it('have one row for a server that loses all others, and one for a grid that is cut in two', () => {
    const x = host(2)
    assert.deepEqual(told(...others(2).map((each) => lost(x, each))), ['bad: node-03 lost all 31 others (lost)'])
    const cut = hosts.slice(0, 16).flatMap((a) => hosts.slice(16).flatMap((b) => [lost(a, b), lost(b, a)]))
    assert.deepEqual(told(...shuffled(cut)), ['bad: 32 servers lost each other (256 connections · lost)'])
    assert.deepEqual(told(lost(x, host(3)), lost(host(3), x)), ['bad: node-04 and node-03 lost each other (lost)'])
  })

  it('have one row for each server of a deploy that goes away, and one for the start of a grid', () => {
    const going = [0, 1].flatMap((at) =>
      others(at).map((each): Given => {
        return {
          type: 'goAway',
          at: at * 10_000,
          local: each,
          host: host(at),
          direction: 'inbound',
          reason: 'shutdown' as never
        }
      })
    )
    assert.deepEqual(told(...going), [
      'info: node-02 goes away (told to all 31 others: shutdown)',
      'info: node-01 goes away (told to all 31 others: shutdown)'
    ])
    const starts = pairs.flatMap(([a, b], at) => [
      hello(a, b, `process of ${b}`, at),
      hello(b, a, `process of ${a}`, at)
    ])
    assert.deepEqual(told(...shuffled(starts)), ['ok: 32 servers connected to each other (32 processes)'])
  })

  it('have a guest that ends by itself apart from servers that are lost, and as no alarm', () => {
    const leaving = (local: string, name: string, reason: 'shutdown' | 'lost', at = 0): Given[] => {
      const failed = { notSent: 0, maybeRan: 0 }
      const message = reason === 'lost' ? 'the peer closed the conn' : 'the peer said: the guest has closed'
      const ends = { at, local, host: `guest:${name}` }
      const goes: Given = { type: 'goAway', ...ends, direction: 'inbound', reason }
      return [
        ...(reason === 'lost' ? [] : [goes]),
        { ...lost(local, ends.host, at), reason: message } as Given,
        { type: 'close', ...ends, reason, message, failed }
      ]
    }
    const [a, b, c] = [host(0), host(1), host(2)]
    assert.deepEqual(told(...leaving(a, 'vm-1', 'shutdown')), [
      'info: conn of guest:vm-1 ended at node-01 (shutdown: the peer said: the guest has closed)'
    ])
    assert.deepEqual(told(lost(a, c), lost(b, c), ...leaving(a, 'vm-1', 'shutdown', 1)), [
      'info: conn of guest:vm-1 ended at node-01 (shutdown: the peer said: the guest has closed)',
      'bad: node-03 lost by node-01 and node-02 (lost)'
    ])
    assert.deepEqual(told(...leaving(a, 'vm-1', 'lost'), ...leaving(a, 'vm-2', 'shutdown', 1)), [
      'info: conn of guest:vm-2 ended at node-01 (shutdown: the peer said: the guest has closed)',
      'warn: conn of guest:vm-1 ended at node-01 (lost: the peer closed the conn)'
    ])
    const come = { ...hello(a, 'guest:vm-1', 'a1b2c3d4e5'), role: 'guest' } as Given
    assert.deepEqual(told(hello(a, c, 'process-3'), come), [
      'ok: guest:vm-1 connected to node-01 (process a1b2c3d4)',
      'ok: node-03 connected to node-01 (process process-)'
    ])
    const many = [0, 1, 2, 3, 4].flatMap((at) => leaving(host(at % 2), `vm-${at}`, 'shutdown', at))
    assert.deepEqual(told(...many, ...leaving(a, 'vm-1', 'shutdown', 2)).length, 1)
  })

  it('say who dials whom where there are few, and what each of them is told', () => {
    const [a, b, c, d] = [host(0), host(1), host(2), host(3)]
    const grid = [a, b, c, d]
    const dial = (local: string, about: string): Given => {
      const error = { code: 'ERR_DIAL', message: `cannot connect to ${about}: ECONNREFUSED` }
      return { type: 'dial', at: 0, local, host: about, durationMs: 1, error }
    }
    const rows = (...events: readonly Given[]) => {
      const happenings = new Happenings()
      for (const [seq, event] of events.entries()) happenings.add({ ...event, seq } as GridEvent, 0, grid)
      return happenings.all.map(({ title, detail }) => `${title} (${detail})`)
    }
    const refusals = `cannot connect to ${c}: ECONNREFUSED · cannot connect to ${d}: ECONNREFUSED`
    assert.deepEqual(rows(dial(a, c), dial(a, d), dial(b, c), dial(b, d)), [
      `node-01 and node-02 → node-03 and node-04 · dials failed (${refusals} · 4 times)`
    ])
    assert.deepEqual(rows(dial(a, c), dial(a, d), dial(b, d)), [
      `node-01 → node-03 and node-04, node-02 → node-04 · dials failed (${refusals} · 3 times)`
    ])
    assert.deepEqual(rows(lost(a, c), lost(a, d), lost(b, c), lost(b, d)).slice(-1), [
      'node-03 and node-04 lost by node-01 and node-02 (lost)'
    ])
    assert.deepEqual(rows(dial(a, d), dial(b, d), dial(c, d)), [
      `all 3 others → node-04 · dials failed (cannot connect to ${d}: ECONNREFUSED · 3 times)`
    ])
  })

  it('have one row for slow turns of servers that share a machine', () => {
    const turns = hosts.map(
      (each, at): Given => ({ type: 'slowTurn', at, local: each, host: each, durationMs: 100 + at * 20 })
    )
    assert.deepEqual(told(...turns), [
      'warn: 32 servers · slow turns (the event loop stood for up to 720 ms, at node-32 · 32 times)'
    ])
  })

  it('have one row for a server that is refused by all, and one for a flood of resets', () => {
    const refused = others(7).map((each): Given => {
      const words = { reason: 'unknownHost', message: 'it is in no list' } as never
      return { type: 'refused', at: 0, local: each, host: host(7), direction: 'inbound', ...(words as object) } as Given
    })
    assert.deepEqual(told(...refused), ['warn: all 31 others refused node-08 (it is in no list · 31 times)'])
    const flood = Array.from({ length: 200 }, (_, at) => called('reset', host(0), host(1), `do-${at}`, at))
    const seen = flood.map((each): Given => ({ ...each, local: host(1), host: host(0) }))
    assert.deepEqual(told(...flood, ...seen), [
      'info: node-02 ⇄ node-01 · resets of 200 handlers (cancelled · 200 times)'
    ])
  })

  it('name a handler that throws at several servers, and no more than some where a deploy breaks them all', () => {
    const one = hosts.slice(0, 5).map((each) => called('mistake', each, host(9), 'put'))
    assert.deepEqual(told(...one), ['warn: 5 servers · put throws TypeError (called by node-10 · 5 times)'])
    const all = Array.from({ length: 200 }, (_, at) => called('mistake', host(at % 32), host(9), `do-${at}`, at))
    const rows = told(...all)
    assert.equal(rows.length, 9)
    assert.equal(rows[0], 'warn: 32 servers · 192 handlers throw TypeError (called by node-10 · 192 times)')
  })

  it('are few rows a minute while everything jitters, and hold as much after an hour', () => {
    const happenings = new Happenings()
    for (let second = 0; second < 600; second++) {
      const jumps = shuffled(pairs).filter((_, at) => at % 5 === second % 5)
      rowsOf(happenings, ...jumps.map(([a, b]) => jump(a, b, 5, 50, second * 1000)))
    }
    assert.ok(happenings.all.length <= 30, `${happenings.all.length} rows in ten minutes`)
  })

  it('count what is the same in two rows that turn out to be one', () => {
    const [a, b, c] = [host(0), host(1), host(2)]
    assert.deepEqual(told(jump(a, b, 1, 20), jump(a, b, 1, 20), jump(a, b, 1, 20, 61_000), jump(c, a, 1, 20, 30_000)), [
      'info: node-01 ⇄ node-02 and node-03 · 2 round trips 1.0 ms → 20 ms (4 times)'
    ])
  })

  it('keep their words once too much is known to tell what is the same again, also where no row begins any more', () => {
    const happenings = new Happenings()
    const begins = Array.from({ length: 40 }, (_, row) =>
      called('mistake', host(0), host(1), `do-${row}`, row * 70_000)
    )
    assert.equal(rowsOf(happenings, ...begins).length, 40)
    const full = begins
      .slice(0, 4)
      .flatMap(({ at }, row) =>
        Array.from({ length: 2000 }, (_, each) => called('mistake', `http://made-up-${each}`, host(1), `do-${row}`, at))
      )
    assert.equal(rowsOf(happenings, ...full).length, 40)
    const [, , , , fifth = assert.fail()] = begins
    assert.equal(rowsOf(happenings, fifth).length, 41, 'what a row has told before is not counted any more')
  })

  it('have a rest whose words stand, and another one for what comes then', () => {
    const happenings = new Happenings()
    const mistakes = (name: string, from: number, to: number, at = 0) =>
      Array.from({ length: to - from }, (_, each) => called('mistake', host(0), host(1), `${name}-${from + each}`, at))
    rowsOf(happenings, ...mistakes('do', 0, 20))
    const rest = 'node-01 · 12 handlers throw TypeError'
    assert.equal(happenings.all[0]?.title, rest)
    for (let row = 1; row < 7; row++) rowsOf(happenings, ...mistakes(`row-${row}`, 0, 2000, row * 70_000))
    rowsOf(happenings, ...mistakes('late', 0, 2))
    const titles = happenings.all.map(({ title }) => title)
    assert.ok(titles.includes(rest), titles.join('; '))
    assert.ok(titles.includes('node-01 · late-0, late-1 throw TypeError'), titles.join('; '))
  })

  it('are no more in memory for long texts of a server, nor for servers and handlers that it makes up', (test) => {
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    const happenings = new Happenings()
    const refused = (at: number): Given => {
      const words = { reason: `${at} ${'r'.repeat(16_000)}`, message: `${at} ${'m'.repeat(16_000)}` } as never
      const names = { local: host(0), host: `http://${at}.${'h'.repeat(4000)}`, handler: `${at} ${'n'.repeat(4000)}` }
      return { type: 'refused', at: at * 50, ...names, direction: 'inbound', ...(words as object) } as Given
    }
    gc()
    const before = process.memoryUsage().heapUsed
    for (let at = 0; at < 12_000; at++) {
      happenings.add({ ...refused(at), seq: at } as GridEvent, 0, hosts)
      if (at % 1000 === 0) assert.ok(happenings.all.length > 0)
    }
    gc()
    const mebi = (process.memoryUsage().heapUsed - before) / 1_048_576
    test.diagnostic(`${mebi.toFixed(1)} MiB of 12,000 events of 40 KB`)
    assert.ok(happenings.all.length > 0)
    assert.ok(mebi < 40, `${mebi} MiB`)
  })

  it('know which handlers they are about, of several too', () => {
    const resets = ['get', 'put'].map((name) => called('reset', host(0), host(1), name))
    const [both] = rowsOf(new Happenings(), ...resets)
    assert.deepEqual(both?.handlers, ['get', 'put'])
    const [none] = rowsOf(new Happenings(), lost(host(0), host(1)))
    assert.deepEqual(none?.handlers, [])
  })

  it('are those of a connection where both of its servers are in the row', () => {
    const happenings = new Happenings()
    const x = host(4)
    rowsOf(happenings, ...others(4).map((each) => lost(each, x)), jump(host(0), host(1), 1, 20))
    assert.deepEqual(
      happenings.between(host(0), x).map(({ severity }) => severity),
      ['bad']
    )
    assert.deepEqual(
      happenings.between(host(0), host(1)).map(({ severity }) => severity),
      ['info']
    )
    assert.deepEqual(happenings.between(host(2), host(3)), [])
  })
})
