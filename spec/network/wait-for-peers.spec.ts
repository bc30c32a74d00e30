/** The start of a cluster: waiting for so many peers, and what is said of those that are missing. */

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { afterEach, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { pushable } from 'it-pushable'
import { virtualTime } from '../../lib/extras/testing/index.ts'
import { type ConnDialer, type Manager, type ManagerOptions, memoryPair, QuorumError } from '../../lib/index.ts'
import { LogBook, testManager } from '../support/grid/manager.ts'
import { rejection } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const hosts = ['http://a', 'http://b', 'http://c', 'http://d'] as const
const [a, b, c, d] = hosts
const servers = new Map<string, Manager>()
const log = new LogBook()

const dialer: ConnDialer = async (name) => {
  const server = servers.get(name)
  if (server === undefined) throw new Error(`nobody is at ${name}`)
  const [mine, theirs] = memoryPair()
  server.incomingConn(theirs)
  return mine
}

function start(local: string, options: Partial<ManagerOptions> = {}): Manager {
  const manager = testManager({ local, hosts, dialer, logger: log, ...options })
  servers.set(local, manager)
  return manager
}

/** Whether it has resolved by now. */
function watch(promise: Promise<unknown>): { isDone: boolean } {
  const watched = { isDone: false }
  promise.then(
    () => {
      watched.isDone = true
    },
    () => undefined
  )
  return watched
}

const count = (manager: Manager) => manager.connections.filter(({ state }) => state === 'connected').length

afterEach(async () => {
  await Promise.all([...servers.values()].map((manager) => manager.close({ timeout: 0 })))
  servers.clear()
  log.lines.length = 0
})

describe('waitForPeers()', () => {
  it('resolves at the k-th that is connected, by default when all are', async () => {
    const manager = start(a)
    const two = watch(manager.waitForPeers({ atLeast: 2 }))
    const all = watch(manager.waitForPeers())
    const withSelf = watch(manager.waitForPeers({ atLeast: 3, self: true }))
    const some = watch(manager.waitForPeers({ hosts: [d, 'HTTP://C:80'] }))
    start(b)
    await until(() => count(manager) === 1, 'one is there')
    await turn()
    assert.deepEqual(
      [two, all, withSelf, some].map(({ isDone }) => isDone),
      [false, false, false, false]
    )
    start(c)
    await until(() => two.isDone && withSelf.isDone, 'two are there')
    await turn()
    assert.deepEqual(
      [all, some].map(({ isDone }) => isDone),
      [false, false]
    )
    start(d)
    await until(() => all.isDone && some.isDone, 'all are there')
    await manager.waitForPeers({ timeout: 1 })
    await manager.waitForPeers({ hosts: [a], timeout: 1 })
  })

  it('names those that are missing in its error, and why', async () => {
    const manager = start(a)
    start(b)
    await manager.waitForPeers({ hosts: [b] })
    await until(
      () => manager.connections.filter(({ lastError }) => lastError !== undefined).length === 2,
      'it has tried'
    )
    const error = await rejection(manager.waitForPeers({ atLeast: 3, timeout: 50 }))
    assert.ok(QuorumError.is(error))
    assert.deepEqual([error.code, error.delivery, error.need], ['ERR_QUORUM', 'notSent', 3])
    assert.deepEqual(
      error.answers.map(({ host, error: missing }) => [host, missing === undefined]),
      [
        [b, true],
        [c, false],
        [d, false]
      ]
    )
    assert.equal(error.errors.length, 2)
    assert.match(
      error.message,
      /^1 of the 3 peers that are needed: not connected to http:\/\/c: .*; not connected to http:\/\/d: /
    )
    assert.match(error.message, /nobody is at http:\/\/[cd]/)
  })

  it('says every few seconds who is missing and why, and nothing once it is over', async () => {
    using clock = virtualTime(Math.random)
    const manager = start(a)
    const waiting = rejection(manager.waitForPeers({ timeout: 16_000 }))
    const lines = () =>
      log.warnings(/waiting for peers: 0 of the 3 peers that are needed: .*http:\/\/b.*http:\/\/d/).length
    await turn()
    await clock.run(4900)
    assert.equal(lines(), 0)
    await clock.run(15_000)
    assert.equal((await waiting).code, 'ERR_QUORUM')
    assert.equal(lines(), 3)
    await clock.run(60_000)
    assert.equal(lines(), 3)
    await manager.close()
    assert.equal(clock.pending, 0)
  })

  it('ends with its signal and with the manager, and leaves no listener', async () => {
    const manager = start(a)
    const controller = new AbortController()
    const reason = new Error('enough')
    const waiting = rejection(manager.waitForPeers({ signal: controller.signal }))
    const closed = rejection(manager.waitForPeers())
    controller.abort(reason)
    assert.equal(await waiting, reason)
    assert.equal(await rejection(manager.waitForPeers({ signal: controller.signal })), reason)
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
    await manager.close()
    assert.equal((await closed).code, 'ERR_CLOSED')
    assert.equal((await rejection(manager.waitForPeers())).code, 'ERR_CLOSED')
  })

  it('waits for the list of hosts, and follows it', async () => {
    const lists = pushable<readonly string[]>({ objectMode: true })
    const manager = start(a, { hosts: lists })
    const all = watch(manager.waitForPeers())
    const early = await rejection(manager.waitForPeers({ hosts: [b], timeout: 1 }))
    assert.match(early.message, /http:\/\/b: no list of hosts has arrived yet$/)
    for (const options of [{}, { self: true }, { atLeast: 2 }]) {
      const error = await rejection(manager.waitForPeers({ ...options, timeout: 1 }))
      assert.ok(error instanceof QuorumError)
      assert.equal(error.message, 'no list of hosts has arrived yet')
    }
    start(b)
    lists.push([a, b, c])
    await until(() => count(manager) === 1, 'one is there')
    await turn()
    assert.equal(all.isDone, false)
    lists.push([a, b])
    await until(() => all.isDone, 'all of the list are there')
    lists.push([a])
    await until(() => manager.hosts.length === 0, 'it is alone')
    await manager.waitForPeers({ timeout: 1 })
  })

  it('of a server that is alone resolves with its list', async () => {
    const lists = pushable<readonly string[]>({ objectMode: true })
    const manager = start(a, { hosts: lists })
    const all = watch(manager.waitForPeers())
    await turn()
    assert.equal(all.isDone, false)
    lists.push([a])
    await until(() => all.isDone, 'nobody is missing')
  })

  it('refuses what cannot be', async () => {
    const manager = start(a)
    const wrong: [options: object, code: string, text: RegExp][] = [
      [
        { atLeast: 4 },
        'ERR_INVALID_OPTION',
        /atLeast of waitForPeers\(\) must be at most the number of peers, 3; it is 4/
      ],
      [{ atLeast: 0 }, 'ERR_INVALID_OPTION', /atLeast/],
      [{ hosts: [] }, 'ERR_INVALID_OPTION', /hosts of waitForPeers\(\) must not be empty/],
      [{ hosts: [b, 'http://B:80'] }, 'ERR_INVALID_OPTION', /http:\/\/b is there twice/],
      [{ hosts: ['b'] }, 'ERR_INVALID_OPTION', /is not an origin/],
      [{ hosts: b }, 'ERR_INVALID_OPTION', /must be an iterable of host names/],
      [{ hosts: ['http://e'] }, 'ERR_UNKNOWN_HOST', /http:\/\/e is not among the hosts/],
      [{ timeout: -1 }, 'ERR_INVALID_OPTION', /timeout/],
      [{ timeoutMs: 1 }, 'ERR_INVALID_OPTION', /timeoutMs/]
    ]
    for (const [options, code, text] of wrong) {
      const error = await rejection(manager.waitForPeers(options))
      assert.equal(error.code, code, JSON.stringify(options))
      assert.match(error.message, text)
    }
  })
})
