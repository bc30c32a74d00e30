/** Liveness in virtual time: pings, rtt, when a peer counts as dead, and what is forgiven. */

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'
import { type VirtualTime, virtualTime } from '../../lib/extras/testing/index.ts'
import { Beat } from '../../lib/session/beat.ts'
import { KeepAlive } from '../../lib/session/keepalive.ts'
import { FrameWriter } from '../../lib/wire/frame-writer.ts'
import { randomFrom, seed } from '../support/random.ts'

const intervalMs = 1000
/** From one look at what has arrived to the next. The virtual clock starts at the beginning of an interval. */
const beatMs = 250

let clock: VirtualTime
let heart: Beat

/** A keep-alive with everything around it in the hands of the spec. */
class Bench {
  /** The first batch has arrived. */
  received = 1
  ticks = 0
  readonly pings: number[] = []
  /** When they were sent. */
  readonly pingedMs: number[] = []
  readonly tickedMs: number[] = []
  sentBytes = 0
  mayLeaveOut = false
  readonly dead: number[] = []
  /** What `afterReading` is to run. */
  judge: (() => void) | undefined
  readonly keepAlive = new KeepAlive({
    beat: heart,
    received: () => this.received,
    sendPing: (token) => {
      this.pings.push(token)
      this.pingedMs.push(clock.nowMs)
      return this.sentBytes
    },
    onTick: () => {
      this.ticks++
      this.tickedMs.push(clock.nowMs)
    },
    mayLeaveOut: () => this.mayLeaveOut,
    onDead: (silentMs) => {
      this.dead.push(silentMs)
      this.keepAlive.stop()
    },
    afterReading: (callback) => {
      this.judge = callback
    }
  })

  constructor() {
    this.keepAlive.start()
  }

  /** Moves on to a beat, which comes so late. */
  beat(lateMs = 0): void {
    const dueMs = (Math.floor(clock.nowMs / beatMs) + 1) * beatMs
    clock.nowMs = dueMs + lateMs
    assert.equal(clock.fireNext(clock.nowMs), true, 'no timer')
  }

  beats(count: number): void {
    for (let beat = 0; beat < count; beat++) this.beat()
  }
}

function gapsOf(times: readonly number[]): number[] {
  return times.slice(1).map((atMs, at) => atMs - (times[at] as number))
}

describe('the keep-alive', () => {
  beforeEach(() => {
    clock = virtualTime(randomFrom(seed))
    heart = new Beat(intervalMs)
  })
  afterEach(() => clock[Symbol.dispose]())

  it('sends tokens of one length, that nobody guesses: how many bytes are sent is no matter of chance', () => {
    const bench = new Bench()
    for (let probes = 0; probes < 2000; probes++) bench.keepAlive.probe(() => {})
    // Two of so many are alike in one run of five hundred.
    assert.ok(new Set(bench.pings).size > bench.pings.length - 4)
    assert.ok(bench.pings.length >= 500, `${bench.pings.length} pings`)
    for (const token of bench.pings) {
      const writer = new FrameWriter()
      writer.ping(token)
      assert.equal(writer.length, 6)
    }
  })

  it('pings at once, and then once per interval, each time with a new token', () => {
    const bench = new Bench()
    assert.equal(bench.pings.length, 1)
    const startedMs = clock.nowMs
    for (let beat = 0; beat < 20; beat++) {
      bench.received++
      bench.beat()
    }
    assert.equal(new Set(bench.pings).size, 6)
    assert.deepEqual([bench.ticks, clock.nowMs - startedMs, bench.dead], [5, 5000, []])
  })

  it('pings for all sessions in one turn, by one timer, at whole intervals since the epoch', () => {
    const benches: Bench[] = []
    for (const afterMs of [10, 240, 20, 600]) {
      clock.nowMs += afterMs
      benches.push(new Bench())
      assert.equal(clock.pending, 1)
    }
    for (let beat = 0; beat < 12; beat++) {
      for (const bench of benches) bench.received++
      clock.fireNext(clock.nowMs + beatMs)
    }
    for (const { pingedMs } of benches) {
      assert.deepEqual(pingedMs.slice(-2), [1_002_000, 1_003_000])
    }
    for (const { keepAlive } of benches) keepAlive.stop()
    assert.equal(clock.pending, 0)
  })

  it('never waits longer than an interval for its next ping, nor less than a beat, and ticks at whole intervals, whenever it began', () => {
    for (let afterMs = 0; afterMs < intervalMs; afterMs += 50) {
      clock.nowMs += 50
      const bench = new Bench()
      for (let beat = 0; beat < 13; beat++) {
        bench.received++
        bench.beat()
      }
      const gaps = gapsOf(bench.pingedMs)
      assert.deepEqual(gapsOf(bench.tickedMs), Array(bench.ticks - 1).fill(intervalMs))
      assert.ok(Math.max(...gaps) <= intervalMs, `${gaps}`)
      assert.ok(Math.min(...gaps) > beatMs, `${gaps}`)
      bench.keepAlive.stop()
    }
  })

  it('leaves out its pings where it may, at a peer that pings in each interval, but for every eighth', () => {
    const bench = new Bench()
    bench.mayLeaveOut = true
    const pings: number[] = []
    for (let interval = 0; interval < 30; interval++) {
      bench.received++
      bench.keepAlive.onPing()
      bench.beats(4)
      pings.push(bench.pings.length)
    }
    const sent = pings.flatMap((count, at) => (count > (pings[at - 1] ?? 1) ? [at] : []))
    assert.deepEqual(sent, [0, 1, 9, 17, 25], 'the first are before the peer is known to ping by itself')
    assert.equal(bench.ticks, 30)
    assert.deepEqual(bench.dead, [])
  })

  it('pings again as soon as the peer does not, or data waits', () => {
    const bench = new Bench()
    bench.mayLeaveOut = true
    const interval = (isPinged: boolean): number => {
      const before = bench.pings.length
      bench.received++
      if (isPinged) bench.keepAlive.onPing()
      bench.beats(4)
      return bench.pings.length - before
    }
    for (let n = 0; n < 5; n++) interval(true)
    assert.equal(interval(false), 1)
    assert.deepEqual([interval(true), interval(true), interval(true)], [1, 1, 0], 'until it has pinged thrice in a row')
    bench.mayLeaveOut = false
    assert.equal(interval(true), 1)
  })

  it('leaves out no ping at a peer whose own pings come more than one and a half intervals apart', () => {
    for (const periodMs of [1501, 1600, 1900, 2500]) {
      const bench = new Bench()
      bench.mayLeaveOut = true
      let atMs = clock.nowMs
      for (let beat = 0; beat < 400; beat++) {
        for (; atMs <= clock.nowMs; atMs += periodMs) {
          bench.received++
          bench.keepAlive.onPing()
        }
        bench.beat()
        // It answers.
        bench.received++
      }
      const gaps = gapsOf(bench.pingedMs)
      assert.ok(Math.max(...gaps) <= intervalMs, `of ${periodMs} ms: ${Math.max(...gaps)} ms`)
      bench.keepAlive.stop()
    }
  })

  it('measures the rtt from ping to pong', () => {
    const bench = new Bench()
    assert.equal(bench.keepAlive.rttMs, undefined)
    clock.nowMs += 12.5
    bench.keepAlive.onPong(bench.pings.at(-1) as number)
    assert.equal(bench.keepAlive.rttMs, 12.5)
  })

  it('ignores a pong with another token, and the second one with the same', () => {
    const bench = new Bench()
    const [token = 0] = bench.pings
    bench.keepAlive.onPong(token + 1)
    assert.equal(bench.keepAlive.rttMs, undefined)
    clock.nowMs += 3
    bench.keepAlive.onPong(token)
    clock.nowMs += 100
    bench.keepAlive.onPong(token)
    assert.equal(bench.keepAlive.rttMs, 3)
    bench.received++
    bench.beats(4)
    bench.keepAlive.onPong(token)
    assert.equal(bench.keepAlive.rttMs, 3)
  })

  it('measures no round trip by its marks, which stand behind what was sent', () => {
    const bench = new Bench()
    clock.nowMs += 2
    bench.keepAlive.mark()
    const [ping, mark] = bench.pings as [number, number]
    clock.nowMs += 5
    assert.equal(bench.keepAlive.onPong(ping), true)
    assert.equal(bench.keepAlive.rttMs, 7)
    clock.nowMs += 100
    assert.equal(bench.keepAlive.onPong(mark), true)
    assert.deepEqual([bench.keepAlive.rttMs, bench.keepAlive.answered], [7, 2])
  })

  it('takes a pong for the answer to all pings before it, once, and none that was not sent', () => {
    const bench = new Bench()
    for (let i = 0; i < 3; i++) bench.keepAlive.mark()
    const [first, second, third, last] = bench.pings as [number, number, number, number]
    const answers = [Math.max(...bench.pings) + 1, third, second, first, last, last]
    assert.deepEqual(
      answers.map((token) => bench.keepAlive.onPong(token)),
      [false, true, false, false, true, false]
    )
    assert.equal(bench.keepAlive.answered, 4)
  })

  it('sends tokens that a peer cannot guess by those that it has read', () => {
    const bench = new Bench()
    for (let ping = 1; ping < 55; ping++) bench.keepAlive.mark()
    const known = bench.pings.slice(0, 50)
    for (const token of known) bench.keepAlive.onPong(token)
    const steps = known.map((token, at) => token - (known[at - 1] ?? 0))
    for (const token of known) for (const step of [...steps, ...known.keys()]) bench.keepAlive.onPong(token + step)
    for (let guess = 0; guess < 1000; guess++) bench.keepAlive.onPong(guess)
    assert.equal(bench.keepAlive.answered, 50)
  })

  it('remembers some hundred pings of a peer that answers none', () => {
    const bench = new Bench()
    for (let ping = 0; ping < 10_000; ping++) bench.keepAlive.mark()
    const answered = bench.pings.map((token) => bench.keepAlive.onPong(token))
    const first = answered.indexOf(true)
    assert.ok(first > 9000 && first < 9900, `from ping ${first} on`)
    assert.ok(answered.slice(first).every(Boolean))
  })

  it('takes any batch as a sign of life, also without a pong', () => {
    const bench = new Bench()
    for (let beat = 0; beat < 20; beat++) {
      bench.received++
      bench.beat()
    }
    assert.deepEqual([bench.dead, bench.judge], [[], undefined])
  })

  it('finds a silent peer dead one and a half intervals after its last word at least, and two at most, whenever that came', () => {
    for (let wordMs = 0; wordMs < 2 * intervalMs; wordMs += 25) {
      const bench = new Bench()
      // A beat is late by as much as this process is busy, which may be more than half of one.
      const beat = () => bench.beat(clock.nowMs % 100 === 0 ? 7 : 0)
      const lastWordMs = clock.nowMs + wordMs
      while (clock.nowMs + beatMs <= lastWordMs) {
        bench.received++
        beat()
      }
      clock.nowMs = Math.max(clock.nowMs, lastWordMs)
      bench.received++
      const saidMs = clock.nowMs
      while (bench.judge === undefined) beat()
      bench.judge()
      const silentMs = clock.nowMs - saidMs
      assert.ok(silentMs >= 1.5 * intervalMs && silentMs <= 2 * intervalMs, `${silentMs} ms after a word at ${wordMs}`)
      assert.equal(bench.dead.length, 1)
      assert.equal(clock.pending, 0)
    }
  })

  it('does not miss a sign of life that comes up to one and a half intervals after the one before', () => {
    const bench = new Bench()
    for (let word = 0; word < 10; word++) {
      // Right before a beat, so that the silence counts from there on.
      bench.received++
      bench.beats(6)
      bench.judge = undefined
    }
    assert.deepEqual([bench.dead, bench.ticks], [[], 15])
  })

  it('leaves a peer that has said nothing yet to the handshake deadline', () => {
    const bench = new Bench()
    bench.received = 0
    bench.beats(40)
    assert.deepEqual([bench.dead, bench.judge, bench.pings.length], [[], undefined, 11])
  })

  it('reads what has arrived before it judges', () => {
    const bench = new Bench()
    bench.beats(7)
    assert.deepEqual(bench.dead, [])
    bench.received++
    bench.judge?.()
    assert.deepEqual(bench.dead, [])
    bench.judge = undefined
    bench.beats(5)
    assert.equal(bench.judge, undefined, 'its silence counts anew')
    bench.beats(1)
    assert.notEqual(bench.judge, undefined)
  })

  it('forgives its own stall: a timer that is late condemns nobody', () => {
    const bench = new Bench()
    for (const lateMs of [501, 750, 750, 750, 750, 1000, 60_000, 501]) bench.beat(lateMs)
    assert.deepEqual([bench.dead, bench.judge], [[], undefined])
  })

  it('leaves a peer the time to answer its ping, also where a stall that is not forgiven delays that', () => {
    const rttMs = 100
    for (let beganMs = 10; beganMs <= intervalMs; beganMs += 10) {
      for (let late = 0; late < 8; late++) {
        clock.nowMs = (Math.floor(clock.nowMs / intervalMs) + 1) * intervalMs + beganMs
        const bench = new Bench()
        for (let beat = 0; beat < 16; beat++) {
          const lateMs = beat === late ? 2 * beatMs - 1 : 0
          const atMs = (Math.floor(clock.nowMs / beatMs) + 1) * beatMs + lateMs
          bench.received = 1 + bench.pingedMs.filter((pingedMs) => pingedMs + rttMs <= atMs).length
          bench.beat(lateMs)
          bench.judge?.()
        }
        bench.keepAlive.stop()
        assert.deepEqual(bench.dead, [], `began at ${beganMs}, beat ${late} was late`)
      }
    }
  })

  it('has one beat where its timer fires early, as one of Node may after a long turn of the event loop', () => {
    const beats: boolean[] = []
    heart.join((beginsInterval) => beats.push(beginsInterval))
    for (let beat = 0; beat < 3; beat++) clock.fireNext(clock.nowMs + beatMs)
    performance.now = () => clock.nowMs - 3
    clock.fireNext(clock.nowMs + beatMs)
    assert.deepEqual(beats, [false, false, false])
    clock.fireNext(clock.nowMs + beatMs)
    assert.deepEqual(beats, [false, false, false, true])
  })

  it('finds a silent peer dead also where its timers are less exact than a short interval', () => {
    heart = new Beat(4)
    const bench = new Bench()
    for (let beat = 0; beat < 4; beat++) {
      clock.nowMs += 5
      clock.fireNext(clock.nowMs)
    }
    assert.notEqual(bench.judge, undefined)
  })

  it('holds against a peer only the time in which it ran itself, also where it stands still often and shortly', () => {
    for (const lateMs of [0, 50, 250, 499]) {
      const bench = new Bench()
      bench.beat()
      const heardMs = clock.nowMs
      bench.beat(60_000)
      let beats = 0
      for (; bench.judge === undefined; beats++) bench.beat(lateMs)
      bench.judge()
      assert.equal(beats, 6, `${lateMs} ms late`)
      assert.deepEqual(
        bench.dead,
        [clock.nowMs - heardMs],
        'it tells how long the peer was silent, the stalls included'
      )
      bench.keepAlive.stop()
    }
  })

  it('does nothing once it is stopped: no timer, no ping, no verdict', () => {
    const bench = new Bench()
    bench.beats(7)
    bench.keepAlive.stop()
    bench.judge?.()
    const running = new Bench()
    running.keepAlive.stop()
    assert.deepEqual([bench.dead, bench.ticks, bench.pings.length, clock.pending], [[], 1, 2, 0])
  })

  it('knows by each answer that the peer has read what was sent before that ping', () => {
    const bench = new Bench()
    const { keepAlive } = bench
    for (const sentBytes of [100, 250]) {
      bench.sentBytes = sentBytes
      keepAlive.mark()
    }
    keepAlive.onPong(bench.pings.at(-2) as number)
    assert.equal(keepAlive.readBytes, 100)
    bench.sentBytes = 300
    keepAlive.onPong(bench.pings.at(-1) as number)
    assert.equal(keepAlive.readBytes, 250)
  })

  it('stops when it is told so by the tick itself', () => {
    let pings = 0
    const keepAlive: KeepAlive = new KeepAlive({
      beat: heart,
      received: () => 0,
      sendPing: () => pings++,
      onTick: () => keepAlive.stop(),
      onDead: () => assert.fail('dead')
    })
    keepAlive.start()
    while (clock.fireNext(clock.nowMs + 10 * intervalMs)) assert.equal(pings, 1)
    assert.equal(pings, 1)
  })

  it('by default reads for two polls of the event loop before it judges', async () => {
    for (const [polls, expected] of [
      [1, []],
      [2, ['dead']]
    ] as const) {
      let received = 1
      const verdicts: string[] = []
      const keepAlive = new KeepAlive({
        beat: heart,
        received: () => received,
        sendPing: () => 0,
        onTick: () => undefined,
        onDead: () => verdicts.push('dead')
      })
      keepAlive.start()
      for (let beat = 0; beat < 7; beat++) clock.fireNext(clock.nowMs + beatMs)
      for (let poll = 0; poll < polls; poll++) await new Promise(setImmediate)
      received++
      await new Promise(setImmediate)
      await new Promise(setImmediate)
      keepAlive.stop()
      assert.deepEqual(verdicts, expected)
    }
  })
})

it('the keep-alive has a timer that holds no process, and clears it with the last of its sessions', () => {
  const set = mock.method(globalThis, 'setTimeout')
  const clear = mock.method(globalThis, 'clearTimeout')
  const silent = () => undefined
  const init = { beat: new Beat(intervalMs), received: () => 0, sendPing: () => 0, onTick: silent, onDead: silent }
  const [first, second] = [new KeepAlive(init), new KeepAlive(init)]
  first.start()
  second.start()
  const timer = set.mock.calls[0]?.result as NodeJS.Timeout
  assert.deepEqual([timer.hasRef(), set.mock.callCount()], [false, 1])
  first.stop()
  assert.equal(clear.mock.callCount(), 0)
  second.stop()
  assert.equal(clear.mock.calls[0]?.arguments[0], timer)
  mock.restoreAll()
})
