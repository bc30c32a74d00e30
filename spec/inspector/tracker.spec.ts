/** Counters become rates and quantiles: over the last seconds, over a minute, and what is usual; and an hour of them is bounded. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Budget } from '../../lib/extras/inspector/budget.ts'
import { Happenings } from '../../lib/extras/inspector/happenings.ts'
import {
  field,
  fields,
  noCalls,
  boundsMs as own,
  quantile,
  slotMs,
  Tracker,
  toBuckets,
  usualOf
} from '../../lib/extras/inspector/tracker.ts'
import { Versions } from '../../lib/extras/inspector/versions.ts'
import { nameOf } from '../../lib/extras/inspector/words.ts'
import type { CallFigures, GridEvent } from '../../lib/index.ts'
import { openGrid } from '../support/grid/grid.ts'

/** Those of another library, or of another version. */
const boundsMs = [1, 10, 100, 1000]

/** Figures of so many calls that took less than each bound, and longer than the last. */
function figures(counts: readonly number[], changed: Partial<CallFigures> = {}): CallFigures {
  const calls = counts.reduce((sum, count) => sum + count, 0)
  const durations = { boundsMs, counts, sumMs: calls }
  const none = { retries: 0, running: 0, mistakes: 0, errors: {} }
  return { ...none, calls, durations, bytesIn: calls, bytesOut: calls, ...changed }
}

/** Counts of the bounds here. */
function countsOf(...counts: readonly (readonly [bound: number, count: number])[]): Float64Array {
  return toBuckets({ boundsMs: counts.map(([bound]) => bound), counts: counts.map(([, count]) => count), sumMs: 0 })
}

describe('a quantile', () => {
  it('lies within its bucket, and is not known of nothing', () => {
    assert.equal(quantile(countsOf(), 0.99), undefined)
    assert.equal(quantile(countsOf([0.0625, 100]), 0.5), 0.03125)
    assert.equal(quantile(countsOf([100, 100]), 0.5), 87.5)
    assert.equal(quantile(countsOf([0.0625, 99], [500, 1]), 0.5), (50 / 99) * 0.0625)
    assert.equal(quantile(countsOf([60_000, 5]), 0.5), 10_000, 'at least the last bound')
  })
})

describe('the buckets of a tracker', () => {
  it('are those of the library', async () => {
    await using grid = await openGrid(1, { serve: (manager) => manager.handle('a', (payload) => payload) })
    assert.deepEqual(grid.at(0).stats().served[0]?.durations.boundsMs, own)
  })

  it('take what a peer counts by other bounds to where it belongs, so that one such peer spoils no row', () => {
    const foreign = toBuckets({ boundsMs: [1, 30, 400], counts: [1, 2, 3, 4], sumMs: 0 })
    const same = toBuckets({ boundsMs: own, counts: own.map((_, at) => at), sumMs: 0 })
    assert.deepEqual([foreign[own.indexOf(1)], foreign[own.indexOf(50)]], [1, 2])
    assert.deepEqual([foreign[own.indexOf(500)], foreign[own.length]], [3, 4])
    assert.deepEqual(
      [...same.subarray(0, -1)],
      own.map((_, at) => at)
    )
    const tracker = new Tracker(figures([0, 0, 0, 0, 0]), 0)
    tracker.update(figures([0, 0, 0, 10, 0]))
    const row = [noCalls(), tracker.now].map((sum) => quantile(sum.subarray(fields), 0.5))
    assert.deepEqual([row[0], Math.round(row[1] ?? 0)], [undefined, 875])
  })
})

describe('a tracker', () => {
  it('counts what has come since it looks, for 10 to 15 s and for a minute', () => {
    const tracker = new Tracker(figures([1000, 0, 0, 0, 0]), 0)
    assert.equal(tracker.now[field.calls], 0, 'what was before is no rate')
    tracker.update(figures([1010, 0, 2, 0, 0], { errors: { ERR_DEADLINE: 2, ERR_CANCELLED: 5 }, mistakes: 1 }))
    assert.equal(tracker.now[field.calls], 12)
    assert.equal(tracker.now[field.errors], 2, 'calls that were given up are no errors')
    assert.equal(tracker.now[field.mistakes], 1)
    for (const [slot, now, minute] of [
      [1, 12, 12],
      [2, 12, 12],
      [3, 0, 12],
      [11, 0, 12],
      [12, 0, 0]
    ] as const) {
      tracker.advance(slot)
      assert.deepEqual([slot, tracker.now[field.calls], tracker.minute[field.calls]], [slot, now, minute])
    }
    assert.ok((tracker.p99s[0] as number) > 10)
    assert.ok(Number.isNaN(tracker.p99s[1]), 'no calls have no duration')
  })

  it('has as usual what was before the last minutes, of 1,000 calls or more', () => {
    const tracker = new Tracker(figures([0, 999, 0, 0, 0]), 0)
    assert.equal(usualOf(tracker.usual), undefined)
    tracker.update(figures([0, 2000, 0, 0, 0]))
    tracker.advance(120)
    const usual = usualOf(tracker.usual) ?? 0
    assert.ok(usual > 1 && usual <= 10)
    tracker.update(figures([0, 2000, 0, 5000, 0]))
    tracker.advance(121)
    assert.equal(usualOf(tracker.usual), usual, 'what goes wrong now is not usual')
    tracker.advance(240)
    assert.ok((usualOf(tracker.usual) ?? 0) > 100, 'what has lasted is')
  })
})

describe('the name of a server', () => {
  it('is cut by what all of them share, and never in the middle of a part', () => {
    const hosts = ['https://node-1.prod.test:9000', 'https://node-12.prod.test:9000']
    assert.deepEqual(
      hosts.map((host) => nameOf(hosts, host)),
      ['node-1', 'node-12']
    )
    const ports = ['http://127.0.0.1:9001', 'http://127.0.0.1:9002']
    assert.deepEqual(
      ports.map((host) => nameOf(ports, host)),
      ['127.0.0.1:9001', '127.0.0.1:9002']
    )
    assert.equal(nameOf(['http://a:1'], 'http://a:1'), 'a:1')
  })
})

const hosts = ['http://a', 'http://b', 'http://c']

function lost(local: string, at: number): GridEvent {
  const seq = at
  return { type: 'state', seq, at, local, host: 'http://c', state: 'waiting', previous: 'connected', reason: 'lost' }
}

describe('what happened', () => {
  it('is told once where several servers tell of one loss, and keeps its place in time', () => {
    const happenings = new Happenings()
    happenings.add(lost('http://a', 1000), 0, hosts)
    happenings.add(lost('http://b', 1500), 0, hosts)
    happenings.add(lost('http://a', 90_000), 0, hosts)
    const told = happenings.all
    assert.deepEqual(
      told.map(({ title, at }) => [title, at]),
      [
        ['c lost by a', 90_000],
        ['c lost by all 2 others', 1500]
      ]
    )
  })

  it('cuts texts of peers', () => {
    const happenings = new Happenings()
    const error = { code: 'ERR_DIAL', message: `<b>${'x'.repeat(10_000)}` }
    const dial: GridEvent = { type: 'dial', seq: 1, at: 1, local: 'http://a', host: 'http://b', durationMs: 1, error }
    happenings.add(dial, 0, hosts)
    happenings.add({ ...dial, seq: 2, type: 'slowTurn', host: `http://${'y'.repeat(10_000)}` } as GridEvent, 0, hosts)
    const lengths = happenings.all.map(({ title, detail }) => Math.max(title.length, detail.length))
    assert.deepEqual(
      lengths.map((length) => length <= 201),
      [true, true]
    )
  })

  it('says what comes again and again once a minute, with how often', () => {
    const happenings = new Happenings()
    for (let at = 0; at < 100; at++) {
      const mistake: GridEvent = {
        type: 'mistake',
        seq: at,
        at,
        local: 'http://a',
        host: 'http://b',
        kind: 'single',
        handler: 'put',
        subroute: '',
        name: 'TypeError'
      }
      happenings.add(mistake, 0, hosts)
    }
    assert.deepEqual(
      happenings.all.map(({ title, detail }) => [title, detail]),
      [['a · put throws TypeError', 'called by b · 100 times']]
    )
  })
})

describe('an hour of a grid that works', () => {
  it('leaves no more in memory than ten minutes do', (test) => {
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    const trackers = Array.from({ length: 50 }, () => new Tracker(figures([0, 0, 0, 0, 0]), 0))
    const happenings = new Happenings()
    const versions = new Versions(new Budget(0))
    const work = (from: number, to: number) => {
      for (let second = from; second < to; second++) {
        for (const [at, tracker] of trackers.entries()) {
          tracker.advance(Math.floor((second * 1000) / slotMs))
          tracker.update(figures([second * 3, second, 0, at === 1 ? second : 0, 0], { errors: { [`E${at}`]: second } }))
        }
        versions.begin()
        const rows = trackers.map(({ now }, key) => ({
          key: `${key} ${second % 10}`,
          values: [...now.subarray(0, fields)]
        }))
        versions.list(
          'rows',
          rows.map((row) => ({ ...row, urgent: 1 }))
        )
        versions.tell()
        happenings.add(lost('http://a', second * 10_000), 0, hosts)
      }
      gc()
      return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers
    }
    const [early, late] = [work(0, 1200), work(1200, 4800)]
    const mebi = (bytes: number) => (bytes / 1_048_576).toFixed(1)
    test.diagnostic(`50 handlers: ${mebi(early)} MiB in all after ten minutes, ${mebi(late)} MiB after an hour more`)
    assert.ok(late < early * 1.1 + 1_048_576, `${mebi(early)} MiB, then ${mebi(late)} MiB`)
    assert.ok(happenings.all.length <= 1000)
  })
})
