/** The limit of handlers that run for one peer: of its host, whatever becomes of its sessions, and of no other. */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { RunningByPeer } from '../../lib/handler/running.ts'
import { type Connection, type Manager, type ManagerOptions, single } from '../../lib/index.ts'
import { Gate } from '../support/gate.ts'
import { nameThat } from '../support/grid/manager.ts'
import { Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const hang = single<void, void>('hang')
const limits = { maxInboundStreams: 50 }

/** A server whose handler ignores its signal, and how many of it run. */
function stubborn(manager: Manager) {
  const gate = new Gate()
  const made = { gate, running: 0 }
  manager.handle(hang, async () => {
    made.running++
    await gate.opened
    made.running--
  })
  return made
}

/** As many calls as may run at once, and some more, which are refused. */
async function callAll(from: Connection, free: number): Promise<Promise<unknown>[]> {
  const calls = Array.from({ length: free + 5 }, () => from.request(hang).catch((error) => error))
  for (const { reason, delivery } of await Promise.all(calls.slice(free))) {
    assert.deepEqual([reason, delivery], ['tooManyStreams', 'notSent'])
  }
  return calls.slice(0, free)
}

describe('as many handlers run for a peer as may,', () => {
  it('although it connects thirty times, and they ignore their signals', async (test) => {
    const servers = new Servers(test)
    const { listener, there } = await servers.pair({}, { limits })
    const server = stubborn(listener.manager)
    const connected = (session: number) => there.state === 'connected' && there.stats().reconnects === session
    for (let session = 0; session <= 30; session++) {
      await until(() => connected(session), 'it is connected')
      const calls = await callAll(there, session === 0 ? 50 : 0)
      listener.server.cut()
      await Promise.all(calls)
      assert.equal(server.running, 50)
    }
    server.gate.open()
    await until(() => server.running === 0 && connected(31), 'they have ended')
    await there.request(hang)
  })

  it('although it is another process each time', async (test) => {
    const servers = new Servers(test)
    const { listener, dialer, there } = await servers.pair({}, { limits })
    const server = stubborn(listener.manager)
    await there.waitForConnect()
    const calls = await callAll(there, 50)
    await dialer.kill()
    await Promise.all(calls)
    const another = servers.manager({ local: dialer.name, hosts: [dialer.name, listener.name] })
    const again = another.connection(listener.name)
    await again.waitForConnect()
    await callAll(again, 0)
    assert.equal(server.running, 50)
    server.gate.open()
    await until(() => server.running === 0, 'they have ended')
    await again.request(hang)
  })

  it('although its host is removed and added again', async (test) => {
    const names: string[][] = []
    let next = new Gate()
    const show = (hosts: string[]) => {
      names.push(hosts)
      next.open()
    }
    const { dialer, listener, there, server } = await hostsOf(test, async function* () {
      for (;;) {
        for (let hosts = names.shift(); hosts !== undefined; hosts = names.shift()) yield hosts
        next = new Gate()
        await next.opened
      }
    })
    show([dialer, listener])
    await there.waitForConnect()
    const calls = await callAll(there, 50)
    for (let round = 0; round < 3; round++) {
      const { reconnects } = there.stats()
      show([listener])
      await until(() => there.state !== 'connected', 'it is gone')
      show([dialer, listener])
      await until(() => there.state === 'connected' && there.stats().reconnects > reconnects, 'it is back')
      await callAll(there, 0)
      assert.equal(server.running, 50)
    }
    server.gate.open()
    await Promise.all(calls)
    await until(() => server.running === 0, 'they have ended')
    await there.request(hang)
  })

  it('and another peer has as many of its own', async (test) => {
    const servers = new Servers(test)
    const b = 'http://b.test'
    const [a, c] = [nameThat('dials', b), nameThat('dials', b, (n) => `http://other-${n}.test`)]
    const hosts = [a, b, c]
    const callee = await servers.node(b, hosts, { limits })
    const server = stubborn(callee.manager)
    const connections = [a, c].map((local) => servers.manager({ local, hosts }).connection(b))
    for (const connection of connections) await connection.waitForConnect()
    const calls = await Promise.all(connections.map((connection) => callAll(connection, 50)))
    assert.equal(server.running, 100)
    server.gate.open()
    await Promise.all(calls.flat())
  })
})

async function hostsOf(test: TestContext, lists: () => ManagerOptions['hosts']) {
  const servers = new Servers(test)
  const b = 'http://b.test'
  const a = nameThat('dials', b)
  const { manager } = await servers.node(b, lists(), { limits })
  const server = stubborn(manager)
  const there = servers.manager({ local: a, hosts: [a, b] }).connection(b)
  return { dialer: a, listener: b, there, server }
}

describe('the counts of handlers by peer', () => {
  it('are kept for hosts that are listed, and for others while a handler runs', () => {
    const counts = new RunningByPeer()
    const of = (host: string) => counts.of({ role: 'host', host, session: '' })
    const [listed, busy, gone] = ['http://listed', 'http://busy', 'http://gone'].map(of)
    assert.ok(listed !== undefined && busy !== undefined && gone !== undefined)
    busy.count = 1
    counts.forgetOthers(new Set(['http://listed']))
    assert.equal(of('http://listed'), listed)
    assert.equal(of('http://busy'), busy)
    assert.notEqual(of('http://gone'), gone)
    busy.count = 0
    counts.forgetOthers(new Set())
    assert.notEqual(of('http://busy'), busy)
  })
})
