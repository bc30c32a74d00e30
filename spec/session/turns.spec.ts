/** What arrives is dealt with in turns: a turn's answers leave before the next one begins. */

import assert from 'node:assert/strict'
import { afterEach, describe, it, type TestContext } from 'node:test'
import { loopBytes, loopMs, turnBytes } from '../../lib/errors/options.ts'
import { rawSingle, rawStreaming } from '../../lib/handler/definition.ts'
import { Flag, type Frame, FrameType } from '../../lib/wire/frame.ts'
import { machineMs, spend } from '../support/clock/machine.ts'
import { paced } from '../support/clock/pace.ts'
import { eachRound } from '../support/clock/rounds.ts'
import { addHandler, data, open } from '../support/raw/make.ts'
import { type RawPeer, rawPeer } from '../support/raw/peer.ts'
import { until } from '../support/until.ts'

const payload = Buffer.alloc(512, 5)
/** Some more than three turns of requests. */
const count = Math.ceil((3.5 * turnBytes) / payload.length)
let peer: RawPeer
/** For each call of the handler, how many batches the session had sent. */
let batchesAtCall: number[]
let onCall: () => void

function opens(): Frame[] {
  return Array.from({ length: count }, (_, i) => open(1 + 2 * i, 0, Flag.end, payload))
}

async function start(): Promise<void> {
  peer = rawPeer()
  batchesAtCall = []
  onCall = () => undefined
  const echo = async (request: unknown) => {
    batchesAtCall.push(peer.session.stats().batchesOut)
    onCall()
    return request
  }
  addHandler(peer.handlers, rawSingle('echo'), echo)
  await peer.start([])
}

/** 140 KiB of requests in one batch. */
function sendMuch(): Frame[] {
  const much = Array.from({ length: 275 }, (_, i) => open(1 + 2 * i, 0, Flag.end, payload))
  peer.send(...much)
  return much
}

function turnsBegun(): number {
  return new Set(batchesAtCall).size
}

/** A clock that stands still, unless a spec moves it. */
function standStill(test: TestContext): { nowMs: number } {
  const clock = { nowMs: performance.now() }
  test.mock.method(performance, 'now', () => clock.nowMs)
  return clock
}

describe('a turn', () => {
  afterEach(() => peer.stop())

  it('ends after 16 KiB of one batch: its answers are sent before the next handler runs', async (test) => {
    standStill(test)
    await start()
    peer.send(...opens())
    await until(() => peer.of(FrameType.data).length === count, 'all are answered')
    assert.equal(turnsBegun(), 4)
  })

  it('ends after 16 KiB of many small batches that are there at once', async (test) => {
    standStill(test)
    await start()
    for (const open of opens()) peer.send(open)
    await until(() => peer.of(FrameType.data).length === count, 'all are answered')
    assert.equal(turnsBegun(), 4)
  })

  it('is half of what is there, 64 KiB at most, behind one that was quick', async (test) => {
    standStill(test)
    await start()
    const { length } = sendMuch()
    await until(() => peer.of(FrameType.data).length === length, 'all are answered')
    // Of 140 KiB: 16, 62, 31, 16, and the rest.
    assert.equal(turnsBegun(), 5)
  })

  it('is 16 KiB behind one that took long, however much is there', async (test) => {
    const clock = standStill(test)
    await start()
    onCall = () => {
      clock.nowMs += loopMs / 100
    }
    const { length } = sendMuch()
    await until(() => peer.of(FrameType.data).length === length, 'all are answered')
    assert.equal(turnsBegun(), 9)
  })

  it('is 16 KiB where it brings messages of streams, however much is there', async (test) => {
    standStill(test)
    await start()
    addHandler(peer.handlers, rawStreaming('up', 64, 0), async () => new Promise(() => undefined))
    peer.send(open(1, 1, 0))
    const requests = Array.from({ length: 275 }, (_, i) => open(3 + 2 * i, 0, Flag.end, payload))
    peer.send(...requests.flatMap((request, i) => (i % 10 === 0 ? [request, data(1)] : [request])))
    await until(() => peer.of(FrameType.data).length === requests.length, 'all are answered')
    assert.equal(turnsBegun(), 9)
  })

  it('does not begin once the session has ended, and what was left of the batch is dropped', async () => {
    await start()
    onCall = () => queueMicrotask(() => peer.session.abort({ reason: 'shutdown', text: 'over' }))
    peer.send(...opens())
    await until(() => peer.end !== undefined, 'the session has ended')
    // One more turn of the event loop, in which the rest would be dealt with.
    await new Promise(setImmediate)
    assert.ok(batchesAtCall.length > 0 && batchesAtCall.length <= turnBytes / payload.length, `${batchesAtCall.length}`)
  })
})

describe('bulk from one conn', () => {
  afterEach(() => peer.stop())

  it('lets the event loop go round after 64 KiB and what the batch overshot, so that timers and other conns have their turn', async () => {
    await start()
    let loops = 0
    const stop = eachRound(() => loops++)
    // All of it is there at once: a conn in memory hands it out without going round.
    for (let i = 0; i < 8; i++)
      peer.send(...opens().map((open, at) => ({ ...open, streamId: 1 + 2 * (i * count + at) })))
    await until(() => peer.of(FrameType.data).length === 8 * count, 'all are answered')
    stop()
    const batch = count * payload.length
    assert.ok(loops >= Math.floor((8 * batch) / (loopBytes + batch)), `${loops} loops`)
  })
})

describe('a batch whose frames cost much', () => {
  afterEach(() => peer.stop())

  it('lets the event loop go round after each turn, so that timers and other conns do not wait for all of it', async () => {
    await start()
    let loops = 0
    const loopsAtCall: number[] = []
    const stop = eachRound(() => loops++)
    onCall = () => {
      loopsAtCall.push(loops)
      // A turn has some thirty of them.
      spend(loopMs / 20)
    }
    peer.send(...opens())
    await until(() => peer.of(FrameType.data).length === count, 'all are answered')
    stop()
    assert.ok(new Set(loopsAtCall).size > 2, `${loopsAtCall}`)
  })
})

describe('calls that are small and cost much', () => {
  afterEach(() => peer.stop())

  const calls = 200
  /** So many in a row may run before the loop goes round: those of 10 ms, and of the frames between two looks at the clock. */
  const most = loopMs + 32
  /** As long as nothing was due it was last looked at before. */
  const mostAtFirst = most + 32

  for (const [how, send] of [
    ['each in a batch of its own', (frames: Frame[]) => frames.forEach((frame) => void peer.send(frame))],
    ['all in one batch', (frames: Frame[]) => void peer.send(...frames)]
  ] as const) {
    it(`let the event loop go round after 10 ms, ${how}`, async () => {
      await start()
      let inRow = 0
      const rows: number[] = []
      const stop = eachRound(() => {
        rows.push(inRow)
        inRow = 0
      })
      onCall = () => {
        inRow++
        spend(1)
      }
      send(Array.from({ length: calls }, (_, i) => open(1 + 2 * i, 0, Flag.end, Buffer.alloc(1))))
      await until(() => peer.of(FrameType.data).length === calls, 'all are answered')
      stop()
      const [first = 0, ...others] = [...rows, inRow].filter((calls) => calls > 0)
      assert.ok(first <= mostAtFirst && Math.max(...others) <= most, `${rows} calls in a row`)
    })
  }
})

describe('calls of many peers that are small and cost much', () => {
  it('let the event loop go round after 10 ms of all of them together, and some of each run in each round', async () => {
    const [peers, calls, callMs] = [20, 150, 0.1]
    /** For each round, by which peers its calls were made. */
    let rounds: number[][] = [[]]
    const stop = eachRound(() => rounds.push([]))
    const each = Array.from({ length: peers }, () => rawPeer())
    for (const [at, { handlers }] of each.entries()) {
      addHandler(handlers, rawSingle('echo'), async () => {
        rounds.at(-1)?.push(at)
        spend(callMs)
        return payload
      })
    }
    await Promise.all(each.map((peer) => peer.start([])))
    for (const peer of each) peer.send(...Array.from({ length: calls }, (_, i) => open(1 + 2 * i, 0, Flag.end)))
    await until(() => rounds.flat().length === peers * calls, 'all have run')
    stop()
    await Promise.all(each.map((peer) => peer.stop()))
    rounds = rounds.filter(({ length }) => length > 0)
    // Those of 10 ms, those between two looks at the clock, and one of each other peer; at first it was last looked at before.
    const most = loopMs / callMs + 32 + peers
    const [first = 0, ...others] = rounds.map(({ length }) => length)
    assert.ok(first <= most + 32 && Math.max(...others) <= most, `${first},${others} calls in a row, ${most} at most`)
    for (const peer of each.keys()) {
      const last = rounds.findLastIndex((round) => round.includes(peer))
      assert.ok(
        rounds.slice(0, last).every((round) => round.includes(peer)),
        `${peer} waits`
      )
    }
  })
})

describe('an answer far behind in a batch that takes long', () => {
  afterEach(() => peer.stop())

  it('reaches its call, though the deadline of that has passed since the batch arrived', async () => {
    await start()
    const timeoutMs = paced(200)
    const dueMs = machineMs() + timeoutMs
    const ends: string[] = []
    const stream = peer.session.newStream({ handler: 0, metadata: undefined, timeoutMs })
    stream.owner = {
      ...{ entry: undefined, figures: undefined },
      onClosed: () => void ends.push('closed'),
      onDeadline: () => void ends.push('late')
    }
    stream.sendMessage(payload, Flag.end)
    const { streamId } = await peer.frame(FrameType.open)
    onCall = () => {
      const leftMs = dueMs - machineMs()
      // The timer of the deadline is late, as this stands in its way, and has many more calls before it.
      if (leftMs > 0 && leftMs < 3 * loopMs) spend(leftMs + loopMs)
      else if (leftMs > -20 * loopMs) spend(timeoutMs / 100)
    }
    peer.send(...Array.from({ length: 400 }, (_, i) => open(1 + 2 * i, 0, Flag.end, payload)), data(streamId, Flag.end))
    await until(() => ends.length > 0, 'the call has ended')
    assert.deepEqual(ends, ['closed'])
  })
})
