/** First come, first served, where servers are told so: in virtual time, whose schedules a machine cannot disturb. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LockArgs, LockKind } from '../../lib/extras/locks/definitions.ts'
import { LockTable } from '../../lib/extras/locks/table.ts'
import { Turn } from '../../lib/extras/locks/turn.ts'
import { virtualTime } from '../../lib/extras/testing/index.ts'
import { DeadlineError } from '../../lib/index.ts'
import { rejection } from '../support/grid/servers.ts'
import { randomFrom, wholeBelow } from '../support/random.ts'
import { ttlMs } from './simulated-network.ts'
import { newClients } from './virtual-clients.ts'

const names = Array.from({ length: 8 }, (_, n) => `client-${n}`)

/** The order in which clients get a lock that somebody has while they come, one after the other. */
async function orderOf(seed: number, servers: number, fair: boolean, disturb = () => {}): Promise<string[]> {
  const random = randomFrom(seed)
  using clock = virtualTime(random)
  const world = newClients(clock, {
    servers,
    clients: ['holder', ...names],
    mutant: { fair },
    delays: () => 1 + 20 * random()
  })
  const order: string[] = []
  const [holder, ...others] = world.clients
  let left = others.length
  const done = holder?.withLock(['a'], async () => {
    for (const [at, client] of others.entries()) {
      const kind = 'withLock'
      void client[kind](['a'], () => clock.wait(5), { timeout: 60 * ttlMs }).then(() => {
        order.push(names[at] ?? '')
        left--
      })
      await clock.wait(0.3 * ttlMs)
      disturb()
    }
  })
  await clock.run(100 * ttlMs, () => left === 0)
  await done
  return order
}

describe('fair locks', () => {
  for (const servers of [1, 3, 5]) {
    it(`go to waiters in the order in which they came, with ${servers} servers`, async () => {
      for (let seed = 1; seed <= 20; seed++) assert.deepEqual(await orderOf(seed, servers, true), names, `seed ${seed}`)
    })
  }

  it('are an option: without it, waiters overtake each other', async () => {
    const orders = await Promise.resolve().then(async () => {
      const found: string[] = []
      for (let seed = 1; seed <= 5; seed++) found.push((await orderOf(seed, 3, false)).join())
      return found
    })
    assert.ok(orders.every((order) => order.split(',').length === names.length))
    assert.ok(
      orders.some((order) => order !== names.join()),
      orders.join('\n')
    )
  })

  it('let many that come at once through, whatever order the messages arrive in', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = randomFrom(seed)
      using clock = virtualTime(random)
      const world = newClients(clock, {
        servers: 3,
        clients: names,
        mutant: { fair: true },
        delays: () => 1 + 30 * random()
      })
      let left = names.length
      for (const client of world.clients) {
        const resources = ['a', 'b', 'c'].filter(() => random() < 0.6)
        if (resources.length === 0) resources.push('a')
        const method = random() < 0.3 ? 'withRLock' : 'withLock'
        void client[method](resources, () => clock.wait(wholeBelow(random, 40)), { timeout: 60 * ttlMs }).then(
          () => left--
        )
      }
      await clock.run(60 * ttlMs, () => left === 0)
      assert.equal(left, 0, `seed ${seed}`)
    }
  })
})

describe('who has got a lock', () => {
  it('is not in the line any more at servers that had refused it', async () => {
    using clock = virtualTime(() => 0.5)
    const world = newClients(clock, { servers: 3, clients: ['client'], mutant: { fair: true } })
    const other = { uid: 'other', resources: ['a'], owner: 'other', source: 'spec', quorum: 2 }
    assert.equal(world.servers[2]?.table.lock('write', other).granted, true)
    // As its clients: late, so that its answer counts.
    const waits = () => world.servers.map(({ table }) => table.top(1).length)
    assert.equal(world.servers[1]?.table.lock('write', other).granted, true)
    let isIn = false
    const done = world.clients[0]?.withLock(['a'], async () => {
      isIn = true
      await clock.wait(20)
      assert.deepEqual(waits(), [0, 0, 0])
    })
    await clock.run(200)
    assert.ok(!isIn && waits().includes(1), `${waits()}`)
    world.servers[1]?.table.unlock('write', other)
    await clock.run(2000)
    assert.ok(isIn)
    await done
  })
})

describe('who has given a lock back', () => {
  it('is not in the line any more at a server that has refused to grant it beside the others', async () => {
    using clock = virtualTime(() => 0.5)
    const world = newClients(clock, { servers: 3, clients: ['client'], mutant: { fair: true } })
    const table = world.servers[2]?.table as LockTable
    const other = { uid: 'other', resources: ['a'], owner: 'other', source: 'spec', quorum: 2 }
    table.lock('write', other)
    const done = world.clients[0]?.withLock(['a'], () => clock.wait(0.5 * ttlMs))
    await clock.run(0.4 * ttlMs)
    assert.equal(table.top(1).length, 1)
    table.unlock('write', other)
    await clock.run(0.2 * ttlMs)
    await done
    assert.deepEqual(table.top(1), [])
  })
})

describe('who waits', () => {
  it('takes the highest place that a server gives, and keeps it', () => {
    const turn = new Turn(7, 3)
    const reply = { granted: false, ttlMs, heldBy: null }
    assert.equal(turn.begin()?.ticket, undefined)
    for (const ticket of [3, 5, 4]) turn.hear({ ...reply, ticket, token: 10 * ticket })
    assert.deepEqual([turn.begin()?.ticket, turn.token, turn.wasRefused], [5, 50, true])
    turn.hear({ ...reply, ticket: 9 })
    assert.equal(turn.begin()?.ticket, 5)
  })

  it('is forgotten as soon as he gives up, and hears the reason of his signal, whatever that is', async () => {
    using clock = virtualTime(() => 0.5)
    const world = newClients(clock, { servers: 3, clients: ['holder', 'client'], mutant: { fair: true } })
    const [holder, client] = world.clients
    const stop = new AbortController()
    const waits = () => world.servers.map(({ table }) => table.top(1).length)
    const done = holder?.withLock(['a'], () => clock.wait(10 * ttlMs))
    await clock.run(10)
    const reason = new DeadlineError('of a call that this is a part of')
    const waiting = rejection(client?.withLock(['a'], () => 'in', { signal: stop.signal }) as Promise<unknown>)
    await clock.run(ttlMs)
    assert.deepEqual(waits(), [1, 1, 1])
    stop.abort(reason)
    assert.equal(await waiting, reason)
    await clock.run(10)
    assert.deepEqual(waits(), [0, 0, 0])
    await clock.run(20 * ttlMs)
    await done
  })

  it('does not keep the holder from being granted again by servers that were restarted', async () => {
    using clock = virtualTime(() => 0.5)
    const world = newClients(clock, { servers: 3, clients: ['holder', 'client'], mutant: { fair: true } })
    const [holder, client] = world.clients
    let end = () => {}
    let isLost = false
    const done = holder?.withLock(['a'], (signal) => {
      signal.addEventListener('abort', () => {
        isLost = true
      })
      return new Promise<void>((resolve) => {
        end = resolve
      })
    })
    await clock.run(10)
    const next = client?.withLock(['a'], () => 'in', { timeout: 100 * ttlMs })
    await clock.run(ttlMs)
    for (const at of [0, 1, 2, 0]) {
      world.restart(at)
      await clock.run(4 * ttlMs)
      assert.ok(!isLost, `after the restart of ${at}`)
    }
    end()
    await clock.run(4 * ttlMs)
    await done
    assert.equal(await next, 'in')
  })
})

describe('the line of a fair table', () => {
  const args = (id: string, ticket?: number, resources = ['a'], owner = 'node-1'): LockArgs => {
    return {
      uid: `${id} ${Math.random()}`,
      resources,
      owner,
      source: 'spec',
      quorum: 1,
      waiting: { id, waitedMs: 0, ticket }
    }
  }
  function open() {
    const clock = { ms: 0 }
    const table = new LockTable({ quietMs: 0, fair: true, now: () => clock.ms })
    const held = { ...args('holder'), waiting: undefined }
    table.lock('write', held)
    const ask = (kind: LockKind, ...given: Parameters<typeof args>) => table.lock(kind, args(...given))
    return { table, clock, ask, release: () => table.unlock('write', held) }
  }

  it('gives a place to who is refused, and the place that he says to who has one', () => {
    const { ask } = open()
    assert.deepEqual([ask('write', 'x').ticket, ask('write', 'y').ticket, ask('write', 'x').ticket], [1, 2, 1])
    assert.deepEqual([ask('write', 'x', 10).ticket, ask('write', 'z').ticket], [10, 11])
  })

  it('lets nobody in before who is first, but readers beside readers', () => {
    const { ask, release } = open()
    ask('read', 'r1', 1)
    ask('read', 'r2', 2)
    ask('write', 'w3', 3)
    ask('read', 'r4', 4)
    release()
    assert.equal(ask('write', 'new').heldBy, 'node-1')
    for (const [kind, id, ticket, granted] of [
      ['read', 'r4', 4, false],
      ['write', 'w3', 3, false],
      ['read', 'r2', 2, true],
      ['read', 'r1', 1, true],
      ['read', 'new reader', undefined, false]
    ] as const) {
      assert.equal(ask(kind, id, ticket).granted, granted, id)
    }
  })

  it('forgets who does not ask any more, and who leaves', () => {
    const { table, clock, ask, release } = open()
    ask('write', 'silent', 1)
    clock.ms += 2000
    ask('write', 'leaves', 2)
    release()
    assert.equal(ask('write', 'third', 3).granted, false)
    assert.throws(() => table.unlock('write', args('leaves', 2)), /no such lock/)
    assert.equal(ask('write', 'third', 3).granted, false, 'the first one may ask again')
    clock.ms += 1000
    assert.equal(ask('write', 'third', 3).granted, true)
  })

  it('is no line where a table is not fair: it gives no places, and tells who waits, as many as are asked for', () => {
    const table = new LockTable({ quietMs: 0 })
    table.lock('write', { ...args('holder', 0, ['a', 'b']), waiting: undefined })
    for (const resource of ['a', 'b'])
      assert.equal(table.lock('write', args('x', undefined, [resource])).ticket, undefined)
    for (const resource of ['a', 'b']) table.lock('write', args(resource, undefined, [resource]))
    assert.deepEqual(
      [-1, 0, 1, 2, 10].map((max) => table.top(max).length),
      [0, 0, 1, 2, 2]
    )
  })

  it('is one line for each resource, and who wants several stands in all of them', () => {
    const { ask } = open()
    ask('write', 'x', 1, ['a', 'b'])
    assert.equal(ask('write', 'y', 2, ['b']).granted, false)
    assert.equal(ask('write', 'y', 2, ['c']).granted, true)
  })

  it('has the order of names where two have the same place, and no owner speaks for another', () => {
    const { ask, release, table } = open()
    ask('write', 'x', 5)
    ask('write', 'y', 5)
    assert.throws(() => table.unlock('write', args('x', 5, ['a'], 'node-2')), /no such lock/)
    release()
    assert.equal(ask('write', 'y', 5).granted, false)
    assert.equal(ask('write', 'x', 5).granted, true)
  })
})
