/** The counter of a session by itself: what is counted when, once, and which turns took long. */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { ClosedError } from '../../lib/errors/errors.ts'
import { OpenTally } from '../../lib/figures/figures.ts'
import { GridFigures } from '../../lib/figures/grid-figures.ts'
import { CallCounter } from '../../lib/open/call-counter.ts'
import { createSessionCounts } from '../../lib/report/stats.ts'
import type { Stream } from '../../lib/stream/stream.ts'
import { toTicks } from '../../lib/time/ticks.ts'
import { HandlerKind, ResetCode } from '../../lib/wire/frame.ts'

function start(test: TestContext) {
  let nowMs = 1000
  test.mock.method(performance, 'now', () => nowMs)
  const all = new GridFigures('http://here')
  const peer = all.of('http://there')
  const outbox = { onTurnEnd: undefined as (() => void) | undefined, endTurn() {} }
  const counter = new CallCounter(peer, outbox, createSessionCounts())
  const figures = all.served.of({ kind: 'single', handler: 'echo', subroute: '' }, true)
  const entry = { kind: HandlerKind.single, id: 'echo', subroute: '', inCapacity: 1, outCapacity: 1 }
  const stream = (startTicks: number, initiator = false) =>
    ({ initiator, startTicks, bytesIn: 1, bytesOut: 2, owner: { figures, entry } }) as unknown as Stream
  const pass = (ms: number) => {
    nowMs += ms
  }
  const slow = () => all.events.own.recent.map((event) => (event.type === 'slowTurn' ? event.durationMs : event.type))
  return { all, peer, outbox, counter, figures, stream, pass, slow }
}

describe('the counter of calls', () => {
  it('counts a call of the peer at the end of the turn in which it ended, and before that for who asks', (test) => {
    const { counter, outbox, figures, stream, pass, peer } = start(test)
    counter.beginTurn()
    const ended = stream(counter.beginServing())
    pass(5)
    counter.onClosed(ended, undefined, false)
    counter.endTurn()
    assert.equal(figures.read(undefined).calls, 0)
    counter.addOpen([], new OpenTally())
    assert.deepEqual([figures.read(undefined).calls, figures.read(undefined).durations.sumMs], [1, 5])
    outbox.onTurnEnd?.()
    assert.deepEqual([figures.read(undefined).calls, peer.served.read(undefined).calls], [1, 1])
  })

  it('counts an error that is being sent once, where the conn is lost before it is', (test) => {
    const { counter, outbox, figures, stream } = start(test)
    const failing = stream(counter.nowTicks)
    counter.countError(failing, 'E_MINE')
    counter.onClosed(failing, { reason: new ClosedError('lost') }, true)
    counter.onClosed(stream(counter.nowTicks), { reason: new ClosedError('lost') }, false)
    outbox.onTurnEnd?.()
    assert.deepEqual(figures.read(undefined).errors, { E_MINE: 1, ERR_CLOSED: 1 })
  })

  it('measures a call of this side to the turn that has brought its answer, and never below zero', (test) => {
    const { counter, figures, stream, pass } = start(test)
    const before = stream(counter.nowTicks, true)
    pass(10)
    counter.beginTurn()
    assert.equal(counter.nowTicks, toTicks(1010))
    pass(50)
    const within = stream(toTicks(performance.now()), true)
    pass(7)
    counter.onClosed(before, undefined, false)
    assert.equal(figures.read(undefined).durations.sumMs, 10)
    counter.onClosed(within, undefined, false)
    assert.equal(figures.read(undefined).durations.sumMs, 17)
  })

  it('tells of a turn that a call of the peer has held up, and of none between turns', (test) => {
    const { counter, outbox, stream, pass, slow } = start(test)
    counter.beginTurn()
    const waits = stream(counter.beginServing())
    counter.endTurn()
    outbox.onTurnEnd?.()
    pass(5000)
    counter.onClosed(waits, undefined, false)
    outbox.onTurnEnd?.()
    assert.deepEqual(slow(), [])
    counter.beginTurn()
    counter.beginServing()
    pass(150)
    counter.endTurn()
    outbox.onTurnEnd?.()
    assert.deepEqual(slow(), [150])
  })

  it('tells of each reset but that of a handler which takes no more requests', (test) => {
    const { counter, peer, stream } = start(test)
    counter.onReset(stream(0), ResetCode.stop, 'outbound')
    counter.onReset(stream(0), ResetCode.cancelled, 'inbound')
    counter.onReset(stream(0), ResetCode.busy, 'inbound')
    counter.onReset(stream(0), 250, 'inbound')
    const told = peer.events.recent.map((event) => ('reason' in event ? [event.type, event.reason] : []))
    assert.deepEqual(told, [
      ['reset', 'cancelled'],
      ['refused', 'busy'],
      ['reset', 'code 250']
    ])
  })
})
