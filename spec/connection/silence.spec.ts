/** A server that is to be dialed and is not: what it says, once, and in its errors. On a virtual clock, over memory. */

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { type VirtualTime, virtualTime } from '../../lib/extras/testing/index.ts'
import { DeadlineError, DisconnectedError, type Manager, memoryPair } from '../../lib/index.ts'
import { LogBook, namesInOrder, testManager } from '../support/grid/manager.ts'
import { rejection } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const [dialer, local] = namesInOrder()
const hosts = [dialer, local]

describe('a server that is to be dialed', { concurrency: 1 }, () => {
  let clock: VirtualTime
  let log: LogBook
  let managers: Manager[]

  function start(options: object = {}): Manager {
    const manager = testManager({ local, hosts, logger: log, ...options })
    managers.push(manager)
    return manager
  }

  /** A manager whose dials arrive at `waiting`. */
  function dialing(waiting: Manager, name: string, options: object = {}): Manager {
    const manager = testManager({
      ...{ local: name, hosts: [name, local] },
      dialer: async () => {
        const [ours, theirs] = memoryPair()
        waiting.incomingConn(theirs)
        return ours
      },
      ...options
    })
    managers.push(manager)
    return manager
  }

  /** It dials `waiting` under a name that it cannot prove. */
  function dialWithoutProof(waiting: Manager, name: string): void {
    dialing(waiting, name, { auth: { prove: () => new Uint8Array(8), verify: () => ({}) } })
  }

  /** Lets `waiting` be dialed; returns the one that dials. */
  async function dial(waiting: Manager): Promise<Manager> {
    const manager = dialing(waiting, dialer)
    await until(() => waiting.connections.every(({ state }) => state === 'connected'), 'it is connected')
    return manager
  }

  const silences = () => log.warnings(/^warn waiting for /)

  beforeEach(() => {
    clock = virtualTime(Math.random)
    log = new LogBook()
    managers = []
  })

  afterEach(async () => {
    await Promise.all(managers.map((manager) => manager.close({ timeout: 0 })))
    clock[Symbol.dispose]()
  })

  it('says after 10 s that it is not, once, and what to check', async () => {
    const manager = start()
    const detach = manager.attach(createServer())
    await turn()
    await clock.run(9_900)
    assert.deepEqual(silences(), [])
    await clock.run(600_000)
    assert.equal(silences().length, 1)
    const [text = ''] = silences()
    assert.match(
      text,
      new RegExp(`no conn from ${dialer} has been accepted, and it is the one that dials\\. Check that it runs;`)
    )
    for (const what of [
      `its list of hosts has ${local}`,
      'the HTTP server of this process listens',
      'leads to this process',
      'node:cluster',
      'No conn of any host has arrived'
    ])
      assert.ok(text.includes(what), text)
    assert.doesNotMatch(text, /certificate|attach/)
    detach()
  })

  it('names attach() alone when no conn can arrive, and a certificate where the name is https', async () => {
    start()
    const secure = ['https://a', 'https://b', 'https://c', 'https://d']
    for (const name of secure) start({ local: name, hosts: secure }).attach(createServer())
    await turn()
    await clock.run(11_000)
    const [alone = '', ...others] = silences()
    assert.match(alone, /None can arrive: call attach\(\) with the HTTP server of http.*handleUpgrade.*incomingConn/)
    assert.ok(others.some((text) => text.includes('leads to this process, with a certificate for that name')))
  })

  it('carries it in the errors of its calls, as their cause while they wait', async () => {
    const connection = start().connection(dialer)
    await turn()
    const early = rejection(connection.request('echo', Buffer.of(1), { waitForReady: true, timeout: 1000 }))
    await clock.run(1001)
    const error = await early
    assert.ok(error instanceof DeadlineError)
    assert.match((error.cause as Error).message, /no conn from .* call attach\(\)/)
    const now = await rejection(connection.request('echo', Buffer.of(1)))
    assert.match(
      now.message,
      /it is the one that dials, and no conn of it has been accepted yet; with waitForReady: true a call waits for one$/
    )
    await clock.run(10_000)
    const later = await rejection(connection.request('echo', Buffer.of(1)))
    assert.ok(later instanceof DisconnectedError)
    assert.match(later.message, new RegExp(`not connected to ${dialer}: no conn from .* call attach\\(\\)`))
    assert.equal(later.cause, connection.lastError?.cause)
  })

  it('is quiet when it is dialed in time, and speaks again when it was connected and that took long again', async () => {
    const manager = start()
    await turn()
    await clock.run(9_000)
    const first = await dial(manager)
    await clock.run(60_000)
    assert.deepEqual(silences(), [])
    await first.close({ timeout: 0 })
    await until(() => manager.connection(dialer).state === 'waiting', 'it waits again')
    await clock.run(60_000)
    assert.equal(silences().length, 1)
    const again = `waiting for ${dialer}: ${dialer}, which is the one that dials, has not connected again since its conn was lost 10 s ago\\. `
    assert.match(silences()[0] ?? '', new RegExp(`${again}.*The last that is known: .*shutting down`))
    assert.match(manager.connection(dialer).lastError?.message ?? '', /has not connected again/)
    const second = await dial(manager)
    await second.close({ timeout: 0 })
    await until(() => manager.connection(dialer).state === 'waiting', 'it waits once more')
    await clock.run(60_000)
    assert.equal(silences().length, 2)
  })

  it('says of a peer that was connected and was killed that it may not run, whatever it answered before', async () => {
    let other = testManager({ local: dialer, hosts, dialer: () => Promise.reject(new Error('not yet')) })
    managers.push(other)
    const manager = start({
      dialer: async () => {
        const [ours, theirs] = memoryPair()
        other.incomingConn(theirs)
        return ours
      }
    })
    manager.attach(createServer())
    await turn()
    // It has knocked, and was answered; then it is dialed.
    await clock.run(1_000)
    await other.close({ timeout: 0 })
    other = await dial(manager)
    await clock.run(1_000)
    await other.close({ timeout: 0 })
    await until(() => manager.connection(dialer).state === 'waiting', 'it waits')
    await clock.run(11_000)
    const [text = ''] = silences()
    assert.match(text, /since its conn was lost 10 s ago\. Check that it runs; that its list of hosts has /)
    assert.doesNotMatch(text, /it answered|no conn from/)
  })

  it('says how many handshakes in its name it refused meanwhile, whose reasons its log has', async () => {
    const manager = start()
    dialWithoutProof(manager, dialer)
    await turn()
    await clock.run(11_000)
    assert.match(silences()[0] ?? '', /\. \d+ handshakes in its name were refused; this log has the reasons\./)
    assert.ok(log.warnings(/refused a conn/).length > 0)
  })

  it('does not count what it refused of other hosts', async () => {
    const manager = start()
    dialWithoutProof(manager, 'http://stranger')
    await turn()
    await clock.run(11_000)
    assert.ok(log.warnings(/refused a conn/).length > 0)
    assert.doesNotMatch(silences()[0] ?? '', /were refused/)
  })

  it('names what it was told when it said that it is there: that the host does not know it', async () => {
    const other = testManager({ local: dialer, hosts: ['http://c'] })
    managers.push(other)
    const manager = start({
      dialer: async () => {
        const [ours, theirs] = memoryPair()
        other.incomingConn(theirs)
        return ours
      }
    })
    await turn()
    await clock.run(11_000)
    assert.match(silences()[0] ?? '', / The last that is known: .* is not among the hosts of /)
    const error = await rejection(manager.connection(dialer).request('echo', Buffer.of(1)))
    assert.deepEqual([error.code, error.reason], ['ERR_REJECTED', 'unknownHost'])
  })

  it('does not doubt what it knows: that the host runs and has it in its list, since it answered', async () => {
    const other = testManager({ local: dialer, hosts, dialer: () => Promise.reject(new Error('it leads elsewhere')) })
    managers.push(other)
    start({
      dialer: async () => {
        const [ours, theirs] = memoryPair()
        other.incomingConn(theirs)
        return ours
      }
    }).attach(createServer())
    await turn()
    await clock.run(11_000)
    const [text = ''] = silences()
    const checks = `Check that the HTTP server of this process listens; that ${local} leads to this process; that no other`
    assert.match(
      text,
      new RegExp(`It runs and knows this server: it answered \\d+ s ago\\. ${checks} process has one of the two names`)
    )
  })

  it('waits for nothing once its host is gone, or it is closed', async () => {
    const manager = start()
    await turn()
    await manager.close()
    await clock.run(60_000)
    assert.deepEqual(silences(), [])
    assert.equal(clock.pending, 0)
  })
})
