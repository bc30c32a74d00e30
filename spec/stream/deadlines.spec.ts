/** Many deadlines, one timer: order, removal, re-arming, and that nothing is left. */

import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { DeadlineQueue, type Timed } from '../../lib/stream/deadlines.ts'
import { rounds, wholeBelow } from '../support/random.ts'

/** Time that the spec moves; `armed` has the delay of every timer that was set. */
class Clock {
  now = 1000
  readonly armed: number[] = []
  #timers: { atMs: number; callback: () => void }[] = []

  install(): () => void {
    const performanceMock = mock.method(performance, 'now', () => this.now)
    const set = mock.method(globalThis, 'setTimeout', ((callback: () => void, delayMs: number) => {
      const timer = { atMs: this.now + delayMs, callback, unref: () => timer }
      this.armed.push(delayMs)
      this.#timers.push(timer)
      return timer
    }) as never)
    const clear = mock.method(globalThis, 'clearTimeout', ((timer: unknown) => {
      this.#timers = this.#timers.filter((candidate) => candidate !== timer)
    }) as never)
    return () => {
      for (const mocked of [performanceMock, set, clear]) mocked.mock.restore()
    }
  }

  get timers(): number {
    return this.#timers.length
  }

  advance(ms: number): void {
    const end = this.now + ms
    for (;;) {
      const next = this.#timers.reduce<{ atMs: number; callback: () => void } | undefined>(
        (first, timer) => (first === undefined || timer.atMs < first.atMs ? timer : first),
        undefined
      )
      if (next === undefined || next.atMs > end) break
      this.#timers = this.#timers.filter((timer) => timer !== next)
      this.now = Math.max(this.now, next.atMs)
      next.callback()
    }
    this.now = Math.max(this.now, end)
  }
}

function withClock(work: (clock: Clock, queue: DeadlineQueue) => void): void {
  const clock = new Clock()
  const restore = clock.install()
  try {
    work(clock, new DeadlineQueue())
  } finally {
    restore()
  }
}

function toEntry(onDeadline: () => void = () => undefined): Timed {
  return { deadlineMs: 0, deadlines: undefined, timedBefore: undefined, timedAfter: undefined, onDeadline }
}

/** Adds an entry that expires at a moment of `performance.now()`. */
function addAt(queue: DeadlineQueue, atMs: number, onDeadline?: () => void): Timed {
  const entry = toEntry(onDeadline)
  queue.add(entry, atMs - performance.now())
  return entry
}

describe('DeadlineQueue', () => {
  it('expires entries in the order of their deadlines, whatever the order of adding', () => {
    withClock((clock, queue) => {
      const expired: number[] = []
      for (const at of [1050, 1010, 1040, 1020, 1030, 1010]) addAt(queue, at, () => expired.push(at))
      clock.advance(100)
      assert.deepEqual(expired, [1010, 1010, 1020, 1030, 1040, 1050])
    })
  })

  it('expires at once when its timer is in time, and reads what has arrived first when that is late', async () => {
    // A conn of another spec of this process may just close, and set a timer for that.
    for (let turns = 0; turns < 5; turns++) await turn()
    const clock = new Clock()
    const restore = clock.install()
    try {
      const queue = new DeadlineQueue()
      const expired: number[] = []
      addAt(queue, 1010, () => expired.push(1010))
      clock.advance(10)
      assert.deepEqual(expired, [1010])
      const answered = addAt(queue, 1020, () => assert.fail('its answer had arrived'))
      addAt(queue, 1030, () => expired.push(1030))
      addAt(queue, 1400, () => expired.push(1400))
      // The process stands still.
      clock.now = 1300
      clock.advance(0)
      assert.deepEqual(expired, [1010])
      queue.remove(answered)
      addAt(queue, 1310, () => expired.push(1310))
      await turn()
      assert.deepEqual([expired, clock.timers], [[1010], 0])
      await turn()
      assert.deepEqual([expired, clock.timers], [[1010, 1030], 1])
      clock.advance(200)
      assert.deepEqual(expired, [1010, 1030, 1310, 1400])
    } finally {
      restore()
    }
  })

  it('expires nothing early, and each no later than a tick', () => {
    withClock((clock, queue) => {
      const late: number[] = []
      for (const at of [1010.2, 1010.7, 1011.9, 1300, 2999.5]) addAt(queue, at, () => late.push(clock.now - at))
      clock.advance(5000)
      assert.equal(late.length, 5)
      for (const ms of late) assert.ok(ms >= 0 && ms <= 1, `${ms} ms late`)
    })
  })

  it('has one timer for any number of entries', () => {
    withClock((clock, queue) => {
      for (let i = 0; i < 1000; i++) addAt(queue, 1100 + i)
      assert.deepEqual([queue.size, clock.timers, clock.armed], [1000, 1, [100]])
    })
  })

  it('arms its timer anew only for an entry that is earlier than all', () => {
    withClock((clock, queue) => {
      addAt(queue, 1100)
      addAt(queue, 1200)
      assert.deepEqual(clock.armed, [100])
      addAt(queue, 1050)
      assert.deepEqual([clock.armed, clock.timers], [[100, 50], 1])
    })
  })

  it('does not expire what was removed, and removes in any order', () => {
    rounds(50, (random) =>
      withClock((clock, queue) => {
        const expired: Timed[] = []
        const entries = Array.from({ length: 60 }, () => {
          const entry: Timed = addAt(queue, 1001 + wholeBelow(random, 40), () => expired.push(entry))
          return entry
        })
        const removed = entries.filter(() => random() < 0.5)
        for (const entry of removed) queue.remove(entry)
        assert.equal(queue.size, entries.length - removed.length)
        clock.advance(100)
        const kept = entries.filter((entry) => !removed.includes(entry))
        assert.deepEqual(
          expired.map((entry) => entry.deadlineMs),
          kept.map((entry) => entry.deadlineMs).sort((a, b) => a - b)
        )
        assert.ok(entries.every((entry) => entry.deadlines === undefined && entry.timedAfter === undefined))
        assert.deepEqual([queue.size, clock.timers], [0, 0])
      })
    )
  })

  it('expires what has the same timeout in the order of adding, without a look at what left before', () => {
    withClock((clock, queue) => {
      const expired: number[] = []
      const entries = Array.from({ length: 1000 }, (_, i) => {
        const entry = toEntry(() => expired.push(i))
        queue.add(entry, 50)
        clock.now += 0.01
        return entry
      })
      for (const [i, entry] of entries.entries()) if (i % 10 !== 0) queue.remove(entry)
      clock.advance(60)
      assert.deepEqual(
        expired,
        Array.from({ length: 100 }, (_, i) => i * 10)
      )
      assert.deepEqual([queue.size, clock.timers], [0, 0])
    })
  })

  it('takes what a turn adds with an older look at the clock, not before what is in the list', () => {
    withClock((clock, queue) => {
      const expired: string[] = []
      queue.add(
        toEntry(() => expired.push('first')),
        20
      )
      queue.add(
        toEntry(() => expired.push('older')),
        20,
        clock.now - 5
      )
      clock.advance(19)
      assert.deepEqual(expired, [])
      clock.advance(1)
      assert.deepEqual(expired, ['first', 'older'])
    })
  })

  it('does nothing when it removes what is not in it', () => {
    withClock((_clock, queue) => {
      const [inside, outside] = [addAt(queue, 2000), toEntry()]
      queue.remove(outside)
      queue.remove(inside)
      queue.remove(inside)
      assert.equal(queue.size, 0)
    })
  })

  it('takes entries that are added and removed while others expire', () => {
    withClock((clock, queue) => {
      const expired: string[] = []
      addAt(queue, 1005, () => {
        expired.push('first')
        queue.remove(last)
        addAt(queue, 1004, () => expired.push('already due'))
        addAt(queue, 1020, () => expired.push('later'))
      })
      const last = addAt(queue, 1010, () => expired.push('removed'))
      clock.advance(100)
      assert.deepEqual(expired, ['first', 'already due', 'later'])
      assert.equal(clock.timers, 0)
    })
  })

  it('keeps a deadline beyond what a timer can count, without firing meanwhile', () => {
    withClock((clock, queue) => {
      let expired = 0
      addAt(queue, 1000 + 2 ** 33, () => expired++)
      clock.advance(2 ** 32)
      assert.deepEqual([expired, clock.armed.length], [0, 3])
      assert.ok(clock.armed.every((delayMs) => delayMs <= 2 ** 31 - 1))
      clock.advance(2 ** 33)
      assert.equal(expired, 1)
    })
  })

  it('leaves neither entries nor a timer behind after clear', () => {
    withClock((clock, queue) => {
      const entry = addAt(queue, 1010, () => assert.fail('it expired'))
      for (let i = 0; i < 100; i++) addAt(queue, 2000 + i, () => assert.fail('it expired'))
      queue.clear()
      assert.deepEqual([queue.size, clock.timers, entry.deadlines], [0, 0, undefined])
      queue.remove(entry)
      clock.advance(100)
      addAt(queue, 1200)
      assert.equal(clock.timers, 1)
    })
  })

  it('expires what has the same timeout as the last one, also where that has expired or was cleared', () => {
    withClock((clock, queue) => {
      const expired: string[] = []
      for (const what of ['first', 'again', 'cleared', 'behind clear']) {
        queue.add(
          toEntry(() => expired.push(what)),
          10
        )
        if (what === 'cleared') queue.clear()
        clock.advance(20)
      }
      assert.deepEqual(expired, ['first', 'again', 'behind clear'])
    })
  })

  it('keeps few lists that are empty: peers choose the timeouts', () => {
    withClock((_clock, queue) => {
      const listOf = (timeoutMs: number) => {
        const entry = toEntry()
        queue.add(entry, timeoutMs)
        const list = entry.deadlines
        queue.remove(entry)
        return list
      }
      const timeoutsMs = Array.from({ length: 1000 }, (_, i) => 1000 + i)
      const lists = timeoutsMs.map(listOf)
      // A list that was not kept is made anew.
      const kept = timeoutsMs.filter((timeoutMs, i) => listOf(timeoutMs) === lists[i])
      assert.ok(kept.length > 0 && kept.length <= 16, `${kept.length} are kept`)
    })
  })

  it('holds the process until it is cleared, so that a call that waits for its deadline alone still ends', () => {
    const queue = new DeadlineQueue()
    const set = mock.method(globalThis, 'setTimeout')
    const clear = mock.method(globalThis, 'clearTimeout')
    addAt(queue, performance.now() + 60_000)
    const timer = set.mock.calls[0]?.result as NodeJS.Timeout
    const held = timer.hasRef()
    queue.clear()
    const cleared = clear.mock.calls.at(-1)?.arguments[0]
    mock.restoreAll()
    assert.deepEqual([held, cleared === timer], [true, true])
  })
})
