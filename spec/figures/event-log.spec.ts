/** The rings of events by themselves: which round trips and turns are events, in whose ring a refusal is, and what is kept. */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { EventLog, HostEvents } from '../../lib/figures/event-log.ts'
import { GridFigures } from '../../lib/figures/grid-figures.ts'

const failed = { notSent: 0, maybeRan: 0 }

/** Says what time it is. */
function clockOf(test: TestContext): (ms: number) => void {
  let nowMs = 0
  test.mock.method(performance, 'now', () => nowMs)
  return (ms) => {
    nowMs = ms
  }
}

describe('a round trip', () => {
  it('is an event where it takes three times as long as the one before, and 20 ms more', () => {
    const events = new HostEvents(new EventLog('http://here'), 'http://there')
    const steps: [number, number | undefined][] = [
      [500, undefined],
      [29, 10],
      [59, 20],
      [21, 2],
      [60, 20],
      [20, 60],
      [22, 2]
    ]
    for (const [durationMs, previousMs] of steps) events.onRtt(durationMs, previousMs)
    const told = events.recent.map((event) => (event.type === 'rtt' ? [event.durationMs, event.previousMs] : []))
    assert.deepEqual(told, [
      [60, 20],
      [22, 2]
    ])
  })
})

describe('a turn that took long', () => {
  it('is one event of the process, however many sessions have seen it', (test) => {
    const log = new EventLog('http://here')
    const [a, b] = [new HostEvents(log, 'http://a'), new HostEvents(log, 'http://b')]
    const at = clockOf(test)
    at(1000)
    a.onTurn(99)
    a.onTurn(200)
    at(1001)
    b.onTurn(150)
    at(1500)
    b.onTurn(300)
    assert.deepEqual(
      log.own.recent.map((event) => (event.type === 'slowTurn' ? event.durationMs : event.type)),
      [200, 300]
    )
    assert.deepEqual([a.recent, b.recent], [[], []])
  })
})

describe('the events of a name that somebody claims', () => {
  it('are those of its connection, or of the process where there is none', () => {
    const figures = new GridFigures('http://here')
    const known = figures.of('http://known')
    assert.equal(figures.eventsOf('http://known'), known.events)
    for (const claimed of ['http://other', undefined]) assert.equal(figures.eventsOf(claimed), figures.events.own)
  })
})

describe('the last events', () => {
  it('tell how a conn was made and lost after any number of dials that have failed since, and are at most 256', () => {
    const events = new HostEvents(new EventLog('a'), 'b')
    events.add({ type: 'hello', role: 'host', instance: 'i', address: '127.0.0.1' })
    events.add({ type: 'goAway', direction: 'inbound', reason: 'shutdown' })
    events.add({ type: 'close', reason: 'shutdown', message: 'bye', failed })
    for (let n = 0; n < 300; n++) {
      events.add({ type: 'state', state: 'connecting', previous: 'waiting' })
      events.add({ type: 'dial', durationMs: 1, error: { code: 'ERR_DIAL', message: 'ECONNREFUSED' } })
      events.add({ type: 'refused', direction: 'outbound', reason: 'denied', message: '' })
      events.add({ type: 'state', state: 'waiting', previous: 'connecting' })
    }
    const kept = events.recent.map(({ type }) => type)
    assert.deepEqual(kept.slice(0, 3), ['hello', 'goAway', 'close'])
    assert.equal(kept.at(-1), 'state')
    for (let n = 0; n < 300; n++) events.add({ type: 'close', reason: 'shutdown', message: '', failed })
    assert.equal(events.recent.length, 256)
  })
})
