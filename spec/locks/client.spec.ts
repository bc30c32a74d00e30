/** Locks over several servers: who runs beside whom, what is given back, and what the owner hears when a lock is lost. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { maxTtlMs } from '../../lib/extras/locks/check.ts'
import { type LockArgs, list, lock, refresh, rlock, runlock, unlock } from '../../lib/extras/locks/definitions.ts'
import { LockError } from '../../lib/extras/locks/errors.ts'
import { quorumOf } from '../../lib/extras/locks/quorum.ts'
import { DisconnectedError, RemoteError, UnknownHostError } from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { rejection } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'
import { type LockCluster, lockCluster } from './cluster.ts'

/** The specs that wait for the end of a grant have a time of their own. */
const ttlMs = maxTtlMs / 2

const nothingHeld = (cluster: LockCluster) => until(() => cluster.held() === 0, 'no server holds a lock')

function gate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}

/** Resolves when the signal aborts, with its reason. */
function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason)))
}

describe('a quorum', () => {
  it('is one that any other one meets, unless both read', () => {
    for (let n = 1; n <= 9; n++) {
      const [write, read] = [quorumOf('write', n), quorumOf('read', n)]
      assert.ok(2 * write > n && write + read > n && read >= n / 2 && write <= n, `${n}: ${write}, ${read}`)
      // One less would not do.
      assert.ok(2 * (write - 1) <= n && write + read - 1 <= n)
    }
  })
})

describe('a lock over several servers', { concurrency: 4 }, () => {
  it('lets one in at a time, whoever asks from wherever', async () => {
    await using cluster = await lockCluster(5, ttlMs)
    let inside = 0
    let runs = 0
    const work = async (at: number) => {
      const client = cluster.client(at % 5)
      for (let round = 0; round < 5; round++) {
        const work = async () => {
          assert.equal(++inside, 1)
          await delay(1)
          inside--
          runs++
        }
        await client.withLock(['a'], work, { timeout: Number.POSITIVE_INFINITY })
      }
    }
    await Promise.all(Array.from({ length: 8 }, (_, at) => work(at)))
    assert.equal(runs, 40)
    await nothingHeld(cluster)
  })

  it('lets readers in together, and no writer beside them', async () => {
    await using cluster = await lockCluster(3, ttlMs)
    const inside = [gate(), gate()] as const
    const meet = async (mine: number, other: number) => {
      inside[mine as 0 | 1].open()
      await inside[other as 0 | 1].opened
    }
    // Neither ends before both are in.
    await Promise.all([
      cluster.client(0).withRLock(['a'], () => meet(0, 1)),
      cluster.client(1).withRLock(['a'], () => meet(1, 0))
    ])

    const held = gate()
    const release = gate()
    const reading = cluster.client(0).withRLock(['a'], () => {
      held.open()
      return release.opened
    })
    await held.opened
    const refused = await rejection(cluster.client(1).withLock(['a'], () => 'in', { timeout: 50 }))
    assert.ok(refused instanceof LockError && refused.code === 'ERR_LOCK_TIMEOUT', String(refused))
    release.open()
    await reading
    assert.equal(await cluster.client(1).withLock(['a'], () => 'in'), 'in')
    await nothingHeld(cluster)
  })

  it('has no deadlock of those who want the same in another order', async () => {
    await using cluster = await lockCluster(3, ttlMs)
    const orders = [
      ['a', 'b', 'c'],
      ['c', 'b', 'a'],
      ['b', 'c'],
      ['c', 'a']
    ]
    const owners = new Map<string, number>()
    const work = async (order: string[], at: number) => {
      const client = cluster.client(at % 3)
      for (let round = 0; round < 5; round++) {
        await client.withLock(order, async () => {
          for (const name of order) assert.equal(owners.get(name), undefined)
          for (const name of order) owners.set(name, at)
          await delay(1)
          for (const name of order) owners.delete(name)
        })
      }
    }
    await Promise.all(orders.map(work))
    await nothingHeld(cluster)
  })

  it('is given back on every path, and the error of the work passes', async () => {
    await using cluster = await lockCluster(3, ttlMs)
    const client = cluster.client(0)
    const failure = new Error('the work failed')
    assert.equal(await rejection(client.withLock(['a'], () => Promise.reject(failure))), failure)
    assert.equal(
      await rejection(
        client.withLock(['a'], () => {
          throw failure
        })
      ),
      failure
    )
    assert.equal(await client.withLock(['a'], () => 'in', { timeout: paced(10_000) }), 'in')
    const cancel = new AbortController()
    const working = client.withLock(['a'], (signal) => aborted(signal).then((reason) => Promise.reject(reason)), {
      signal: cancel.signal
    })
    await until(() => cluster.held() === 3, 'the lock is held')
    cancel.abort(failure)
    assert.equal(await rejection(working), failure)
    await nothingHeld(cluster)
  })

  it('is not waited for longer than one wants, and then nothing is left of it', async () => {
    await using cluster = await lockCluster(3, ttlMs)
    const done = gate()
    const holding = cluster.client(0).withLock(['a'], () => done.opened)
    await until(() => cluster.held() === 3, 'the lock is held')
    const late = await rejection(cluster.client(1).withLock(['a', 'b'], () => 'in', { timeout: 30 }))
    assert.ok(late instanceof LockError && late.code === 'ERR_LOCK_TIMEOUT')
    assert.match(late.message, /2 of 3 servers within 30 ms/)
    const reason = new Error('enough')
    const cancel = new AbortController()
    const waiting = rejection(cluster.client(1).withLock(['a', 'b'], () => 'in', { signal: cancel.signal }))
    setImmediate(() => cancel.abort(reason))
    assert.equal(await waiting, reason)
    assert.equal(await rejection(cluster.client(1).withLock(['b'], () => 'in', { signal: cancel.signal })), reason)
    assert.equal(await cluster.client(1).withLock(['b'], () => 'in'), 'in')
    done.open()
    await holding
    await nothingHeld(cluster)
  })

  it('is given back when the network is there again, not only when its time is over', async () => {
    await using cluster = await lockCluster(3, ttlMs)
    await cluster.client(0).withLock(['a'], async () => {
      await until(() => cluster.held() === 3, 'all servers have granted it')
      cluster.cut()
    })
    await nothingHeld(cluster)
    const failure = new Error('enough')
    const cancel = new AbortController()
    const asking = rejection(cluster.client(0).withLock(['a'], () => 'in', { signal: cancel.signal }))
    cluster.cut()
    cancel.abort(failure)
    assert.equal(await asking, failure)
    await nothingHeld(cluster)
  })

  it('needs no more servers than a quorum', async () => {
    await using cluster = await lockCluster(5, ttlMs)
    await cluster.stop(3)
    await cluster.stop(4)
    assert.equal(await cluster.client(0).withLock(['a'], () => 'in'), 'in')
    await cluster.stop(2)
    const error = await rejection(cluster.client(0).withLock(['a'], () => 'in', { timeout: paced(500) }))
    assert.ok(error instanceof LockError && error.code === 'ERR_LOCK_TIMEOUT')
    assert.ok(error.cause instanceof DisconnectedError, 'it says what failed')
  })

  it('is kept for as long as the work takes', async () => {
    const shortMs = paced(3000)
    await using cluster = await lockCluster(3, shortMs)
    const until = performance.now() + 2 * shortMs
    await cluster.client(0).withLock(['a'], async (signal) => {
      while (performance.now() < until) {
        const error = await rejection(cluster.client(1).withLock(['a'], () => 'in', { timeout: 50 }))
        assert.ok(error instanceof LockError && error.code === 'ERR_LOCK_TIMEOUT')
        signal.throwIfAborted()
      }
    })
  })

  it('survives the restart of every server, one after the other', async () => {
    const shortMs = paced(3000)
    await using cluster = await lockCluster(3, shortMs)
    await cluster.client(0).withLock(['a'], async (signal) => {
      for (const at of [1, 2, 1]) {
        await cluster.restart(at)
        await until(() => cluster.table(at).size === 1, 'the new server has granted it as well')
      }
      signal.throwIfAborted()
    })
    await nothingHeld(cluster)
  })

  it('that is lost aborts the signal of the work before others can have it, and withLock says so', async () => {
    const shortMs = paced(3000)
    await using cluster = await lockCluster(5, shortMs)
    const error = await rejection(
      cluster.client(0).withLock(['a'], async (signal) => {
        for (const at of [2, 3, 4]) await cluster.stop(at)
        const reason = await aborted(signal)
        assert.ok(reason instanceof LockError && reason.code === 'ERR_LOCK_LOST')
        assert.ok(cluster.table(1).size === 1, 'the servers that are left still keep it')
        return 'what does not count'
      })
    )
    assert.ok(error instanceof LockError && error.code === 'ERR_LOCK_LOST', String(error))
    await nothingHeld(cluster)
  })

  it('that was taken by force is lost at the next refresh, and is not taken back', async () => {
    const shortMs = paced(2000)
    await using cluster = await lockCluster(3, shortMs)
    const error = await rejection(
      cluster.client(0).withLock(['a'], async (signal) => {
        await until(() => cluster.held() === 3, 'all servers have granted it')
        for (const at of [0, 1, 2]) assert.equal(cluster.table(at).forceUnlock(['a']), 1)
        await aborted(signal)
        assert.equal(cluster.held(), 0)
        throw new Error('what the work made of it')
      })
    )
    assert.ok(error instanceof LockError && error.code === 'ERR_LOCK_LOST', String(error))
    assert.ok(error.cause instanceof Error && error.cause.message === 'what the work made of it')
  })

  it('of an owner that died ends with its time', async () => {
    await using cluster = await lockCluster(3, ttlMs)
    const dead = { uid: 'dead', resources: ['a'], owner: cluster.hosts[2] as string, source: 'spec', quorum: 2 }
    for (const at of [0, 1])
      await cluster
        .at(2)
        .connection(cluster.hosts[at] as string)
        .request(lock, dead)
    await cluster.stop(2)
    const before = await rejection(cluster.client(0).withLock(['a'], () => 'in', { timeout: 20 }))
    assert.ok(before instanceof LockError && before.code === 'ERR_LOCK_TIMEOUT')
    cluster.pass(ttlMs)
    assert.equal(await cluster.client(0).withLock(['a'], () => 'in'), 'in')
  })

  it('is refused before anybody is asked when the resources are wrong', async () => {
    await using cluster = await lockCluster(3, ttlMs)
    const { framesOut } = cluster.at(0).stats().totals
    for (const resources of [[], ['a', 'a'], [''], Array.from({ length: 300 }, String), 'ab', [7], undefined]) {
      const error = await rejection(cluster.client(0).withLock(resources as string[], () => 'in'))
      assert.ok(error instanceof LockError && error.code === 'ERR_LOCK_RESOURCES')
    }
    assert.equal(cluster.at(0).stats().totals.framesOut, framesOut)
  })

  it('needs servers that can be counted', async () => {
    await using cluster = await lockCluster(2, ttlMs)
    const [first = ''] = cluster.hosts
    assert.throws(() => cluster.client(0, { servers: ['http://nobody.test'] }), UnknownHostError)
    assert.throws(() => cluster.client(0, { servers: [first, first.toUpperCase()] }), /none twice/)
    assert.throws(() => cluster.client(0, { servers: [] }), /at least one/)
    for (const wrong of [0, -1, Number.NaN]) {
      assert.throws(() => cluster.client(0, { requestTimeoutMs: wrong }), RangeError)
      assert.ok(
        (await rejection(cluster.client(0).withLock(['a'], () => 'in', { timeout: wrong }))) instanceof RangeError
      )
    }
  })
})

describe('a lock server, asked by hand', () => {
  it('lists its locks as a stream', async () => {
    await using cluster = await lockCluster(2, ttlMs)
    const peer = cluster.at(0).connection(cluster.hosts[1] as string)
    const owner = cluster.hosts[0] as string
    for (let n = 0; n < 200; n++) {
      await peer.request(rlock, { uid: `u${n}`, resources: ['hot'], owner, source: 'list', quorum: null })
    }
    const seen: string[] = []
    for await (const { uid, kind, heldMs, expiresInMs } of peer.newStream(list)) {
      seen.push(uid)
      assert.ok(kind === 'read' && heldMs >= 0 && expiresInMs > 0)
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 200 }, (_, n) => `u${n}`)
    )
  })

  it('answers wrong requests with an error that has a code', async () => {
    await using cluster = await lockCluster(2, ttlMs)
    const [owner, host] = cluster.hosts as [string, string]
    const peer = cluster.at(0).connection(host)
    const args: LockArgs = { uid: 'u', resources: ['a'], owner, source: 'spec', quorum: null }
    const codes = async (...calls: Promise<unknown>[]) => {
      const errors = await Promise.all(calls.map(rejection))
      return errors.map((error) => (error instanceof RemoteError ? error.code : String(error)))
    }
    assert.deepEqual(
      await codes(peer.request(unlock, args), peer.request(runlock, args), peer.request(refresh, args)),
      ['ERR_LOCK_NOT_HELD', 'ERR_LOCK_NOT_HELD', 'ERR_LOCK_NOT_HELD']
    )
    assert.equal((await peer.request(lock, args)).granted, true)
    assert.deepEqual(
      await codes(
        peer.request(unlock, { ...args, owner: host }),
        peer.request(lock, { ...args, uid: 'v', resources: [] }),
        peer.request(lock, { ...args, uid: 'v', resources: ['b', 'b'] }),
        peer.request(lock, { ...args, uid: 'v', resources: Array.from({ length: 257 }, String) }),
        cluster
          .at(1)
          .connection(host)
          .request(unlock, { ...args, owner: host })
      ),
      ['ERR_LOCK_OTHER_OWNER', ...new Array(3).fill('ERR_LOCK_RESOURCES'), 'ERR_LOCK_OTHER_OWNER']
    )
    assert.equal(cluster.table(1).size, 1)
    await peer.request(unlock, args)
    assert.equal(cluster.table(1).size, 0)
  })
})
