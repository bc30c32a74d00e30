/** What `grid.health()` says of a server: at once, and in words for people. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { InvalidOptionError } from '../../lib/index.ts'
import { Gate } from '../support/gate.ts'
import { namesInOrder } from '../support/grid/manager.ts'
import { Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const [a, b] = namesInOrder()
const good = { live: true, ready: true, reasons: [] }

describe('the health of a server', () => {
  it('is good where it needs no peer, also before any is there', async (test) => {
    const { manager } = await new Servers(test).node(b, [a, b])
    assert.deepEqual(manager.health(), good)
    assert.deepEqual(manager.health({ self: true, atLeast: 1 }), good)
  })

  it('names the peers that it needs and that are not connected, until they are', async (test) => {
    const { dialer, listener, back } = await new Servers(test).pair()
    const { manager } = listener
    const { live, ready, reasons } = manager.health({ atLeast: 1 })
    assert.deepEqual([live, ready, reasons.length], [true, false, 1])
    assert.match(reasons[0] ?? '', /^0 of the 1 peers that are needed: not connected to http:\/\/a: /)
    assert.deepEqual(manager.health({ hosts: [a] }), { live, ready, reasons })
    await back.waitForConnect()
    assert.deepEqual(manager.health({ atLeast: 1 }), good)
    assert.deepEqual(manager.health({ hosts: [a] }), good)
    const more = '1 of the 3 peers that are needed: there are only 1'
    assert.deepEqual(manager.health({ atLeast: 3 }).reasons, [more])
    await dialer.kill()
    await until(() => !manager.health({ atLeast: 1 }).ready, 'it is gone')
    assert.equal(manager.health().ready, true)
  })

  it('is bad while there is no list of hosts, and where a host that is needed is not in it', async (test) => {
    const gate = new Gate()
    async function* hosts() {
      await gate.opened
      yield [a, b]
    }
    const { manager } = await new Servers(test).node(b, hosts())
    assert.deepEqual(manager.health(), { live: true, ready: false, reasons: ['no list of hosts has arrived yet'] })
    gate.open()
    await manager.ready
    assert.deepEqual(manager.health(), good)
    const { ready, reasons } = manager.health({ hosts: ['http://other'] })
    assert.equal(ready, false)
    assert.match(reasons.join(), /http:\/\/other is not among the hosts of this grid/)
  })

  it('waits for serveWhen, and is not live when that has rejected: only another process helps', async (test) => {
    for (const fails of [false, true]) {
      const gate = new Gate()
      const serveWhen = gate.opened.then(() => (fails ? Promise.reject(new Error('no store')) : undefined))
      const { manager } = await new Servers(test).node(b, [a, b], { serveWhen })
      const pending = 'serveWhen has not resolved yet, and calls of peers wait for it'
      assert.deepEqual(manager.health(), { live: true, ready: false, reasons: [pending] })
      gate.open()
      await until(() => manager.health().reasons[0] !== pending, 'it is settled')
      const failed = 'serveWhen has rejected, and calls of peers are refused; the log has the reason'
      assert.deepEqual(manager.health(), fails ? { live: false, ready: false, reasons: [failed] } : good)
    }
  })

  it('is not ready from the moment in which it begins to close, and live until it is closed', async (test) => {
    const gate = new Gate()
    const { dialer, listener, there } = await new Servers(test).pair()
    const { manager } = listener
    let runs = false
    manager.handle('hold', async () => {
      runs = true
      await gate.opened
      return new Uint8Array()
    })
    await there.waitForConnect()
    const call = there.request('hold', undefined, { waitForReady: true })
    await until(() => runs, 'it runs')
    const closed = manager.close()
    assert.deepEqual(manager.health(), { live: true, ready: false, reasons: [`${b} is shutting down`] })
    gate.open()
    await Promise.all([call, closed])
    assert.deepEqual(manager.health(), { live: false, ready: false, reasons: [`${b} is closed`] })
    assert.equal(dialer.manager.health().ready, true)
  })

  it('says what is wrong with its options', async (test) => {
    const { manager } = await new Servers(test).node(b, [a, b])
    for (const options of [{ atLeast: -1 }, { atLeast: 1.5 }, { hosts: [] }, { hosts: [a, a] }, { host: a }] as const) {
      assert.throws(() => manager.health(options as never), InvalidOptionError)
    }
  })
})
