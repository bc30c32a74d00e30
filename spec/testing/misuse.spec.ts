/** What is asked of a test grid and cannot be: each with an error that says why. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fakePeer, testGrid, virtualTime } from '../../lib/extras/testing/index.ts'
import { rejection } from '../support/grid/servers.ts'

describe('a test grid', () => {
  it('has no faults once it is closed', async () => {
    const grid = await testGrid(2)
    await grid.close()
    await grid.close()
    const acts = {
      ...{ cut: () => grid.cut(0, 1), hold: () => grid.hold(0, 1), delay: () => grid.delay(0, 1, 5) },
      ...{ stall: () => grid.stall(0, 1), partition: () => grid.partition([0]), kill: () => grid.kill(0) }
    }
    for (const [name, act] of Object.entries(acts)) {
      assert.throws(act, { code: 'ERR_CLOSED', message: `${name}(): the test grid is closed` })
    }
    const waits = { heal: grid.heal(), restart: grid.restart(0), ready: grid.ready(), advance: grid.advance(1) }
    for (const [name, wait] of Object.entries(waits)) {
      const { code, message } = await rejection(wait)
      assert.deepEqual([code, message], ['ERR_CLOSED', `${name}(): the test grid is closed`])
    }
    grid.assertNothingLeft()
  })

  it('kills nobody twice, and starts nobody twice at once', async () => {
    await using grid = await testGrid(2)
    grid.kill(1)
    assert.throws(() => grid.kill(1), { code: 'ERR_CLOSED', message: /:9000 is dead already: restart\(1\) starts it$/ })
    const [first, second] = [grid.restart(1), rejection(grid.restart(1))]
    assert.match((await second).message, /is being restarted already$/)
    assert.equal(await first, grid.grids[1])
    await grid.ready()
  })

  it('has servers by their indexes, and two of them for a fault between two', async () => {
    await using grid = await testGrid(2)
    assert.throws(() => grid.kill(2), {
      code: 'ERR_INVALID_OPTION',
      message: /kill\(\) takes indexes of servers, 0 to 1; it was given 2/
    })
    assert.throws(() => grid.cut(0, 0), /between two servers/)
    assert.throws(() => grid.peer(0, -1), /it was given -1/)
    assert.throws(() => grid.partition(), /takes the groups/)
    assert.throws(() => grid.partition([0], [0]), /server 0 twice/)
    assert.throws(() => grid.delay(0, 1, -5), /delay\(\) takes ms/)
    assert.throws(() => grid.delay(0, 1, [9, 5]), /it was given \[9,5\]/)
  })

  it('names the option that is wrong', async () => {
    const given = async (servers: unknown, options?: object) =>
      (await rejection(testGrid(servers as never, options as never))).message
    assert.match(await given(0), /takes 1 to 64 servers; it was given 0/)
    assert.match(await given(['http://a:1', 'http://A:1']), /http:\/\/a:1 twice/)
    assert.match(await given(2, { handlers: {} }), /no option "handlers": register them in setup/)
    assert.match(await given(2, { sed: 1 }), /no option "sed"; it has setup, seed, options, advance/)
    assert.match(await given(2, { keepAlive: {} }), /no option "keepAlive"; .*: \{ options: \{ keepAlive \} \}$/)
    assert.match(await given(2, { seed: 0.5 }), /seed of testGrid\(\) must be a whole number/)
    assert.match(await given(2, { options: { local: 'http://x:1' } }), /has no "local": the kit sets it/)
    assert.match(await given(2, { options: { limit: {} } }), /did you mean "limits"/)
    await using _ = await testGrid(['http://a:1'])
    assert.match(await given(['http://a:1']), /is in another test grid, which is not closed/)
  })

  it('leaves nothing when its setup fails', async () => {
    const failed = testGrid(['http://a:1', 'http://b:1'], {
      setup: async (_, index) => {
        if (index === 1) throw new Error('no handlers today')
      }
    })
    assert.equal((await rejection(failed)).message, 'no handlers today')
    await using _ = await testGrid(['http://a:1', 'http://b:1'])
  })

  it('has a dead server where the setup of a restart fails, which can be tried again', async () => {
    let fails = false
    const setup = () => {
      if (fails) throw new Error('no handlers today')
    }
    await using grid = await testGrid(2, { setup })
    await grid.ready()
    fails = true
    assert.equal((await rejection(grid.restart(1))).message, 'no handlers today')
    assert.equal(grid.grids[1]?.connection(grid.grids[0]?.local ?? '').state, 'closed')
    assert.throws(() => grid.kill(1), /is dead already/)
    fails = false
    await grid.restart(1)
    await grid.ready()
  })

  it('moves no time that is real', async () => {
    await using grid = await testGrid(1)
    assert.match((await rejection(grid.advance(5))).message, /^advance\(5\) needs the option advance of testGrid\(\)/)
    await using still = await testGrid(1, { advance: async () => {} })
    assert.match(
      (await rejection(still.advance(1000))).message,
      /moved performance.now\(\) by \d+ ms: are the fake timers on/
    )
  })

  it('says of the fake timers of node:test that they leave a clock real', async (test) => {
    test.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] })
    await using grid = await testGrid(1, { advance: async (ms) => test.mock.timers.tick(ms) })
    assert.match((await rejection(grid.advance(1000))).message, /mock.timers of node:test do not: use virtualTime\(\)$/)
    test.mock.timers.reset()
  })

  it('says that fake timers stand still, in place of waiting for ever', async () => {
    using time = virtualTime()
    const grid = await testGrid(2)
    grid.hold(0, 1)
    const { message } = await rejection(
      grid
        .heal()
        .then(() => grid.kill(0))
        .then(() => grid.restart(0))
        .then(() => grid.ready())
    )
    assert.match(message, /the timers are fake and stand still: give testGrid\(\) the option advance/)
    const closed = grid.close()
    await time.advance(5000)
    await closed
  })

  it('says who is not connected, and that a fault is the reason', async () => {
    using time = virtualTime()
    await using grid = await testGrid(2, { seed: 3, advance: time.advance })
    grid.hold(0, 1)
    const { message } = await rejection(grid.ready())
    assert.match(
      message,
      /^not connected: http:\/\/server-0:9000 and .*, a fault is between them: heal\(\) ends it \(seed 3\)$/
    )
  })

  it('ends the wait for connections when it is closed', async () => {
    const grid = await testGrid(2)
    grid.hold(0, 1)
    const waits = rejection(grid.ready())
    await grid.close()
    assert.equal((await waits).message, 'ready(): the test grid is closed')
  })

  it('connects and closes in real time where the fake timers are off again', async () => {
    const advance = async () => {
      throw new Error('timers are not mocked')
    }
    await using grid = await testGrid(2, { advance, options: { reconnect: { firstDelayMs: 50 } } })
    await grid.ready()
    for (let cuts = 0; cuts < 3; cuts++) {
      grid.cut(0, 1)
      await grid.ready()
    }
    assert.equal((await rejection(grid.advance(1))).message, 'timers are not mocked')
  })

  it('closes after a test that has failed, without hiding why', async () => {
    const failed = async () => {
      await using grid = await testGrid(2, { setup: (server) => server.handle('wait', () => new Promise(() => {})) })
      await grid.ready()
      grid
        .peer(0, 1)
        .request('wait')
        .catch(() => {})
      grid.hold(1, 0)
      throw new Error('the test has failed')
    }
    assert.equal((await rejection(failed())).message, 'the test has failed')
  })
})

describe('fakePeer()', () => {
  it('takes a function, and names its option', () => {
    assert.throws(() => fakePeer({ get: () => {} } as never), /takes a function that registers handlers/)
    assert.throws(() => fakePeer(async () => Promise.reject(new Error('no handlers today'))), {
      code: 'ERR_INVALID_OPTION',
      message: /^setup of fakePeer\(\) must not be async/
    })
    assert.throws(() => fakePeer(() => {}, null as never), /the options of fakePeer\(\) must be an object/)
    assert.throws(() => fakePeer(() => {}, { name: 'x' } as never), /no option "name"; it has host/)
  })
})
