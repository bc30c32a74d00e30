/** `assertNothingLeft()` misses nothing: what only one end has open, what began late, and what faults keep from the other end. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { type TestGrid, type TestGridOptions, testGrid, virtualTime } from '../../lib/extras/testing/index.ts'
import { type Manager, single, streaming } from '../../lib/index.ts'
import { until } from '../support/until.ts'

const work = single<void, string>('work')
const count = streaming<number, never, number>('count', { inCapacity: 0, outCapacity: 2 })

async function* numbers() {
  for (let n = 0; ; n++) yield n
}

/** No generator, and without `return`. */
const iterable = () => {
  const next = async () => ({ done: false as const, value: 1 })
  return { [Symbol.asyncIterator]: () => ({ next }) } as AsyncIterable<number>
}

async function started(setup: (server: Manager) => void, options: TestGridOptions = {}): Promise<TestGrid> {
  const grid = await testGrid(2, { setup, ...options })
  await grid.ready()
  return grid
}

function left(grid: TestGrid): string[] {
  try {
    grid.assertNothingLeft()
    return []
  } catch (error) {
    return (error as Error).message.split('\n- ').slice(1)
  }
}

describe('settled()', () => {
  it('warns of what is left before a runner would give up, and waits on', async (test) => {
    let resolve: (answer: string) => void = () => {}
    const answer = new Promise<string>((done) => {
      resolve = done
    })
    await using grid = await started((server) => server.handle(work, () => answer))
    const warned: string[] = []
    test.mock.method(console, 'warn', (text: string) => {
      warned.push(text)
      resolve('done')
    })
    const call = grid.peer(0, 1).request(work)
    await grid.settled()
    assert.equal(await call, 'done')
    assert.equal(warned.length, 1)
    assert.match(String(warned), /^it-grid\/testing still waits: 2 things are left .*\n- a request "work".*left\.spec/s)
  })
})

describe('assertNothingLeft(), of what one end has open', () => {
  it('names a stream whose caller has cancelled, or is dead, while the other end has not heard of it', async () => {
    for (const handler of [numbers, iterable]) {
      for (const end of ['cancel', 'kill'] as const) {
        await using grid = await started((server) => server.handle(count, handler))
        const stream = grid.peer(0, 1).newStream(count, 5)
        await stream.responses.next()
        grid.hold(0, 1)
        if (end === 'cancel') stream.cancel()
        else grid.kill(0)
        const names = grid.grids.map(({ local }) => local)
        const expected =
          handler === numbers
            ? `the handler "count" of ${names[1]}, running for`
            : `1 of the calls of ${names[0]} that ${names[1]} serves, open at this end`
        await until(() => left(grid).length === 1, 'all else is over')
        assert.ok(left(grid)[0]?.startsWith(expected), left(grid)[0])
        await grid.heal()
        await grid.settled()
      }
    }
  })

  it('names a call once that both ends have open', async () => {
    await using grid = await testGrid(1, { setup: (server) => server.handle(count, iterable) })
    const stream = grid.peer(0, 0).newStream(count, 5)
    await stream.responses.next()
    assert.match(left(grid).join('\n'), /^a stream "count" of .*\n/)
    assert.equal(left(grid).length, 1)
    stream.cancel()
    await grid.settled()
  })

  it('names a handler that has given something else than a promise to wait for', async () => {
    let done: (value: string) => void = () => {}
    let thens = 0
    const lazy = {
      // biome-ignore lint/suspicious/noThenProperty: it is what the spec is about
      then: (resolve: (value: string) => void) => {
        thens++
        done = resolve
      }
    }
    await using grid = await started((server) => server.handle(work, () => lazy as Promise<string>))
    const call = grid.peer(0, 1).request(work)
    await until(() => thens === 1, 'it is waited for')
    assert.match(left(grid)[1] ?? '', /^the handler "work" of .*, running for/)
    done('done')
    assert.equal(await call, 'done')
    await grid.settled()
    assert.equal(thens, 1)
  })
})

describe('assertNothingLeft(), of timers', () => {
  it('names one that a timer of a handler has started, also where they are fake', async () => {
    using time = virtualTime(1)
    let timer: NodeJS.Timeout | undefined
    const tick = () => {
      timer = setTimeout(tick, 1000)
    }
    await using grid = await started(
      (server) =>
        server.handle(work, () => {
          tick()
          return 'done'
        }),
      { advance: time.advance }
    )
    const call = grid.peer(0, 1).request(work)
    await grid.advance(3500)
    await call
    assert.match(
      left(grid).join('\n'),
      /^a timer of setTimeout\(1000\) that a handler has started\n\s+at .*left\.spec\.ts:/
    )
    clearTimeout(Number(timer))
    assert.deepEqual(left(grid), [], 'it is cleared by its number')
  })

  it('names one that is started again by refresh()', async () => {
    let fired = 0
    let timer: NodeJS.Timeout | undefined
    const setup = (server: Manager) =>
      server.handle(work, () => {
        timer = setTimeout(() => {
          if (fired++ === 0) timer?.refresh()
        }, 1)
        return 'done'
      })
    using time = virtualTime(1)
    await using grid = await started(setup, { advance: time.advance })
    const call = grid.peer(0, 1).request(work)
    while (fired === 0) await time.run(1)
    assert.equal(left(grid).filter((text) => text.startsWith('a timer of setTimeout(1)')).length, 1)
    await grid.advance(10)
    await call
    assert.deepEqual([fired, left(grid)], [2, []])
  })
})

describe('assertNothingLeft(), of listeners', () => {
  it('has the line of each, also of one function that listens twice', async () => {
    await using grid = await testGrid(2)
    const listener = () => {}
    const on = [
      () => grid.peer(0, 1).on('state', listener),
      () => grid.peer(1, 0).on('state', listener),
      () => grid.peer(1, 0).on('restart', listener)
    ]
    for (const each of on) each()
    const lines = left(grid).map((text) => /left\.spec\.ts:(\d+)/.exec(text)?.[1])
    assert.equal(new Set(lines).size, 3, lines.join(', '))
  })
})

describe('a test grid that is closed', () => {
  it('leaves no timer of what was late', async () => {
    using time = virtualTime(1)
    const grid = await started((server) => server.handle(work, () => 'done'), { advance: time.advance })
    grid.delay(0, 1, 60_000)
    grid.delay(1, 0, 60_000)
    const call = grid
      .peer(0, 1)
      .request(work)
      .catch(() => {})
    await grid.advance(10)
    await grid.close()
    await call
    assert.equal(time.pending, 0)
    const { setTimeout: virtual } = globalThis
    time[Symbol.dispose]()
    const { setTimeout: real } = globalThis
    let waits = 0
    globalThis.setTimeout = ((...args: Parameters<typeof virtual>) => {
      waits++
      return virtual(...args)
    }) as typeof real
    try {
      for (let turns = 0; turns < 10; turns++) await turn()
    } finally {
      globalThis.setTimeout = real
    }
    assert.deepEqual([waits, time.pending], [0, 0], 'what it says last waits by no other clock either')
  })
})

describe('a dial that nobody has taken', () => {
  it('fails when the fault is over, though the server is there again', async () => {
    using time = virtualTime(1)
    await using grid = await testGrid(2, { advance: time.advance })
    await grid.ready()
    for (const dead of [0, 1]) {
      grid.partition([0], [1])
      grid.cut(0, 1)
      grid.kill(dead)
      await grid.advance(200)
      await grid.restart(dead)
      const startMs = time.nowMs
      await grid.heal()
      assert.ok(time.nowMs - startMs < 1000, `${time.nowMs - startMs} ms`)
    }
  })
})
