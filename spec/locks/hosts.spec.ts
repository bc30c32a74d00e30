/** Lock servers that are out of the list of hosts for a while, as discovery has it of one that is down: the others are a quorum. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pushable } from 'it-pushable'
import { LockClient } from '../../lib/extras/locks/client.ts'
import { LockError } from '../../lib/extras/locks/errors.ts'
import { serveTable } from '../../lib/extras/locks/server.ts'
import { LockTable } from '../../lib/extras/locks/table.ts'
import { type Manager, UnknownHostError } from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { testManager } from '../support/grid/manager.ts'
import { rejection, TestServer } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

/** Three lock servers, of which the first has a list of hosts that changes. */
async function listedCluster(ttlMs: number) {
  const servers = await Promise.all([0, 1, 2].map(() => new TestServer().listen()))
  const hosts = servers.map(({ url }) => url)
  const lists = pushable<string[]>({ objectMode: true })
  lists.push(hosts)
  const tables = servers.map(() => new LockTable({ ttlMs, quietMs: 0 }))
  const managers = servers.map(({ http }, at) => {
    const manager = testManager({ local: hosts[at] as string, hosts: at === 0 ? lists : hosts })
    serveTable(manager, tables[at] as LockTable, { allowForceUnlock: () => true })
    manager.attach(http)
    return manager
  })
  const first = managers[0] as Manager
  await first.ready
  await first.waitForPeers()
  return {
    table: (at: number) => tables[at] as LockTable,
    client: () => new LockClient(first, { servers: hosts, requestTimeoutMs: paced(1000) }),
    /** Resolves when these are the list of the first one, and it is connected to them. */
    async list(...numbers: number[]): Promise<void> {
      lists.push(numbers.map((at) => hosts[at] as string))
      await until(() => first.hosts.length === numbers.length - 1, 'the list is in force')
      await first.waitForPeers()
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await Promise.all(managers.map((manager) => manager.close({ timeout: 1 })))
      await Promise.all(servers.map((server) => server.end()))
    }
  }
}

describe('a lock server that is out of the list of hosts', { concurrency: 2 }, () => {
  it('is missed as one that is down: the others give locks, and tell of them', async () => {
    await using cluster = await listedCluster(paced(30_000))
    const client = cluster.client()
    await cluster.list(0, 1)
    assert.equal(await client.withLock(['a'], () => 'in'), 'in')
    assert.equal(await cluster.client().withRLock(['a'], () => 'in'), 'in')
    const lock = await client.lock(['a'], { source: 'alone' })
    const told: string[] = []
    for await (const { source } of client.list()) told.push(source)
    assert.deepEqual(told, ['alone'])
    assert.deepEqual(await client.top(), [])
    assert.equal(await client.forceUnlock(['a']), 1)
    await lock.unlock()

    // No quorum is left: as where servers are down, it is tried again until the time is over.
    await cluster.list(0)
    const error = await rejection(client.withLock(['a'], () => 'in', { timeout: 50 }))
    assert.ok(error instanceof LockError && error.code === 'ERR_LOCK_TIMEOUT', String(error))
    assert.ok(error.cause instanceof UnknownHostError, String(error.cause))
    const forced = await rejection(client.forceUnlock(['a'], { timeout: 50 }))
    assert.match(forced.message, /^only 1 of 3 servers/)
    assert.ok(forced.cause instanceof UnknownHostError, String(forced.cause))
    assert.throws(() => cluster.client(), UnknownHostError)
    const back = client.withLock(['a'], () => 'in')
    await cluster.list(0, 2)
    assert.equal(await back, 'in')
  })

  it('keeps a lock alive as before once it is back, and is told that it is given back', async () => {
    await using cluster = await listedCluster(paced(3000))
    const expiresInMs = (at: number) => [...cluster.table(at).list()][0]?.expiresInMs ?? 0
    const lock = await cluster.client().lock(['a'])
    for (const away of [1, 2]) {
      await cluster.list(0, 3 - away)
      await cluster.list(0, 1, 2)
      let beforeMs = Number.POSITIVE_INFINITY
      const isRefreshed = () => {
        const [last, now] = [beforeMs, expiresInMs(away)]
        beforeMs = now
        return now > last
      }
      await until(() => lock.signal.aborted || isRefreshed(), `server ${away} was asked to keep it`)
    }
    assert.ok(!lock.signal.aborted, 'it is not lost')
    await lock.unlock()
    await until(() => [0, 1, 2].every((at) => cluster.table(at).size === 0), 'no server holds it')
  })
})
