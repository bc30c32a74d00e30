/** `it-grid/socket.io` and what is odd: names, values, servers that lack something, listeners that throw, options that cannot be. */

import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { createAdapter } from 'it-grid/socket.io'
import { Server } from 'socket.io'
import { bytes, InvalidOptionError, streaming } from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { LogBook } from '../support/grid/manager.ts'
import { until } from '../support/until.ts'
import { type Cluster, heard, openCluster, quickly, settleAt } from './cluster.ts'

const log = new LogBook()
let cluster: Cluster
before(async () => {
  cluster = await openCluster(2, { adapter: { logger: log } })
})
after(() => cluster[Symbol.asyncDispose]())
beforeEach(() => {
  for (const client of cluster.clients) client.removeAllListeners()
  for (const io of cluster.servers) io.removeAllListeners('ask')
})

const io = (index: number) => cluster.at(index)
const both = () => cluster.clients.map((client) => heard(client, 'test'))
const settled = () => settleAt(cluster)

/** Answers of the other server. */
async function ask(from: number, ...args: unknown[]): Promise<unknown[]> {
  return await io(from).serverSideEmitWithAck('ask', ...args)
}

describe('rooms with odd names', () => {
  const names = {
    'the empty name': '',
    'a key of every object': '__proto__',
    'another one': 'constructor',
    'a name with commas and quotes': 'a,b","c',
    'a name of other scripts': 'комната 房间 🏠',
    'half of a character': 'x\ud83d',
    'a NUL': 'a\0b',
    'a very long name': 'x'.repeat(100_000)
  }
  for (const [what, name] of Object.entries(names)) {
    it(`are rooms as others: ${what}`, async () => {
      const [mine, theirs] = cluster.clients.map((client) => cluster.socketOf(client))
      theirs?.join(name)
      const events = both()
      io(0).to(name).emit('test', name)
      io(0).in(name).socketsJoin('found')
      await settled()
      assert.deepEqual(events, [[], [[name]]])
      assert.deepEqual([mine?.rooms.has('found'), theirs?.rooms.has('found')], [false, true])
      io(0).in(name).socketsLeave('found')
      io(0).socketsLeave(name)
      await settled()
      assert.deepEqual([...(theirs?.rooms ?? [])], [theirs?.id])
    })
  }
})

describe('events', () => {
  const shared = { at: new Date(0) }
  const values: Readonly<Record<string, () => unknown[]>> = {
    nothing: () => [],
    'undefined, null, NaN': () => [undefined, null, Number.NaN, [undefined]],
    'a date, and the same object twice': () => [new Date(0), shared, shared],
    'an object with toJSON': () => [{ toJSON: () => ({ id: 7 }) }],
    'a Map and an instance': () => [
      new Map([[1, 2]]),
      new (class Point {
        x = 1
      })()
    ],
    'own keys such as __proto__': () => [JSON.parse('{"__proto__":{"a":1},"constructor":2}')],
    'binary values in places such as __proto__': () => [
      {
        ...JSON.parse('{"a":[{}]}'),
        b: Buffer.from([1]),
        c: [new Uint8Array([2, 3]).buffer, { d: new Uint8Array(0) }]
      },
      Object.defineProperty({}, '__proto__', { value: Buffer.from([9]), enumerable: true })
    ],
    'views of wider numbers': () => [new Uint16Array([1, 2]), new DataView(new ArrayBuffer(3), 1)],
    'what looks like a placeholder of the parser': () => [{ _placeholder: true, num: 'x' }],
    'more than a part of a message': () => ['ä'.repeat(100_000), Buffer.alloc(300_000, 7)]
  }
  for (const [what, make] of Object.entries(values)) {
    it(`are the same at clients of other servers as at those of this one: ${what}`, async () => {
      const events = both()
      io(0).emit('test', ...make())
      await settled()
      assert.equal(events[0]?.length, 1)
      assert.deepEqual(events[1], events[0])
    })
  }

  it('that are circular throw where they are emitted, reach nobody, and break nothing', async () => {
    const circle: unknown[] = []
    circle.push({ circle })
    const events = both()
    assert.throws(() => io(0).emit('test', circle), TypeError)
    assert.throws(() => io(0).emit('test', Buffer.alloc(1), circle), TypeError)
    assert.throws(() => io(0).serverSideEmit('ask', circle), TypeError)
    await assert.rejects(ask(0, circle), TypeError)
    // Socket.IO leaves its timer running then.
    await assert.rejects(io(0).timeout(1000).emitWithAck('test', circle), TypeError)
    io(0).emit('test', 'after it')
    await settled()
    assert.deepEqual(events, [[['after it']], [['after it']]])
  })

  it('that JSON cannot say throw where they are emitted, as with one server', async () => {
    assert.throws(() => io(0).emit('test', 1n), TypeError)
  })

  it('larger than what may wait for a server throw where they are emitted', async () => {
    await using small = await openCluster(2, { adapter: { maxQueuedBytes: 100_000 } })
    const events = small.clients.map((client) => heard(client, 'test'))
    assert.throws(
      () => small.at(0).emit('test', 'x'.repeat(100_001)),
      /are more than maxQueuedBytes of the adapter, 100000/
    )
    small.at(0).emit('test', 'x'.repeat(90_000))
    await settleAt(small)
    assert.deepEqual(
      events.map(({ length }) => length),
      [1, 1]
    )
  })

  it('with an acknowledgement that are local are answered when the clients of this server have answered', async () => {
    cluster.clients[0]?.on('test', (ack: (n: number) => void) => ack(1))
    assert.deepEqual(await io(0).local.timeout(60_000).emitWithAck('test'), [1])
  })

  it('keep their order beside joins and leaves, on all servers', async () => {
    const events = both()
    for (let n = 0; n < 20; n++) {
      io(0).socketsJoin('room')
      io(0).to('room').emit('test', n)
      io(0).socketsLeave('room')
      io(0).to('room').emit('test', 'nobody is there')
    }
    await settled()
    const expected = Array.from({ length: 20 }, (_, n) => [n])
    assert.deepEqual(events, [expected, expected])
  })
})

describe('a server that is asked', () => {
  it('answers with an error when its listener throws, which it logs, and goes on', async () => {
    io(1).on('ask', () => {
      throw new Error('a mistake of the listener')
    })
    await assert.rejects(ask(0), new RegExp(`${cluster.grid.at(1).local} cannot answer: a mistake of the listener`))
    assert.equal(log.warnings(/a mistake of the listener/).length, 1)
    io(1)
      .removeAllListeners('ask')
      .on('ask', (answer) => answer('goes on'))
    assert.deepEqual(await ask(0), ['goes on'])
  })

  it('answers with an error whatever its listener or its answer throws', async () => {
    for (const thrown of [undefined, null, Object.create(null)]) {
      const fail = () => {
        throw thrown
      }
      io(1).removeAllListeners('ask').on('ask', fail)
      await assert.rejects(ask(0), /cannot answer: (undefined|null|an error without a readable message)/)
      io(1)
        .removeAllListeners('ask')
        .on('ask', (answer) => answer({ toJSON: fail }))
      await assert.rejects(ask(0), /its answer cannot be sent: /)
    }
  })

  it('answers with an error when its answer cannot be sent', async () => {
    io(1).on('ask', (answer) => answer(1n))
    await assert.rejects(ask(0), /its answer cannot be sent: .*BigInt/)
  })

  it('answers with an error when the data of its sockets cannot be sent', async () => {
    const [, theirs] = cluster.clients.map((client) => cluster.socketOf(client))
    if (theirs === undefined) assert.fail()
    theirs.data = { theirs }
    await assert.rejects(io(0).fetchSockets(), /its answer cannot be sent/)
    theirs.data = {}
    assert.equal((await io(0).fetchSockets()).length, 2)
  })

  it('answers once, though its listener does so twice', async () => {
    io(1).on('ask', (answer) => {
      answer(1)
      answer(2)
    })
    assert.deepEqual(await ask(0), [1])
  })

  it('may take any time where requestsTimeout is Infinity, and has it where the call says 0', {
    timeout: paced(20_000)
  }, async () => {
    await using patient = await openCluster(2, {
      adapter: { requestsTimeout: Number.POSITIVE_INFINITY },
      clients: false
    })
    patient.at(1).on('ask', (answer) => setTimeout(answer, 20, 'late'))
    assert.deepEqual(await patient.at(0).serverSideEmitWithAck('ask'), ['late'])
    assert.deepEqual(await patient.at(0).timeout(0).fetchSockets(), [])
  })

  it('gives answers that are larger than a message of the grid', async () => {
    io(1).on('ask', (answer) => answer(Buffer.alloc(20 * 1024 * 1024, 5)))
    const [answer] = (await ask(0)) as [Buffer]
    assert.ok(answer.equals(Buffer.alloc(20 * 1024 * 1024, 5)))
  })

  it('leaves nothing that waits when it has answered', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    io(1).on('ask', (answer) => answer(1))
    for (const client of cluster.clients) client.on('test', (ack: () => void) => ack())
    await settled()
    const before = timers()
    for (let n = 0; n < 10; n++) {
      await ask(0)
      await io(0).fetchSockets()
      await io(0).timeout(60_000).emitWithAck('test')
    }
    assert.ok(timers() < before + 10, `${timers()} timers, ${before} before`)
  })
})

describe('a namespace that only some servers have', () => {
  it('is asked there, and the others are not waited for', async () => {
    io(0).of('/here')
    const events = heard(await cluster.join(0, '/here'), 'test')
    assert.deepEqual(await io(0).of('/here').serverSideEmitWithAck('ask'), [])
    assert.equal((await io(0).of('/here').fetchSockets()).length, 1)
    assert.deepEqual(await io(0).of('/here').to('nobody').timeout(60_000).emitWithAck('test'), [])
    io(0).of('/here').emit('test')
    await until(() => events.length === 1, 'its client has it')
  })

  it('is one namespace when another server has one of its name, however it came to be', async () => {
    io(0).of('/room-7')
    io(1).of(/^\/room-\d+$/)
    const events = heard(await cluster.join(1, '/room-7'), 'test')
    io(0).of('/room-7').emit('test', 'hello')
    await until(() => events.length === 1, 'the client of the dynamic one has it')
    assert.equal((await io(0).of('/room-7').fetchSockets()).length, 1)
  })
})

describe('servers that come and go', () => {
  it('are found when they run Socket.IO, also long after they are connected', async () => {
    const log = new LogBook()
    await using late = await openCluster(3, { clients: false })
    await late.at(2).close()
    await late.joined(2, late.servers.slice(0, 2))
    const again = await late.serve(2, { ...quickly, logger: log })
    again.on('ask', (answer) => answer('here'))
    late.at(1).on('ask', (answer) => answer('here'))
    await late.joined(3)
    assert.deepEqual(await late.at(0).serverSideEmitWithAck('ask'), ['here', 'here'])
    assert.deepEqual(log.lines, [])
  })

  it('that say what cannot be read are an error of who asks them', async () => {
    const log = new LogBook()
    await using cluster = await openCluster(2, { adapter: { requestsTimeout: 300, logger: log }, clients: false })
    await cluster.at(1).close()
    await cluster.joined(1, [cluster.at(0)])
    const other = streaming<unknown, Uint8Array, Uint8Array>('socket.io.cluster', {
      request: bytes(),
      response: bytes()
    })
    cluster.grid.at(1).handle(other, async function* (_hello, requests) {
      for await (const _ of requests) yield Uint8Array.of(0, 1, 2, 3)
    })
    await cluster.joined(2, [cluster.at(0)])
    await assert.rejects(cluster.at(0).serverSideEmitWithAck('ask'), /what it says cannot be read/)
  })
})

describe('what cannot be', () => {
  it('is refused where the Socket.IO server is made: connectionStateRecovery', () => {
    const adapter = createAdapter(cluster.grid.at(0), { subroute: 'other' })
    assert.throws(() => new Server({ adapter, connectionStateRecovery: {} }), /connectionStateRecovery cannot be kept/)
  })

  it('is refused where the Socket.IO server is made: another one in this process without a subroute', () => {
    const adapter = createAdapter(cluster.grid.at(0))
    assert.throws(() => new Server({ adapter }), { code: 'ERR_HANDLER_EXISTS' })
  })

  it('is refused where the Socket.IO server is made: the adapter of another one', () => {
    const adapter = createAdapter(cluster.grid.at(0), { subroute: 'one' })
    const first = new Server({ adapter })
    assert.throws(() => new Server({ adapter }), /another Socket.IO server of this process has \//)
    first.of('/').adapter.close()
  })

  it('is refused where the adapter is made: options that there are not', () => {
    const grid = cluster.grid.at(0)
    const wrong: [unknown, RegExp][] = [
      [{ requestTimeout: 1 }, /has no option "requestTimeout"; it has requestsTimeout/],
      [{ requestsTimeout: 0 }, /requestsTimeout of createAdapter\(\) must be above 0/],
      [{ requestsTimeout: Number.NaN }, /must be above 0/],
      [{ maxQueuedBytes: '1' }, /must be a number/],
      [{ subroute: 7 }, /must be a string/],
      [null, /must be an object/]
    ]
    for (const [options, text] of wrong) {
      assert.throws(
        () => createAdapter(grid, options as never),
        (error) => InvalidOptionError.is(error) && text.test((error as Error).message)
      )
    }
    assert.throws(() => createAdapter({} as never), InvalidOptionError)
  })

  it('is kept apart by a subroute: two Socket.IO servers in each process', async () => {
    await using other = await openCluster(2, { adapter: { subroute: 'a/b' } })
    const more = [0, 1].map((index) => new Server({ adapter: createAdapter(other.grid.at(index), { subroute: 'c' }) }))
    await other.joined(2, more)
    more[1]?.on('ask', (answer) => answer('c'))
    other.at(1).on('ask', (answer) => answer('b'))
    assert.deepEqual(await more[0]?.serverSideEmitWithAck('ask'), ['c'])
    assert.deepEqual(await other.at(0).serverSideEmitWithAck('ask'), ['b'])
    for (const each of more) each.of('/').adapter.close()
  })
})
