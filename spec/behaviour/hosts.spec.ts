/**
 * Which servers a grid has: one socket for each pair of them, and lists of hosts that change while it runs.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pushable } from 'it-pushable'
import {
  type ConnDialer,
  DisconnectedError,
  dialerOf,
  type HandlerContext,
  single,
  streaming
} from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { LogBook, namesInOrder } from '../support/grid/manager.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { settled, until } from '../support/until.ts'

const hello = single<void, string>('hello')
/** Timers that keep the process alive. */
const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
const numbers = streaming<void, never, number>('numbers', { inCapacity: 0 })

it('a grid of five has exactly one socket per pair, and each side of it can start calls', async (test) => {
  const servers = new Servers(test)
  const hosts = Array.from({ length: 5 }, (_, n) => `https://node-${n}:9000`)
  const dials: string[] = []
  const dialerFrom =
    (from: string): ConnDialer =>
    (to, options) => {
      dials.push(`${from} ${to}`)
      return servers.dialer(to, options)
    }
  const nodes = await Promise.all(hosts.map((name) => servers.node(name, hosts, { dialer: dialerFrom(name) })))
  for (const { manager, name } of nodes) {
    manager.handle(hello, (_, context) => `${name} to ${context.remote.host}`)
    manager.handle(numbers, () => [1, 2, 3])
  }
  const ends = nodes.flatMap(({ manager }) => manager.connections)
  assert.equal(ends.length, 20)
  await Promise.all(ends.map((end) => end.waitForConnect()))
  for (const { manager, name } of nodes) {
    for (const connection of manager.connections) {
      assert.equal(await connection.request(hello), `${connection.host} to ${name}`)
      const got: number[] = []
      for await (const number of connection.newStream(numbers)) got.push(number)
      assert.deepEqual(got, [1, 2, 3])
    }
  }
  for (const { manager, server, name } of nodes) {
    const expected = hosts.filter((host) => host !== name && dialerOf(host, name) === host).length
    await until(() => server.sockets.size === expected, `${name} has a socket for each that dials it`)
    const dialed = dials.filter((dial) => dial.endsWith(` ${name}`)).length
    assert.deepEqual([server.accepted, server.upgrades], [dialed, dialed], name)
    for (const { host, isDialer } of manager.stats().connections) assert.equal(isDialer, dialerOf(host, name) === name)
  }
  const isRight = (dial: string) => dialerOf(...(dial.split(' ') as [string, string])) === dial.split(' ')[0]
  assert.equal(dials.filter(isRight).length, 10)
  // Who has waited for long, as on a busy machine, tells the one that is to dial it that it is there, once.
  assert.equal(new Set(dials).size, dials.length)
})

it('spellings of a name never make a second connection or socket', async (test) => {
  const servers = new Servers(test)
  const [a, b] = namesInOrder()
  const spelled = [a, b, a.toUpperCase(), `${b}:80`, `${b}/`, b.replace('http', 'ws'), b.replace('http', 'WS')]
  const remote = await servers.node(b, [...spelled].reverse())
  const { manager } = await servers.node(a, spelled)
  await manager.connection(`WS://${b.slice(7).toUpperCase()}:80`).waitForConnect()
  assert.deepEqual(manager.hosts, [b])
  assert.deepEqual(remote.manager.hosts, [a])
  assert.equal(await settled(() => remote.server.accepted), 1)
})

describe('an async iterable of lists of hosts', () => {
  it('connects hosts that appear, and drains and closes those that go', async (test) => {
    const servers = new Servers(test)
    const [a, b] = namesInOrder()
    const remote = await servers.node(b, [a, b])
    const contexts: HandlerContext[] = []
    let finish = (_: string) => {}
    remote.manager.handle(hello, (_, context) => {
      contexts.push(context)
      return new Promise((resolve) => {
        finish = resolve
      })
    })
    const lists = pushable<string[]>({ objectMode: true })
    const { manager } = await servers.node(a, lists)
    assert.deepEqual(manager.hosts, [])
    assert.throws(() => manager.connection(b), { name: 'UnknownHostError' })
    lists.push([a])
    await manager.ready
    assert.deepEqual(manager.hosts, [])
    lists.push([a, b])
    await until(() => manager.hosts.length === 1, 'the host appeared')
    const connection = manager.connection(b)
    await connection.waitForConnect()
    const running = connection.request(hello)
    await until(() => contexts.length === 1, 'a call runs')
    lists.push([a])
    await until(() => manager.hosts.length === 0, 'the host went')
    assert.throws(() => manager.connection(b), { name: 'UnknownHostError' })
    assert.equal(connection.state, 'closed')
    assert.equal((await rejection(connection.request(hello))).delivery, 'notSent')
    finish('in time')
    assert.equal(await running, 'in time')
    await until(() => remote.server.sockets.size === 0, 'its conn is closed')
    assert.match(remote.manager.connection(a).lastError?.message ?? '', /no longer among the hosts of http:\/\/a/)
    lists.push([b])
    await until(() => manager.hosts.length === 1, 'the host came back')
    assert.notEqual(manager.connection(b), connection)
    await manager.connection(b).waitForConnect()
  })

  it('keeps the conn of a host that stays', async (test) => {
    const servers = new Servers(test)
    const [a, b] = namesInOrder()
    const remote = await servers.node(b, [a, b])
    const lists = pushable<Iterable<string>>({ objectMode: true })
    const { manager } = await servers.node(a, lists)
    lists.push([a, b])
    await manager.ready
    const connection = manager.connection(b)
    await connection.waitForConnect()
    lists.push(new Set([b, 'http://c.invalid', a]))
    await until(() => manager.hosts.length === 2, 'the list was taken')
    assert.equal(manager.connection(b), connection)
    assert.equal(connection.state, 'connected')
    assert.equal(remote.server.accepted, 1)
  })

  it('ignores and logs a bad list, and goes on with the one before', async (test) => {
    const log = new LogBook()
    const lists = pushable<unknown>({ objectMode: true })
    const manager = new Servers(test).manager({
      local: 'http://a',
      hosts: lists as AsyncIterable<Iterable<string>>,
      logger: log
    })
    lists.push(['http://b'])
    await manager.ready
    const bad = [['http://c', 'node-1:9000'], 'http://c', 5, null, [{}], ['http://c/path']]
    for (const [at, list] of bad.entries()) {
      lists.push(list)
      await until(() => log.warnings(/a list of hosts is ignored/).length === at + 1, `list ${at} is ignored`)
      assert.deepEqual(manager.hosts, ['http://b'])
    }
    const texts = log.warnings(/a list of hosts is ignored/).map((line) => line.replace(/.*is ignored: /, ''))
    const must = 'a list must be an iterable of host names; it is'
    assert.deepEqual(texts.slice(1, 4), [`${must} a string`, `${must} 5`, `${must} null`])
    lists.push(['http://b', 'http://c'])
    await until(() => manager.hosts.length === 2, 'a good list is taken')
  })

  it('keeps the last list when it ends or fails, and tells of the failure', async (test) => {
    const log = new LogBook()
    const failing = async function* () {
      yield ['http://b']
      throw new Error('the discovery is down')
    }
    const manager = new Servers(test).manager({ local: 'http://a', hosts: failing(), logger: log })
    await manager.ready
    await until(() => log.warnings(/the source of hosts failed: the discovery is down/).length === 1, 'it is told')
    assert.deepEqual(manager.hosts, ['http://b'])
  })

  const listless: readonly (readonly [title: string, hosts: () => unknown, text: RegExp])[] = [
    [
      'throws',
      () => ({ next: () => Promise.reject(new Error('the discovery is down')) }),
      /^the source of hosts failed: the discovery is down$/
    ],
    ['rejects with undefined', () => ({ next: () => Promise.reject() }), /^the source of hosts failed: undefined$/],
    [
      'gives results that are no objects',
      () => ({ next: () => 5 }),
      /^the source of hosts failed: a result of an iterator is not an object$/
    ],
    ['gives no iterator', () => undefined, /^the source of hosts failed: /],
    [
      'throws when it is asked for its iterator',
      () => {
        throw new Error('no iterator')
      },
      /^the source of hosts failed: no iterator$/
    ],
    ['ends', async function* () {}, /^the source of hosts ended without a list of hosts$/],
    [
      'gives a list that is not valid and ends',
      async function* () {
        yield ['node-1:9000']
      },
      /^the source of hosts ended without a list of hosts$/
    ]
  ]
  for (const [title, hosts, text] of listless) {
    it(`that ${title} before its first list rejects ready, is told at error, and knows no host but this one`, async (test) => {
      const log = new LogBook()
      const manager = new Servers(test).manager({
        local: 'http://a',
        hosts: { [Symbol.asyncIterator]: hosts } as AsyncIterable<string[]>,
        logger: log
      })
      assert.throws(() => manager.connection('http://b'), {
        name: 'UnknownHostError',
        message: 'http://b is not known: no list of hosts has arrived yet'
      })
      await rejection(manager.ready)
      // Where code of the user threw, its stack follows.
      const isTold = (line: string) => line.startsWith('error ') && text.test(line.slice(6).split('\n', 1).join())
      await until(() => log.lines.some(isTold), 'it is told')
      const error = await rejection(manager.ready)
      assert.deepEqual([error.name, error.code], ['UnknownHostError', 'ERR_UNKNOWN_HOST'])
      assert.throws(
        () => manager.connection('http://b'),
        (thrown: Error & { delivery?: string }) => {
          const why = (thrown.cause as Error).message
          return text.test(why) && thrown.message === `http://b is not known: ${why}` && thrown.delivery === 'notSent'
        }
      )
      assert.equal(manager.connection('http://a').host, 'http://a')
    })
  }

  it('whose first list is not valid rejects ready, and the next good list is taken and resolves it', async (test) => {
    const log = new LogBook()
    const servers = new Servers(test)
    const [a, b] = namesInOrder()
    await servers.node(b, [a, b])
    const lists = pushable<string[]>({ objectMode: true })
    const { manager } = await servers.node(a, lists, { logger: log })
    const first = rejection(manager.ready)
    lists.push(['node-1:9000'])
    const error = await first
    assert.match(error.message, /^a list of hosts is ignored: host "node-1:9000" must start with/)
    assert.equal((error.cause as Error).name, 'InvalidOptionError')
    assert.equal(await rejection(manager.ready), error)
    assert.equal(log.lines.filter((line) => line === `error ${error.message}`).length, 1)
    lists.push([a, b])
    await until(() => manager.hosts.length === 1, 'the good list is taken')
    await manager.ready
    await manager.connection(b).waitForConnect()
    lists.push(['node-1:9000'])
    await until(() => log.warnings(/a list of hosts is ignored/).length === 2, 'a bad list later is told')
    await manager.ready
  })

  it('is ended by close(), also while it waits for its first list', async (test) => {
    const servers = new Servers(test)
    let ended = 0
    const generator = async function* () {
      try {
        for (;;) yield ['http://b']
      } finally {
        ended++
      }
    }
    const waiting = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<IteratorResult<string[]>>(() => {}),
        return: async () => {
          ended++
          return { done: true as const, value: undefined }
        }
      })
    }
    const paced = pushable<string[]>({ objectMode: true, onEnd: () => ended++ })
    paced.push(['http://b'])
    for (const hosts of [generator(), waiting, paced]) {
      const manager = servers.manager({ local: 'http://a', hosts })
      if (hosts !== waiting) await manager.ready
      const before = ended
      await manager.close()
      await until(() => ended === before + 1, 'the iterator ended')
      await manager.ready
    }
  })

  it('that cannot be ended does not stop close()', async (test) => {
    const log = new LogBook()
    const stubborn = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<IteratorResult<string[]>>(() => {}),
        return: (): Promise<IteratorResult<string[]>> => {
          throw new Error('never')
        }
      })
    }
    const manager = new Servers(test).manager({ local: 'http://a', hosts: stubborn, logger: log })
    await manager.close()
    await until(() => log.warnings(/failed to end: never/).length === 1, 'it is told')
  })
})

it('a host that went is closed at once with its manager, whatever it still runs', async (test) => {
  const servers = new Servers(test)
  const [a, b] = namesInOrder()
  const remote = await servers.node(b, [a, b])
  const contexts: HandlerContext[] = []
  remote.manager.handle(hello, (_, context) => {
    contexts.push(context)
    return new Promise(() => {})
  })
  const lists = pushable<string[]>({ objectMode: true })
  const timersBefore = timers()
  const { manager } = await servers.node(a, lists)
  lists.push([b])
  await manager.ready
  const connection = manager.connection(b)
  await connection.waitForConnect()
  const running = rejection(connection.request(hello))
  await until(() => contexts.length === 1, 'a call runs')
  lists.push([])
  await until(() => manager.hosts.length === 0, 'the host went')
  const closingAt = performance.now()
  await manager.close({ timeout: 10 })
  assert.ok((await running) instanceof DisconnectedError)
  assert.ok(performance.now() - closingAt < paced(5000), 'it waited for the grace of the removal')
  await until(() => timers() <= timersBefore, 'no timer of that grace is left')
  await until(() => contexts[0]?.signal.aborted === true, 'its handler is told')
})
