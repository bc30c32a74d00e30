/** Liveness with a clock that the spec moves: rtt, when a peer counts as dead, and what is forgiven. */

import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import { KeepAlive } from '../../lib/session/keepalive.ts'

const intervalMs = 1000

/** A keep-alive with everything around it in the hands of the spec. */
class Bench {
  nowMs = 5000
  /** The first batch has arrived. */
  received = 1
  ticks = 0
  readonly pings: number[] = []
  sentBytes = 0
  readonly dead: number[] = []
  /** What `afterReading` is to run. */
  judge: (() => void) | undefined
  readonly keepAlive: KeepAlive
  #timer: { atMs: number; callback: () => void } | undefined

  constructor() {
    this.keepAlive = new KeepAlive({
      intervalMs,
      received: () => this.received,
      sendPing: (token) => {
        this.pings.push(token)
        return this.sentBytes
      },
      onTick: () => this.ticks++,
      onDead: (silentMs) => this.dead.push(silentMs),
      now: () => this.nowMs,
      setTimer: (callback, delayMs) => {
        assert.equal(this.#timer, undefined, 'a second timer')
        const timer = { atMs: this.nowMs + delayMs, callback }
        this.#timer = timer
        return () => {
          if (this.#timer === timer) this.#timer = undefined
        }
      },
      afterReading: (callback) => {
        this.judge = callback
      }
    })
    this.keepAlive.start()
  }

  get hasTimer(): boolean {
    return this.#timer !== undefined
  }

  /** Runs the timer, a check, `lateMs` after it was due. */
  fire(lateMs = 0): void {
    const timer = this.#timer
    assert.ok(timer !== undefined, 'no timer')
    this.#timer = undefined
    this.nowMs = timer.atMs + lateMs
    timer.callback()
  }
}

describe('the keep-alive', () => {
  it('pings at once, and then once per interval, each time with a new token', () => {
    const bench = new Bench()
    assert.equal(bench.pings.length, 1)
    for (let i = 0; i < 10; i++) {
      bench.received++
      bench.fire()
    }
    assert.equal(new Set(bench.pings).size, 6)
    assert.deepEqual([bench.ticks, bench.nowMs, bench.dead], [5, 10_000, []])
  })

  it('measures the rtt from ping to pong', () => {
    const bench = new Bench()
    assert.equal(bench.keepAlive.rttMs, undefined)
    bench.nowMs += 12.5
    bench.keepAlive.onPong(bench.pings.at(-1) as number)
    assert.equal(bench.keepAlive.rttMs, 12.5)
  })

  it('ignores a pong with another token, and the second one with the same', () => {
    const bench = new Bench()
    const [token = 0] = bench.pings
    bench.keepAlive.onPong(token + 1)
    assert.equal(bench.keepAlive.rttMs, undefined)
    bench.nowMs += 3
    bench.keepAlive.onPong(token)
    bench.nowMs += 100
    bench.keepAlive.onPong(token)
    assert.equal(bench.keepAlive.rttMs, 3)
    bench.received++
    bench.fire()
    bench.fire()
    bench.keepAlive.onPong(token)
    assert.equal(bench.keepAlive.rttMs, 3)
  })

  it('measures no round trip by its marks, which stand behind what was sent', () => {
    const bench = new Bench()
    bench.nowMs += 2
    bench.keepAlive.mark()
    const [ping, mark] = bench.pings as [number, number]
    bench.nowMs += 5
    assert.equal(bench.keepAlive.onPong(ping), true)
    assert.equal(bench.keepAlive.rttMs, 7)
    bench.nowMs += 100
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
    for (let i = 0; i < 10; i++) {
      bench.received++
      bench.fire()
    }
    assert.deepEqual([bench.dead, bench.judge], [[], undefined])
  })

  it('finds a silent peer dead within two intervals of its last word', () => {
    const bench = new Bench()
    bench.fire()
    // Its last word comes right behind a check: the worst moment.
    bench.nowMs += 1
    bench.received++
    const lastWordMs = bench.nowMs
    for (let check = 0; check < 4; check++) {
      assert.equal(bench.judge, undefined)
      bench.fire()
    }
    bench.judge?.()
    assert.equal(bench.dead.length, 1)
    assert.ok(bench.nowMs - lastWordMs <= 2 * intervalMs)
    assert.equal(bench.hasTimer, false)
  })

  it('does not miss a sign of life that comes up to one and a half intervals after the one before', () => {
    const bench = new Bench()
    for (let word = 0; word < 10; word++) {
      // Right before a check, so that the silence counts from there on.
      bench.received++
      for (let check = 0; check < 3; check++) bench.fire()
      bench.judge = undefined
    }
    assert.deepEqual([bench.dead, bench.ticks], [[], 15])
  })

  it('leaves a peer that has said nothing yet to the handshake deadline', () => {
    const bench = new Bench()
    bench.received = 0
    for (let check = 0; check < 20; check++) bench.fire()
    assert.deepEqual([bench.dead, bench.judge, bench.pings.length], [[], undefined, 11])
  })

  it('reads what has arrived before it judges', () => {
    const bench = new Bench()
    for (let check = 0; check < 4; check++) bench.fire()
    assert.deepEqual(bench.dead, [])
    bench.received++
    bench.judge?.()
    assert.deepEqual([bench.dead, bench.ticks, bench.pings.length], [[], 2, 3])
    for (let check = 0; check < 2; check++) bench.fire()
    assert.equal(bench.hasTimer, true, 'its silence counts anew')
  })

  it('forgives its own stall: a timer that is late condemns nobody', () => {
    const bench = new Bench()
    for (const lateMs of [501, 1000, 60_000, 501]) bench.fire(lateMs)
    assert.deepEqual([bench.dead, bench.judge, bench.ticks], [[], undefined, 2])
  })

  it('does not forgive twice what was no stall', () => {
    const bench = new Bench()
    bench.fire(60_000)
    for (let check = 0; check < 3; check++) bench.fire(499)
    bench.judge?.()
    assert.equal(bench.dead.length, 1)
  })

  it('does nothing once it is stopped: no timer, no ping, no verdict', () => {
    const bench = new Bench()
    for (let check = 0; check < 4; check++) bench.fire()
    bench.keepAlive.stop()
    bench.judge?.()
    const running = new Bench()
    running.keepAlive.stop()
    assert.deepEqual([bench.dead, bench.ticks, bench.hasTimer, running.hasTimer], [[], 1, false, false])
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
    const keepAlive: KeepAlive = new KeepAlive({
      intervalMs,
      received: () => 0,
      sendPing: () => pings++,
      onTick: () => keepAlive.stop(),
      onDead: () => assert.fail('dead'),
      now: () => nowMs,
      setTimer: (callback) => {
        fire = callback
        return () => undefined
      }
    })
    let pings = 0
    let nowMs = 0
    let fire = () => {}
    keepAlive.start()
    nowMs = 10_000
    fire()
    fire()
    assert.equal(pings, 1)
  })

  it('by default reads for two polls of the event loop before it judges', async () => {
    for (const [polls, expected] of [
      [1, 'alive'],
      [2, 'dead']
    ] as const) {
      let received = 1
      let isLastCheck = false
      let fire = () => {}
      const verdict = new Promise<string>((resolve) => {
        const keepAlive = new KeepAlive({
          intervalMs,
          received: () => received,
          sendPing: () => 0,
          onTick: () => isLastCheck && resolve('alive'),
          onDead: () => resolve('dead'),
          now: () => 0,
          setTimer: (callback) => {
            fire = callback
            return () => undefined
          }
        })
        keepAlive.start()
      })
      for (let check = 0; check < 3; check++) fire()
      isLastCheck = true
      fire()
      for (let poll = 0; poll < polls; poll++) await new Promise(setImmediate)
      received++
      assert.equal(await verdict, expected)
    }
  })

  it('by default has a timer that holds no process, and clears it', () => {
    const set = mock.method(globalThis, 'setTimeout')
    const clear = mock.method(globalThis, 'clearTimeout')
    const silent = () => undefined
    const init = { intervalMs, received: () => 0, sendPing: () => 0, onTick: silent, onDead: silent }
    const keepAlive = new KeepAlive(init)
    keepAlive.start()
    keepAlive.stop()
    const timer = set.mock.calls[0]?.result as NodeJS.Timeout
    assert.equal(timer.hasRef(), false)
    assert.equal(clear.mock.calls[0]?.arguments[0], timer)
    mock.restoreAll()
  })
})
