/** What operators see of the locks of a grid, what they may do, and how much of it a server keeps. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { LockClient, LockError, listLocks, serveLocks, topLocks } from 'it-grid/locks'
import { maxTtlMs } from '../../lib/extras/locks/check.ts'
import { type LockArgs, list, lock } from '../../lib/extras/locks/definitions.ts'
import { LockTable } from '../../lib/extras/locks/table.ts'
import {
  HandlerExistsError,
  InvalidOptionError,
  RejectedError,
  RemoteError,
  UnknownHandlerError
} from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { openGrid } from '../support/grid/grid.ts'
import { rejection } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'
import { lockCluster } from './cluster.ts'

const ttlMs = maxTtlMs / 2

async function listed(client: LockClient): Promise<string[]> {
  const found: string[] = []
  for await (const { kind, resources, owner, source } of client.list())
    found.push(`${kind} ${resources} ${owner} ${source}`)
  return found.sort()
}

describe('operators of locks', { concurrency: 3 }, () => {
  it('see each lock once, whoever has it, with its token and for how long', async () => {
    await using cluster = await lockCluster(3, ttlMs)
    const [first, second] = cluster.hosts
    await using _ = await cluster.client(0).lock(['a', 'b'], { source: 'here' })
    await using __ = await cluster.client(1).rlock(['c'])
    assert.deepEqual(await listed(cluster.client(2)), [`read c ${second} unknown`, `write a,b ${first} here`])
    for await (const { token, heldMs, expiresInMs, uid, quorum } of cluster.client(2).list()) {
      assert.ok(heldMs >= 0 && expiresInMs > 0 && uid !== '' && quorum === 2 && token > 0)
    }
    await cluster.stop(2)
    assert.equal((await listed(cluster.client(0))).length, 2, 'from those that answer')
    await cluster.stop(1)
    await cluster.stop(0)
    assert.ok((await rejection(listed(cluster.client(0)))) instanceof Error)
  })

  it('see who waits for what, for how long, and who has it: the longest waits first', async () => {
    await using cluster = await lockCluster(3, ttlMs)
    const stop = new AbortController()
    await using _ = await cluster.client(0).lock(['a'], { source: 'holder' })
    await using __ = await cluster.client(0).lock(['b'], { source: 'holder' })
    const wait = (at: number, resources: string[], source: string) =>
      cluster
        .client(at)
        .withLock(resources, () => undefined, { source, signal: stop.signal })
        .catch(() => undefined)
    const waits = [wait(1, ['a'], 'first')]
    const top = async () => {
      const found = await cluster.client(2).top()
      return found.map(({ resource, heldBy, waiting }) => {
        return [resource, heldBy.map(({ source }) => source).join(), waiting.map(({ source }) => source).join()].join(
          ' '
        )
      })
    }
    await until(async () => (await top()).join() === 'a holder first', 'the first one waits')
    waits.push(wait(2, ['b', 'a'], 'second'))
    const expected = ['a holder first,second', 'b holder second']
    await until(async () => (await top()).join() === expected.join(), 'the second one waits')
    const [longest] = await cluster.client(2).top({ max: 1 })
    assert.equal(longest?.resource, 'a')
    assert.deepEqual(
      longest?.waiting.map(({ owner }) => owner),
      [cluster.hosts[1], cluster.hosts[2]]
    )
    const [one = 0, two = 0] = longest?.waiting.map(({ waitedMs }) => waitedMs) ?? []
    assert.ok(one > two && two > 0, `${one}, ${two}`)
    for (const max of [0, -1, 1.5, Number.NaN])
      assert.ok((await rejection(cluster.client(0).top({ max }))) instanceof RangeError)
    // What one server tells alone is told, and no more than is asked for.
    const other: LockArgs = { uid: 'one', resources: ['z'], owner: 'somebody', source: 'spec', quorum: 1 }
    const waiting = { id: 'two', waitedMs: 1_000_000 }
    cluster.table(2).lock('write', other)
    cluster.table(2).lock('write', { ...other, uid: 'two', waiting })
    const most = await cluster.client(2).top({ max: 1 })
    assert.deepEqual(
      most.map(({ resource }) => resource),
      ['z']
    )
    assert.throws(() => cluster.table(2).unlock('write', { ...other, uid: 'two', waiting }), LockError)
    cluster.table(2).unlock('write', other)
    // Who gives up is not waited for to be forgotten.
    stop.abort()
    await Promise.all(waits)
    await until(async () => (await top()).length === 0, 'nobody waits any more')
  })

  it('see them from outside of the grid too, at once from those that answer, and leave nothing open', async () => {
    await using cluster = await lockCluster(2, ttlMs)
    const stuck = new AbortController()
    const ended: string[] = []
    cluster.at(0).handle(
      list,
      async function* (_, __, { signal }) {
        stuck.abort()
        await once(signal, 'abort')
        ended.push('stuck')
        yield* []
      },
      { subroute: 'stuck' }
    )
    await using _ = await cluster.client(1).lock(['a'], { source: 'here' })
    const servers = cluster.hosts.map((host) => cluster.at(0).connection(host))
    assert.deepEqual(await topLocks(servers), [], 'nobody waits')
    const [first, second] = servers
    assert.ok(first !== undefined && second !== undefined)
    for await (const { source } of listLocks([first.subroute('stuck'), second])) {
      assert.deepEqual([source, ended], ['here', []])
      break
    }
    assert.ok(stuck.signal.aborted, 'it was asked')
    await until(() => ended.length === 1, 'its handler has ended')
    const giveUp = AbortSignal.abort(new Error('given up'))
    assert.match((await rejection(topLocks(servers, { signal: giveUp }))).message, /given up/)
    assert.ok((await rejection(topLocks(servers, { subroute: 'none' }))) instanceof UnknownHandlerError)
    for (const looked of [topLocks([]), listLocks([]).next()])
      await assert.rejects(looked, { code: 'ERR_INVALID_OPTION', message: /take at least one lock server/ })
  })

  it('may take locks by force only where a rule allows it', async () => {
    await using grid = await openGrid(3, {
      serve(manager, at) {
        // The owner does not hear meanwhile that its lock was taken, however slow the machine is.
        serveLocks(manager, { ttlMs: maxTtlMs, quietMs: 0, allowForceUnlock: ({ host }) => host.endsWith(`:${ops()}`) })
        if (at === 0) opsPort = new URL(manager.local).port
      }
    })
    const options = { servers: grid.hosts, requestTimeoutMs: paced(10_000) }
    const client = (at: number) => new LockClient(grid.at(at), options)
    await using lock = await client(1).lock(['a'], { timeout: Number.POSITIVE_INFINITY })
    const denied = await rejection(client(2).forceUnlock(['a']))
    assert.ok(denied instanceof RejectedError && denied.reason === 'denied', String(denied))
    assert.equal((await listed(client(1))).length, 1)
    assert.equal(await client(0).forceUnlock(['a', 'b']), 1)
    assert.equal(await client(0).forceUnlock(['a', 'b']), 0)
    assert.equal(await client(2).withLock(['a'], (_, { token }) => token > lock.token), true)
    const wrong = await rejection(client(0).forceUnlock([]))
    assert.ok(wrong instanceof LockError && wrong.code === 'ERR_LOCK_RESOURCES')
    assert.ok((await rejection(client(0).forceUnlock(['a'], { timeout: 0 }))) instanceof RangeError)
    await grid.stop(1)
    assert.equal(await client(0).forceUnlock(['a']), 0, 'a quorum is enough')
    await grid.stop(2)
    const few = await rejection(client(0).forceUnlock(['a']))
    assert.ok(few instanceof LockError && few.code === 'ERR_LOCK_TIMEOUT', String(few))
  })

  it('see who waits for what has many holders with long names, too', async () => {
    await using cluster = await lockCluster(1, ttlMs)
    const table = cluster.table(0)
    const [owner = ''] = cluster.hosts
    const args = (uid: string, resources: string[]) => ({ uid, resources, owner, source: 'spec', quorum: 1 })
    for (let n = 0; n < 90; n++) {
      const names = Array.from({ length: 255 }, (_, at) => `${n} ${at}`.padEnd(1000, '€'))
      table.lock('read', args(`u${n}`, ['a', ...names]))
    }
    table.lock('write', { ...args('w', ['a']), waiting: { id: 'w', waitedMs: 1 } })
    const [queue] = await cluster.client(0).top()
    assert.ok(queue?.resource === 'a' && queue.heldBy.length > 0 && queue.waiting.length === 1)
  })

  it('may take none by force by default', async () => {
    await using cluster = await lockCluster(1, ttlMs)
    const denied = await rejection(cluster.client(0).forceUnlock(['a']))
    assert.ok(denied instanceof RejectedError && denied.reason === 'denied', String(denied))
  })

  it('have several services of locks on one grid, and take one back', async () => {
    await using grid = await openGrid(1, {})
    const manager = grid.at(0)
    const servers = grid.hosts
    const one = serveLocks(manager, { quietMs: 0, subroute: 'one' })
    const two = serveLocks(manager, { quietMs: 0, subroute: 'two' })
    assert.throws(() => serveLocks(manager, { subroute: 'two' }), HandlerExistsError)
    const client = (subroute: string) => new LockClient(manager, { servers, subroute })
    await client('one').withLock(['a'], async () => {
      assert.deepEqual([one.size, two.size], [1, 0])
      await client('two').withLock(['a'], () => assert.deepEqual([one.size, two.size], [1, 1]))
      assert.equal((await listed(client('two'))).length, 0)
    })
    two.close()
    two.close()
    const error = await rejection(client('two').withLock(['a'], () => 'in', { timeout: paced(500) }))
    assert.ok(
      error instanceof LockError && error.code === 'ERR_LOCK_TIMEOUT' && error.cause instanceof UnknownHandlerError
    )
    assert.ok((await rejection(listed(client('two')))) instanceof UnknownHandlerError)
    assert.equal(await client('one').withLock(['a'], () => 'in'), 'in')
    serveLocks(manager, { quietMs: 0, subroute: 'two' })
    assert.equal(await client('two').withLock(['a'], () => 'in'), 'in')
  })

  it('have all handlers of a service or none, where one of its names is taken', async () => {
    await using grid = await openGrid(1, {})
    const manager = grid.at(0)
    manager.handle('lock.top', (payload) => payload)
    const before = manager.handlers.map(({ handler }) => handler)
    assert.throws(() => serveLocks(manager), HandlerExistsError)
    assert.deepEqual(
      manager.handlers.map(({ handler }) => handler),
      before
    )
  })

  it('are told of options that do not exist or make no sense', async () => {
    await using grid = await openGrid(1, {})
    const manager = grid.at(0)
    for (const options of [{ ttl: 1 }, { fair: 1 }, { ttlMs: '1' }, { allowForceUnlock: true }, null, 7] as never[]) {
      assert.throws(() => serveLocks(manager, options), InvalidOptionError)
    }
    for (const options of [{ ttlMs: 0 }, { maxBytes: 1 }, { maxLocks: 0 }, { quietMs: -1 }]) {
      assert.throws(() => serveLocks(manager, options), RangeError)
    }
    assert.throws(() => new LockClient(manager, { servers: grid.hosts, timeout: 1 } as never), InvalidOptionError)
    assert.throws(() => new LockClient(manager, grid.hosts as never), {
      message: /: new LockClient\(grid, \{ servers \}\)$/
    })
    serveLocks(manager, {}).close()
  })
})

let opsPort = ''
const ops = () => opsPort

describe('a table of locks that is bounded in bytes', () => {
  const maxBytes = 256 * 1024
  const args = (uid: string, resources: string[], waiting?: LockArgs['waiting']): LockArgs => {
    return { uid, resources, owner: 'node-1', source: 'spec', quorum: 1, waiting }
  }
  const full = (error: unknown) => error instanceof LockError && error.code === 'ERR_LOCK_TABLE_FULL'
  const open = () => new LockTable({ quietMs: 0, maxBytes })

  /** Takes locks until there is no room; returns how many. */
  function fill(table: LockTable, resources: (n: number) => string[]): number {
    for (let n = 0; ; n++) {
      try {
        table.lock('write', args(`u${n}`, resources(n)))
      } catch (error) {
        assert.ok(full(error), String(error))
        return n
      }
    }
  }

  it('refuses what has no room (ERR_LOCK_TABLE_FULL), and takes it when there is room again', () => {
    const table = open()
    const locks = fill(table, (n) => [`resource ${n}`])
    assert.ok(
      locks > 100 && table.bytes <= maxBytes && table.bytes > 0.9 * maxBytes,
      `${locks} locks, ${table.bytes} bytes`
    )
    assert.throws(() => table.lock('write', args('x', ['x'])), full)
    table.refresh(args('u0', ['resource 0']))
    table.unlock('write', args('u0', ['resource 0']))
    assert.equal(table.lock('write', args('x', ['x'])).granted, true)
  })

  it('counts what names take, be they many or long', () => {
    const few = fill(open(), (n) => Array.from({ length: 100 }, (_, at) => `${n} ${at}`))
    const long = fill(open(), (n) => [`${n}`.padEnd(1000, 'x')])
    assert.ok(few < 10 && long < 150, `${few}, ${long}`)
  })

  it('is as if it were new when all is given back, though it remembers tokens', () => {
    const table = open()
    const locks = fill(table, (n) => [`resource ${n}`.padEnd(14)])
    for (let n = 0; n < locks; n++) table.unlock('write', args(`u${n}`, [`resource ${n}`.padEnd(14)]))
    assert.ok(table.bytes > 0 && table.size === 0)
    assert.equal(
      fill(table, (n) => [`other ${n}`.padEnd(14)]),
      locks
    )
    assert.ok(table.bytes <= maxBytes)
  })

  it('keeps at most a quarter of it for waits, so that they keep nobody out', () => {
    const table = open()
    table.lock('write', args('first', ['a']))
    for (let n = 0; n < 2000; n++) {
      assert.equal(table.lock('write', args(`w${n}`, ['a'], { id: `w${n}`, waitedMs: 0 })).granted, false)
    }
    // Nor when those who wait want more and more.
    for (let n = 0; n < 200; n++) {
      const more = ['a', ...Array.from({ length: 100 }, (_, at) => `${n} ${at}`)]
      assert.equal(table.lock('write', args(`m${n}`, more, { id: `w${n}`, waitedMs: 0 })).granted, false)
    }
    assert.ok(table.bytes <= 0.3 * maxBytes, `${table.bytes}`)
    assert.ok(fill(table, (n) => [`resource ${n}`]) > 100)
  })

  it('remembers who waits only for as long as he asks', () => {
    let ms = 0
    const table = new LockTable({ quietMs: 0, now: () => ms })
    table.lock('write', args('first', ['a']))
    const { bytes } = table
    table.lock('write', args('w', ['a'], { id: 'w', waitedMs: 70 }))
    assert.ok(table.bytes > bytes)
    assert.deepEqual(table.top(10)[0]?.waiting, [
      { id: 'w\nnode-1', kind: 'write', owner: 'node-1', source: 'spec', waitedMs: 70 }
    ])
    ms += 2999
    table.lock('write', args('w again', ['a'], { id: 'w', waitedMs: 3069 }))
    ms += 2999
    assert.equal(table.top(10)[0]?.waiting[0]?.waitedMs, 6068)
    ms += 1
    assert.deepEqual(table.top(10), [])
    assert.equal(table.bytes, bytes)
  })

  it('takes no more memory than it says', () => {
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    const table = new LockTable({ quietMs: 0, maxBytes: 32 * 2 ** 20 })
    const used = () => {
      collect()
      return process.memoryUsage().heapUsed
    }
    const before = used()
    const locks = fill(table, (n) => [`bucket/object-${n}`])
    const took = used() - before
    assert.ok(took <= table.bytes, `${locks} locks take ${took} bytes, said are ${table.bytes}`)
    assert.equal(table.size, locks)
  })
})

describe('clients and servers of different versions', () => {
  it('understand each other: an older client gets locks, and an older server says so', async () => {
    const older = await import('./older-definitions.ts')
    await using grid = await openGrid(2, {
      serve(manager, at) {
        if (at === 0) serveLocks(manager, { quietMs: 0 })
        else older.serve(manager)
      }
    })
    const [newer = '', old = ''] = grid.hosts
    const args = { uid: 'u', resources: ['a'], owner: old, source: 'spec', quorum: 1 }
    const peer = grid.at(1).connection(newer)
    const reply = await peer.request(older.lock, args)
    assert.deepEqual(reply, { granted: true, ttlMs: 30_000, heldBy: null })
    await peer.request(older.refresh, args)
    const again = await rejection(
      new LockClient(grid.at(0), { servers: [newer] }).withLock(['a'], () => 'in', { timeout: 50 })
    )
    assert.ok(again instanceof LockError && again.code === 'ERR_LOCK_TIMEOUT', 'the lock of the older client excludes')
    await peer.request(older.unlock, args)
    assert.equal(await new LockClient(grid.at(0), { servers: [newer] }).withLock(['a'], () => 'in'), 'in')

    const error = await rejection(
      new LockClient(grid.at(0), { servers: [old] }).withLock(['a'], () => 'in', { timeout: paced(500) })
    )
    assert.ok(error instanceof LockError && error.code === 'ERR_LOCK_TIMEOUT')
    assert.match(String((error.cause as Error).message), /granted a lock with no token: it is of an earlier version/)
    await until(() => older.held.size === 0, 'what it granted is given back')
  })
})

describe('a server that lies about its time', () => {
  for (const ttlMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 3_600_001]) {
    it(`of ${ttlMs} ms grants nothing, and the error says so`, async () => {
      const { serve, held } = await import('./older-definitions.ts')
      await using grid = await openGrid(1, { serve: (manager) => serve(manager, { ttlMs, token: 1 }) })
      const client = new LockClient(grid.at(0), { servers: grid.hosts })
      const error = await rejection(client.withLock(['a'], () => 'in', { timeout: paced(500) }))
      assert.ok(error instanceof LockError && error.code === 'ERR_LOCK_TIMEOUT')
      assert.match(String((error.cause as Error).message), /granted a lock with a time of .* ms/)
      await until(() => held.size === 0, 'what it granted is given back')
    })
  }
})

describe('two clients with one name', () => {
  it('exclude each other, are listed apart, and cannot give back what the other one has', async () => {
    await using cluster = await lockCluster(3, ttlMs)
    const [one, two] = [cluster.client(0), cluster.client(0)]
    await one.withLock(['a'], async (_, { token }) => {
      const error = await rejection(two.withLock(['a'], () => 'in', { timeout: 50 }))
      assert.ok(error instanceof LockError && error.code === 'ERR_LOCK_TIMEOUT')
      await two.withLock(['b'], async () => assert.equal((await listed(one)).length, 2))
      const peer = cluster.at(0).connection(cluster.hosts[1] as string)
      const args = { uid: 'guessed', resources: ['a'], owner: cluster.hosts[0] as string, source: '', quorum: 2 }
      const wrong = await rejection(peer.request(lock, args))
      assert.ok(RemoteError.is(wrong) && wrong.code === 'ERR_LOCK_ARGUMENT')
      assert.ok(token > 0)
    })
    assert.equal(await two.withLock(['a'], () => 'in'), 'in')
  })
})
