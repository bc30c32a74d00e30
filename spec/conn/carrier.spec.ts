/**
 * The life of a conn over a carrier that only notes what is asked of it, with a mocked clock.
 * What real carriers do is in conn.spec.ts.
 */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { CarrierConn, closeGraceMs, formatRemoteAddress } from '../../lib/conn/carrier.ts'
import { collect, silent } from './suite.ts'

function conn() {
  const calls: string[] = []
  const carrier = new CarrierConn(
    { secure: false, remoteAddress: 'here', highWaterMarkBytes: 1000 },
    {
      write: () => true,
      unsent: () => 0,
      pause: () => calls.push('pause'),
      resume: () => calls.push('resume'),
      close: (reason) => calls.push(`close ${reason}`),
      abort: () => calls.push('abort')
    }
  )
  return { carrier, calls }
}

function mockTimers(t: TestContext): void {
  t.mock.timers.enable({ apis: ['setTimeout'] })
}

describe('CarrierConn', () => {
  it('that is aborted without an error is aborted all the same', async () => {
    const { carrier, calls } = conn()
    const sent = carrier.sink(silent())
    carrier.abort(undefined as unknown as Error)
    await assert.rejects(sent, Error)
    await assert.rejects(carrier.source.next(), Error)
    assert.deepEqual(calls, ['abort'])
  })

  it('says goodbye one turn after close, and cuts off a remote end that does not answer', async (t) => {
    mockTimers(t)
    const { carrier, calls } = conn()
    carrier.close('bye')
    assert.deepEqual(calls, [])
    await turn()
    t.mock.timers.tick(closeGraceMs - 1)
    assert.deepEqual(calls, ['close bye'])
    t.mock.timers.tick(1)
    assert.deepEqual(calls, ['close bye', 'abort'])
    carrier.closed()
    assert.deepEqual(await collect(carrier), [])
  })

  it('cuts nobody off once the transport is gone', async (t) => {
    mockTimers(t)
    const { carrier, calls } = conn()
    carrier.close()
    await turn()
    carrier.closed()
    t.mock.timers.tick(closeGraceMs * 2)
    assert.deepEqual(calls, ['close '])
  })

  it('says no goodbye when it is aborted in the turn of the close', async () => {
    const { carrier, calls } = conn()
    carrier.close()
    carrier.abort(new Error('now'))
    await turn()
    assert.deepEqual(calls, ['abort'])
  })

  it('answers a goodbye of the remote end', () => {
    const { carrier, calls } = conn()
    carrier.remoteClosed('bye')
    carrier.closed()
    assert.deepEqual(calls, ['close '])
  })

  it('throws what the remote end did wrong, and cuts it off after the grace', async (t) => {
    mockTimers(t)
    const { carrier, calls } = conn()
    const sent = assert.rejects(carrier.sink(silent()), /wrong/)
    carrier.violated(new Error('wrong'))
    await assert.rejects(collect(carrier), /wrong/)
    await sent
    assert.deepEqual(calls, [])
    t.mock.timers.tick(closeGraceMs)
    assert.deepEqual(calls, ['abort'])
    carrier.closed()
  })

  it('takes a transport that goes away without a word for lost', async () => {
    const { carrier } = conn()
    carrier.received(Uint8Array.of(1))
    carrier.closed()
    const reader = carrier.source[Symbol.asyncIterator]()
    assert.deepEqual((await reader.next()).value, Uint8Array.of(1))
    await assert.rejects(reader.next(), { code: 'ERR_DISCONNECTED', reason: 'lost', message: 'connection lost' })
  })
})

describe('formatRemoteAddress', () => {
  it('writes addresses as people do', () => {
    assert.equal(formatRemoteAddress({ remoteAddress: '10.0.0.7', remotePort: 41234 }), '10.0.0.7:41234')
    assert.equal(formatRemoteAddress({ remoteAddress: '::1', remotePort: 1 }), '[::1]:1')
    assert.equal(formatRemoteAddress({}), 'local')
  })
})
