/** The tokens of locks: that they only grow, over restarts and changing majorities, and what they are good for. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LockArgs, LockKind } from '../../lib/extras/locks/definitions.ts'
import { LockError } from '../../lib/extras/locks/errors.ts'
import type { Lock } from '../../lib/extras/locks/lock.ts'
import { LockTable } from '../../lib/extras/locks/table.ts'
import { virtualTime } from '../../lib/extras/testing/index.ts'
import { rejection } from '../support/grid/servers.ts'
import { ttlMs } from './simulated-network.ts'
import { newClients } from './virtual-clients.ts'

function args(uid: string, resources = ['a'], token?: number): LockArgs {
  return { uid, resources, owner: 'node-1', source: 'spec', quorum: 1, token }
}

describe('the tokens of a table', () => {
  function open(timeOfDay = 0, maxBytes?: number) {
    const clock = { ms: 0, timeOfDay }
    const common = { ttlMs, now: () => clock.ms, timeOfDay: () => clock.timeOfDay }
    const table = new LockTable(maxBytes === undefined ? common : { ...common, maxBytes })
    clock.ms = ttlMs
    const take = (kind: LockKind, uid: string, resources?: string[], token?: number) => {
      const { token: given } = table.lock(kind, args(uid, resources, token))
      table.unlock(kind, args(uid, resources))
      return given ?? Number.NaN
    }
    return { clock, table, take }
  }

  it('grow with each grant of a resource, and with one of several are higher than those of each', () => {
    const { take } = open()
    assert.deepEqual(
      [take('write', '1'), take('write', '2'), take('read', '3'), take('write', '4', ['b'])],
      [1, 2, 3, 1]
    )
    assert.deepEqual([take('write', '5', ['b', 'a']), take('write', '6', ['b'])], [4, 5])
  })

  it('are one for readers that share, and higher for who comes after them', () => {
    const { table, take } = open()
    assert.equal(take('write', 'w'), 1)
    assert.deepEqual([table.lock('read', args('1')).token, table.lock('read', args('2')).token], [2, 2])
    for (const uid of ['1', '2']) table.unlock('read', args(uid))
    assert.equal(take('write', '3'), 3)
  })

  it('are at least what the owner asks for, are raised by a refresh, and stay in what is granted again', () => {
    const { table, take } = open()
    assert.equal(table.lock('write', args('1', ['a'], 50)).token, 50)
    assert.equal(table.lock('write', args('1', ['a'], 70)).token, 50)
    assert.equal(table.refresh(args('1', ['a'], 60)).token, 60)
    assert.equal(table.refresh(args('1', ['a'], 55)).token, 55)
    table.unlock('write', args('1'))
    assert.equal(take('write', '2', ['a'], 10), 61)
  })

  it('are remembered of free resources, and where there is no room for that, the highest is of all', () => {
    const { take, table } = open(0, 64 * 1024)
    assert.equal(take('write', 'high', ['high'], 1000), 1000)
    for (let n = 0; n < 1000; n++) assert.ok(take('write', `u${n}`, [`resource-${n}`]) >= 1)
    assert.ok(table.bytes <= 64 * 1024, `${table.bytes}`)
    assert.ok(take('write', 'again', ['high']) > 1000)
    assert.ok(take('write', 'new', ['new']) > 1000)
  })

  it('begin at the time of day at which the table opens, and no jump of the clock after that matters', () => {
    const { take, clock } = open(5000)
    assert.equal(take('write', '1'), 5000 * 1024 + 1)
    clock.timeOfDay = 10
    assert.equal(take('write', '2'), 5000 * 1024 + 2)
    clock.timeOfDay = 10 ** 9
    assert.equal(take('write', '3'), 5000 * 1024 + 3)
  })

  it('can be told to other servers though the time of day is that of a century to come', () => {
    for (const date of ['2150-01-01', '2400-01-01']) {
      const { take } = open(Date.parse(date))
      assert.equal(take('write', '1'), 2 ** 52 + 1, date)
    }
  })

  it('are those that owners told while the table was quiet, if its clock was set back', () => {
    const clock = { ms: 0 }
    const table = new LockTable({ ttlMs, now: () => clock.ms, timeOfDay: () => 0 })
    assert.equal(table.lock('write', args('1', ['b'], 700)).granted, false)
    clock.ms = ttlMs
    assert.equal(table.lock('write', args('2')).token, 701)
  })

  it('are refused where they would leave none for others (ERR_LOCK_ARGUMENT), and that changes nothing', () => {
    const { table, take } = open()
    for (const token of [2 ** 53, 2 ** 52 + 2 ** 40, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      for (const ask of ['lock', 'refresh'] as const) {
        const run = () =>
          ask === 'lock' ? table.lock('write', args('x', ['a'], token)) : table.refresh(args('x', ['a'], token))
        assert.throws(run, (error) => error instanceof LockError && error.code === 'ERR_LOCK_ARGUMENT', `${token}`)
      }
    }
    assert.equal(take('write', '1'), 1)
    assert.equal(take('write', '2', ['a'], 2 ** 52), 2 ** 52)
    assert.equal(take('write', '3'), 2 ** 52 + 1, 'there are as many again')
    assert.equal(take('write', '4', ['a'], 2 ** 52 + 2 ** 20), 2 ** 52 + 2 ** 20)
  })
})

describe('the tokens of a quorum', () => {
  it('grow with each change of the majority, though its servers have counted differently', async () => {
    using clock = virtualTime(() => 0.5)
    // None of the clients knows a token of another one.
    const { servers, links, clients } = newClients(clock, { servers: 3, clients: ['one', 'two', 'three'] })
    const high = { ...args('high'), owner: 'somebody', token: 2 ** 40 }
    servers[0]?.table.lock('write', high)
    servers[0]?.table.unlock('write', high)
    const tokens: number[] = []
    for (const [at, missing] of [1, 2, 0].entries()) {
      const gone = links[at]?.[missing]
      gone?.blackHole(1000 * ttlMs)
      gone?.disconnect()
      const done = clients[at]?.withLock(['a'], (_, { token }) => tokens.push(token))
      await clock.run(3 * ttlMs)
      await done
    }
    const [first = 0, second = 0, third = 0] = tokens
    assert.ok(first > 2 ** 40 && second > first && third > second, `${tokens}`)
  })
})

describe('a client', () => {
  /** One server, which is restarted with a clock that was set back, between two locks of ann. */
  async function tokensOf(between: (world: ReturnType<typeof newClients>, first: number) => Promise<unknown>) {
    using clock = virtualTime(() => 0.5)
    const world = newClients(clock, { servers: 1, clients: ['ann', 'bob'] })
    const take = async (at: number) => {
      const taken = world.clients[at]?.withLock(['a'], (_, { token }) => token, { timeout: 10 * ttlMs })
      await clock.run(5 * ttlMs)
      return (await taken) ?? Number.NaN
    }
    const first = await take(0)
    await between(world, first)
    return [first, await take(0)] as const
  }

  it('tells the highest token that it knows, so that a server whose clock was set back counts on', async () => {
    const [first, second] = await tokensOf(async ({ clock, setBack, restart }) => {
      setBack(0)
      restart(0)
      await clock.run(0.5 * ttlMs)
    })
    assert.ok(second > first, `${second} > ${first}`)
  })

  it('learns it while it is refused, too', async () => {
    let third = 0
    const [first] = await tokensOf(async ({ clock, setBack, restart, clients, servers }, first) => {
      const held = { ...args('other'), owner: 'other', token: first + 1000 }
      servers[0]?.table.lock('write', held)
      const waiting = clients[1]?.withLock(['a'], (_, { token }) => token, { timeout: 20 * ttlMs })
      await clock.run(0.5 * ttlMs)
      setBack(0)
      restart(0)
      await clock.run(5 * ttlMs)
      third = (await waiting) ?? Number.NaN
    })
    assert.ok(third > first + 1000, `${third}`)
  })

  it('asks again where the answers of a quorum come so late that they are worth nothing', async () => {
    using clock = virtualTime(() => 0.5)
    let delayMs = 0.48 * ttlMs
    const world = newClients(clock, {
      servers: 3,
      clients: ['ann'],
      requestTimeoutMs: 2 * ttlMs,
      delays: () => delayMs
    })
    const taken = world.clients[0]?.withLock(['a'], () => 'in', { timeout: 20 * ttlMs })
    await clock.run(0.5 * ttlMs)
    delayMs = 1
    await clock.run(0.3 * ttlMs)
    assert.equal(world.servers[0]?.table.size, 1)
    await clock.run(10 * ttlMs)
    assert.equal(await taken, 'in')
  })
})

/** What a store has to do: it remembers the highest token, and refuses what is older. */
class Store {
  value = ''
  #token = 0

  write(value: string, token: number): boolean {
    if (token < this.#token) return false
    this.#token = token
    this.value = value
    return true
  }
}

describe('a server that tells a token and a place in the line that cannot be', () => {
  for (const liesOf of [2 ** 52, 2 ** 52 + 2 ** 31, 2 ** 52 + 2 ** 31 + 1, 2 ** 52 + 2 ** 33, 2 ** 53 - 1]) {
    it(`such as ${liesOf} keeps no client from the locks of the others, on this resource or another one`, async () => {
      using clock = virtualTime(() => 0.5)
      const world = newClients(clock, { servers: 3, clients: ['ann', 'bob'], mutant: { liesOf, fair: true } })
      let turns = 0
      const tokens: number[] = []
      for (const client of world.clients) {
        for (const name of ['a', 'b', 'a']) {
          const work = async (_: AbortSignal, { token }: Lock) => {
            if (name === 'a') tokens.push(token)
            await clock.wait(20)
            turns++
          }
          void client.withLock([name], work, { timeout: 20 * ttlMs }).catch(() => undefined)
        }
      }
      await clock.run(20 * ttlMs, () => turns === 6)
      assert.equal(turns, 6)
      assert.ok(
        tokens.every((token, at) => at === 0 || token > (tokens[at - 1] ?? 0)),
        `${tokens}`
      )
    })
  }

  it('and who cannot do without it hears so', async () => {
    using clock = virtualTime(() => 0.5)
    const { clients } = newClients(clock, { servers: 2, clients: ['ann'], mutant: { liesOf: 2 ** 53 - 1 } })
    const error = rejection(clients[0]?.withLock(['a'], () => 'in', { timeout: ttlMs }) as Promise<unknown>)
    await clock.run(3 * ttlMs)
    const { code, cause } = (await error) as unknown as LockError
    assert.equal(code, 'ERR_LOCK_TIMEOUT')
    assert.match(String(cause), /server-0:1 granted a lock with a token that cannot be/)
  })
})

describe('a writer that comes back from the dead', () => {
  /** Ann takes the lock and her process stands still; bob has it after her; she wakes up and writes. */
  async function resurrect(servers: number, between: (world: ReturnType<typeof newClients>) => Promise<void>) {
    using clock = virtualTime(() => 0.5)
    const world = newClients(clock, { servers, clients: ['ann', 'bob'] })
    const store = new Store()
    const tokens: number[] = []
    const [ann, bob] = world.clients
    // What a pause of her process comes to: nothing refreshes, and her signal is not heard.
    const dead = ann?.lock(['a'], { timeout: 5 * ttlMs })
    let late: Lock | undefined
    void dead?.then((lock) => {
      late = lock
    })
    await clock.run(20 * ttlMs, () => late !== undefined)
    world.silence(0)
    await between(world)
    const done = bob?.withLock(['a'], (_, { token }) => {
      tokens.push(late?.token ?? Number.NaN, token)
      assert.ok(store.write('bob', token))
    })
    let isOver = false
    const end = () => {
      isOver = true
    }
    done?.then(end, end)
    await clock.run(40 * ttlMs, () => isOver)
    await done
    const [first = Number.NaN, second = Number.NaN] = tokens
    assert.ok(second > first, `${second} > ${first}`)
    assert.equal(store.write('ann', late?.token ?? Number.NaN), false, 'the store refuses what she writes')
    assert.equal(store.value, 'bob')
    world.heal()
    const ended = late?.unlock().then(
      () => 'ok',
      (error) => error.code
    )
    await clock.run(40 * ttlMs)
    assert.equal(await ended, 'ERR_LOCK_LOST')
  }

  for (const servers of [1, 3, 5]) {
    it(`is refused by the store, with ${servers} servers`, () => resurrect(servers, async () => undefined))

    it(`is refused by the store after every one of ${servers} servers was restarted`, () =>
      resurrect(servers, async ({ restart, clock }) => {
        for (let at = 0; at < servers; at++) {
          restart(at)
          await clock.run(2 * ttlMs)
        }
      }))

    it(`is refused by the store after ${servers} servers were restarted at once`, () =>
      resurrect(servers, async ({ restart }) => {
        for (let at = 0; at < servers; at++) restart(at)
      }))
  }

  it('is refused by the store where the majority has changed, and a clock of it was set back', () =>
    resurrect(3, async ({ restart, setBack, clock, clients }) => {
      // Somebody takes a lock meanwhile: that is enough for the server to know.
      setBack(1)
      restart(1)
      await clock.run(ttlMs / 2)
      const other = clients[1]?.withLock(['b'], () => 'in')
      await clock.run(2 * ttlMs)
      assert.equal(await other, 'in')
    }))

  it('is refused though a server told him a time thrice as long as it keeps', async () => {
    using clock = virtualTime(() => 0.5)
    const world = newClients(clock, { servers: 1, clients: ['ann', 'bob'], mutant: { lyingTtl: 3 } })
    const store = new Store()
    const both: string[] = []
    const [ann, bob] = world.clients
    const first = ann?.withLock(['a'], async (signal, { token }) => {
      world.silence(0)
      await clock.wait(2 * ttlMs)
      both.push(signal.aborted ? 'ann was told' : 'ann believes in her lock')
      both.push(store.write('ann', token) ? 'the store takes it' : 'the store refuses it')
      world.heal()
    })
    await clock.run(1.2 * ttlMs)
    const second = bob?.withLock(['a'], (_, { token }) => {
      assert.ok(store.write('bob', token))
    })
    await clock.run(20 * ttlMs)
    await second
    await first?.catch(() => undefined)
    assert.deepEqual(both, ['ann believes in her lock', 'the store refuses it'])
    assert.equal(store.value, 'bob')
  })
})
