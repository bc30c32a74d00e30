/**
 * How soon peers find each other that were away, or whose lists are not in step, and how many conns that takes: the managers
 * are real, the conns are in memory, and the time is virtual.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pushable } from 'it-pushable'
import { DialError, dialerOf, type Manager } from '../../lib/index.ts'
import { namesInOrder } from '../support/grid/manager.ts'
import { World } from '../support/grid/world.ts'
import { randomFrom, seed } from '../support/random.ts'
import '../support/uncovered.ts'

const hosts = Array.from({ length: 32 }, (_, n) => `https://node-${n}:9000`)
const mesh = async (world: World) => {
  const managers = hosts.map((host) => world.start(host, hosts))
  await world.untilWhole(managers)
  return managers
}

describe('a server of 32 that was away', () => {
  it('for 0.3 s, 3 s or 60 s is connected to all others within a second, by one conn from each that dials it', async () => {
    await using world = new World()
    await mesh(world)
    for (const awayMs of [300, 3000, 60_000]) {
      for (const host of hosts.slice(0, 3)) {
        await world.kill(host)
        await world.run(awayMs)
        const fromMs = world.clock.nowMs
        const tookMs = await world.untilWhole([world.start(host, hosts)])
        assert.ok(tookMs < 1000, `${tookMs} ms after ${awayMs} ms`)
        const dialers = hosts.filter((other) => other !== host && dialerOf(other, host) === other)
        assert.equal(world.arrivals(host, fromMs).length, dialers.length)
      }
    }
  })

  it('is whole within a second, one after the other, and so are all others', async () => {
    await using world = new World()
    await mesh(world)
    for (const host of hosts) {
      await world.kill(host)
      await world.run(3000)
      world.start(host, hosts)
      const tookMs = await world.untilWhole([...world.servers.values()])
      assert.ok(tookMs < 1000, `${host}: ${tookMs} ms`)
    }
  })

  it('because the network was, is whole within half a second of its first contact', async () => {
    await using world = new World()
    const [manager] = (await mesh(world)) as [Manager]
    world.cut(manager.local)
    await world.run(60_000)
    assert.ok(manager.connections.every(({ state }) => state !== 'connected'))
    world.heal()
    await world.run(20_000, () => manager.connections.some(({ state }) => state === 'connected'))
    const tookMs = await world.untilWhole([manager])
    assert.ok(tookMs <= 501, `${tookMs} ms`)
  })
})

it('a grid whose servers start one by one is whole within a second of the last', async () => {
  await using world = new World()
  const random = randomFrom(seed)
  for (const host of hosts) {
    world.start(host, hosts)
    await world.run(random() * 1000)
  }
  const tookMs = await world.untilWhole([...world.servers.values()])
  assert.ok(tookMs < 1000, `${tookMs} ms`)
})

describe('a newcomer whose peer does not have it in its list yet', () => {
  for (const lagMs of [500, 5000, 60_000]) {
    it(`is connected within a second of the list that has it, ${lagMs / 1000} s late, whichever of them dials`, async () => {
      for (const [newcomer, host] of [namesInOrder(), [...namesInOrder()].reverse()] as [string, string][]) {
        await using world = new World()
        const lists = pushable<string[]>({ objectMode: true })
        world.start(host, lists.push([host]))
        const manager = world.start(newcomer, [newcomer, host])
        await world.run(lagMs)
        assert.notEqual(manager.connection(host).state, 'connected')
        lists.push([host, newcomer])
        const tookMs = await world.untilWhole([manager])
        assert.ok(tookMs < 1000, `${tookMs} ms`)
      }
    })
  }

  it('is connected within a second, too, where the peer cannot tell that it has it', async () => {
    const [newcomer, host] = namesInOrder()
    const mute = () => Promise.reject(new DialError('there is no way back'))
    // Some of them would be lucky with any wait.
    for (let n = 0; n < 20; n++) {
      await using world = new World()
      const lists = pushable<string[]>({ objectMode: true })
      world.start(host, lists.push([host]), mute)
      const manager = world.start(newcomer, [newcomer, host])
      await world.run(3000)
      lists.push([host, newcomer])
      const tookMs = await world.untilWhole([manager])
      assert.ok(tookMs < 1000, `${tookMs} ms`)
    }
  })

  it('dials it no more often than each half second for ten seconds, and then ever more rarely', async () => {
    await using world = new World()
    const [newcomer, host] = namesInOrder()
    world.start(host, [host])
    world.start(newcomer, [newcomer, host])
    await world.run(15_000)
    const soon = world.arrivals(host).length
    assert.ok(soon >= 10 && soon <= 40, `${soon} conns`)
    await world.run(300_000)
    const later = world.arrivals(host).length - soon
    assert.ok(later <= 100, `${later} conns`)
  })

  it('is one of a thousand, and they come as no wave, before the list nor with it', async (test) => {
    await using world = new World()
    const host = 'https://host:9000'
    const names = Array.from({ length: 1000 }, (_, n) => `https://newcomer-${n}:9000`)
    const lists = pushable<string[]>({ objectMode: true })
    world.start(host, lists.push([host]))
    const managers = names.map((name) => world.start(name, [name, host]))
    await world.run(3000)
    // All have started in one moment.
    const before = world.busiest(host, world.clock.startMs + 1000)
    const listMs = world.clock.nowMs
    lists.push([host, ...names])
    const tookMs = await world.untilWhole(managers)
    const withList = world.busiest(host, listMs)
    const arrived = world.arrivals(host, listMs).length
    test.diagnostic(JSON.stringify({ before, withList, arrived, tookMs }))
    assert.ok(tookMs < 1000, `${tookMs} ms`)
    assert.ok(before <= 200, `${before} of 1000 in 100 ms, before the list`)
    assert.ok(withList <= 250, `${withList} of 1000 in 100 ms, with the list`)
    assert.ok(arrived <= 600, `${arrived} conns of the 1000, of which half dial`)
  })
})

it('a thousand peers of a server that returns come as no wave, each once', async (test) => {
  await using world = new World()
  const host = 'https://host:9000'
  const names = Array.from({ length: 1000 }, (_, n) => `https://peer-${n}:9000`)
  const managers = names.map((name) => world.start(name, [name, host]))
  world.start(host, [host, ...names])
  await world.untilWhole(managers)
  await world.kill(host)
  await world.run(60_000)
  const fromMs = world.clock.nowMs
  const tookMs = await world.untilWhole([world.start(host, [host, ...names])])
  const busiest = world.busiest(host, fromMs)
  const arrived = world.arrivals(host, fromMs).length
  test.diagnostic(JSON.stringify({ busiest, arrived, tookMs }))
  assert.ok(tookMs < 1000, `${tookMs} ms`)
  assert.equal(arrived, names.filter((name) => dialerOf(name, host) === name).length)
  assert.ok(busiest <= 250, `${busiest} conns in 100 ms`)
})
