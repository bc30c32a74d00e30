/** A test grid in virtual time: seconds of it in no time, and the same again from the same seed. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testGrid, type VirtualTime, virtualTime } from '../../lib/extras/testing/index.ts'
import { type Manager, single } from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { rejection } from '../support/grid/servers.ts'

const never = single<void, void>('never')
const add = single<number, number>('add')
const realMs = () => Number(process.hrtime.bigint() / 1_000_000n)

async function gridIn(time: VirtualTime, setup: (grid: Manager, index: number) => void, size = 2) {
  const grid = await testGrid(size, { setup, seed: 7, advance: time.advance })
  await grid.ready()
  return grid
}

/** What two servers tell each other amid faults, with when. */
async function schedule(seed: number): Promise<string[]> {
  using time = virtualTime(seed)
  const lines: string[] = []
  const grid = await testGrid(3, {
    ...{ seed, advance: time.advance, options: { keepAlive: { intervalMs: 100 } } },
    setup: (server, index) => server.handle(add, (n) => n + index)
  })
  await using _ = grid
  for (const { local, connections } of grid.grids) {
    for (const connection of connections) {
      connection.on('state', ({ state }) => lines.push(`${time.nowMs} ${local} ${connection.host} ${state}`))
    }
  }
  await grid.ready()
  grid.delay(0, 1, [1, 40])
  const calls = [1, 2, 3].map((n) =>
    grid
      .peer(0, n % 2 === 0 ? 2 : 1)
      .request(add, n, { timeout: 500 })
      .then(
        (sum) => lines.push(`${time.nowMs} ${n} ${sum}`),
        ({ code }) => lines.push(`${time.nowMs} ${n} ${code}`)
      )
  )
  await grid.advance(20)
  grid.partition([0], [1, 2])
  await grid.advance(400)
  grid.kill(1)
  await grid.restart(1)
  await grid.heal()
  await grid.advance(500)
  await Promise.all(calls)
  lines.push(`${await Promise.race([grid.peer(0, 1).request(add, 1), grid.advance(100)])}`)
  return lines
}

describe('virtualTime()', () => {
  it('lets a deadline of 30 s pass in less than 100 ms', async () => {
    // Asked before its clock is virtual.
    const limitMs = paced(100)
    using time = virtualTime()
    await using grid = await gridIn(time, (server) => server.handle(never, () => new Promise(() => {})))
    const tookMs: number[] = []
    // The least of three: what else the machine does at a moment is not the point.
    for (let tries = 0; tries < 3; tries++) {
      const startMs = realMs()
      const call = rejection(grid.peer(0, 1).request(never, undefined, { timeout: 30_000 }))
      await grid.advance(29_990)
      assert.equal(grid.peer(0, 1).stats().called.running, 1)
      await grid.advance(20)
      assert.equal((await call).code, 'ERR_DEADLINE')
      tookMs.push(realMs() - startMs)
    }
    assert.ok(Math.min(...tookMs) < limitMs, `${tookMs.join(', ')} ms`)
  })

  it('has timers of handlers that are named when they are left, until they are cleared', async () => {
    using time = virtualTime()
    const timers: NodeJS.Timeout[] = []
    await using grid = await gridIn(time, (server) =>
      server.handle(add, (n) => {
        timers.push(setTimeout(() => {}, 10_000))
        return n
      })
    )
    await Promise.all([grid.peer(0, 1).request(add, 1), grid.advance(10)])
    assert.throws(() => grid.assertNothingLeft(), /a timer of setTimeout\(10000\) .*\n +at .*virtual-time\.spec\.ts/)
    clearTimeout(timers[0])
    grid.assertNothingLeft()
  })

  it('is that of dates, intervals, and timers as Node has them, and is put back', () => {
    const { setTimeout: realTimeout, Date: RealDate } = globalThis
    {
      using time = virtualTime()
      const start = new Date()
      assert.equal(start.getTime(), time.nowMs)
      assert.ok(start instanceof Date && start instanceof RealDate)
      assert.throws(() => virtualTime(), /installed already/)
      const timer = setTimeout(() => {}, 10)
      assert.deepEqual([timer.hasRef(), timer.unref().hasRef(), time.pending], [true, false, 1])
      timer.refresh()
      clearTimeout(Number(timer))
      assert.equal(time.pending, 0)
    }
    assert.deepEqual([globalThis.setTimeout === realTimeout, globalThis.Date === RealDate], [true, true])
    assert.ok(Date.now() > 1_600_000_000_000)
  })

  it('does the same again from the same seed, also while the process has other things to do', async () => {
    const first = await schedule(42)
    assert.ok(first.length > 10, first.join('\n'))
    const busy = setInterval(() => {
      for (const endMs = realMs() + 5; realMs() < endMs; );
    }, 1)
    try {
      assert.deepEqual(await schedule(42), first)
    } finally {
      clearInterval(busy)
    }
    assert.notDeepEqual(await schedule(43), first)
  })
})
