/** What works while a test runner has put fake timers in the place of the global ones, and nobody moves them. */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { loopBytes } from '../../lib/errors/options.ts'
import { fakePeer } from '../../lib/extras/testing/index.ts'
import { json, memoryPair, single, streaming } from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const add = single<number, number>('add', { request: json(), response: json() })
const count = streaming<number, never, number>('count', { inCapacity: 0 })

/** As jest does it. Timers stay real: to dial takes time. */
function holdTurns(test: TestContext, hold: (run: () => void) => void = () => {}): void {
  const { setImmediate, queueMicrotask } = globalThis
  test.after(() => Object.assign(globalThis, { setImmediate, queueMicrotask }))
  Object.assign(globalThis, { setImmediate: hold, queueMicrotask: hold })
}

describe('fake timers that stand still', () => {
  it('hold up no server that connects, calls, streams and closes', async (test) => {
    holdTurns(test)
    const { dialer, listener, there, back } = await new Servers(test).pair()
    listener.manager.handle(add, (n) => n + 1)
    dialer.manager.handle(count, function* (to) {
      for (let n = 0; n < to; n++) yield n
    })
    assert.equal(await there.request(add, 1, { waitForReady: true }), 2)
    let sum = 0
    for await (const values of back.newStream(count, 4, { waitForReady: true }).batches()) {
      sum += values.reduce((a, b) => a + b)
    }
    assert.equal(sum, 6)
    await Promise.all([dialer, listener].map(({ manager }) => manager.close()))
  })

  it('hold up no peer that sends much, where they have replaced the clock as a whole', async (test) => {
    const { listener, there } = await new Servers(test).pair()
    listener.manager.handle('echo', (sent: Uint8Array) => sent)
    const { performance } = globalThis
    test.after(() => Object.assign(globalThis, { performance }))
    // As those of jest and vitest do it.
    Object.assign(globalThis, { performance: { now: () => performance.now() } })
    const sent = new Uint8Array(4 * loopBytes).fill(7)
    assert.deepEqual(await there.request('echo', sent, { waitForReady: true, timeout: paced(5000) }), sent)
  })

  it('hold up no call of a server to itself, nor those that follow once they are real again', async (test) => {
    test.mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate'] })
    await using peer = fakePeer((grid) => grid.handle(add, (n) => n + 1))
    assert.equal(await peer.request(add, 1), 2)
    const second = peer.request(add, 2)
    test.mock.timers.reset()
    assert.equal(await second, 3)
    assert.equal(await peer.request(add, 3), 4)
  })

  it('hold up no message of a memory conn, which is delivered once where they are moved', async (test) => {
    const held: (() => void)[] = []
    holdTurns(test, (run) => held.push(run))
    const [near, far] = memoryPair({ yields: true })
    const delivered: number[] = []
    const reading = (async () => {
      for await (const [first = 0] of far.source) delivered.push(first)
    })()
    const messages = async function* () {
      yield* [Uint8Array.of(1), Uint8Array.of(2)]
    }
    await near.sink(messages())
    near.close()
    await until(() => delivered.length === 2, 'both messages are there')
    assert.ok(held.length > 0)
    for (const run of held) run()
    await reading
    assert.deepEqual(delivered, [1, 2])
  })
})
