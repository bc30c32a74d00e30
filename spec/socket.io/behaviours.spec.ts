/**
 * `it-grid/socket.io`: what users of any adapter of Socket.IO for several servers expect, on three servers with a client each.
 *
 * The behaviours are those of the tests of the cluster adapter of `socket.io-adapter`, one spec for each, in the same order.
 */

import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { until } from '../support/until.ts'
import { type Client, type Cluster, heard, openCluster, type Socket, settleAt } from './cluster.ts'

let cluster: Cluster
let clients: Client[]
let sockets: Socket[]

before(async () => {
  cluster = await openCluster(3)
})
after(() => cluster[Symbol.asyncDispose]())

/** Each spec begins with clients that listen to nothing, in no room. */
function begin(): void {
  clients = cluster.clients.slice(0, 3)
  sockets = clients.map((client) => cluster.socketOf(client))
}
afterEach(() => {
  for (const client of cluster.clients) client.removeAllListeners()
  for (const io of cluster.servers) io.removeAllListeners('hello')
  for (const socket of sockets) for (const room of socket.rooms) if (room !== socket.id) socket.leave(room)
})

const client = (index: number) => clients[index] as Client
const socket = (index: number) => sockets[index] as Socket
const io = (index: number) => cluster.at(index)
/** How often each client has heard it. */
const counts = (heards: readonly unknown[][][]) => heards.map(({ length }) => length)
/** Which of the three are in a room. */
const inRoom = (room: string) => sockets.map((each) => each.rooms.has(room))
const settled = () => settleAt(cluster)

describe('broadcast over several servers', () => {
  it('reaches all clients, binary values included', async () => {
    begin()
    const events = clients.map((each) => heard(each, 'test'))
    io(0).emit('test', 1, '2', Buffer.from([3, 4]))
    await settled()
    for (const each of events) assert.deepEqual(each, [[1, '2', Buffer.from([3, 4])]])
  })

  it('reaches all clients of a namespace, and none of another', async () => {
    begin()
    for (const each of cluster.servers) each.of('/custom')
    const members = await Promise.all([0, 1, 2].map((index) => cluster.join(index, '/custom')))
    const events = members.map((each) => heard(each, 'test'))
    const outside = clients.map((each) => heard(each, 'test'))
    io(0).of('/custom').emit('test')
    await until(() => events.every(({ length }) => length === 1), 'all members have it')
    await settled()
    assert.deepEqual([...counts(events), ...counts(outside)], [1, 1, 1, 0, 0, 0])
    for (const each of members) each.disconnect()
  })

  it('reaches all clients of a room, wherever they are, and no others', async () => {
    begin()
    socket(1).join('room1')
    const events = clients.map((each) => heard(each, 'test'))
    io(0).to('room1').emit('test')
    await settled()
    assert.deepEqual(counts(events), [0, 1, 0])
  })

  it('leaves out the clients of a room, wherever they are', async () => {
    begin()
    socket(1).join('room1')
    const events = clients.map((each) => heard(each, 'test'))
    io(0).except('room1').emit('test')
    await settled()
    assert.deepEqual(counts(events), [1, 0, 1])
  })

  it('stays on its server when it is local', async () => {
    begin()
    const events = clients.map((each) => heard(each, 'test'))
    io(0).local.emit('test')
    await settled()
    assert.deepEqual(counts(events), [1, 0, 0])
  })

  it('reaches the clients of its own server when no other one can be reached', async () => {
    await using alone = await openCluster(2)
    const [near, far] = alone.clients.map((each) => heard(each, 'test'))
    await alone.grid.stop(1)
    alone.at(0).emit('test', 1)
    await until(() => near?.length === 1, 'the client of this server has it')
    assert.deepEqual([near, far], [[[1]], []])
  })

  it('gathers an acknowledgement of each client, and keeps nothing of it', async () => {
    begin()
    for (const [index, each] of clients.entries()) each.on('test', (ack: (n: number) => void) => ack(index + 1))
    const responses = await io(0).timeout(60_000).emitWithAck('test')
    assert.deepEqual(responses.sort(), [1, 2, 3])
    await settled()
  })

  it('gathers binary acknowledgements', async () => {
    begin()
    for (const [index, each] of clients.entries()) {
      each.on('test', (ack: (value: Buffer) => void) => ack(Buffer.from([index + 1])))
    }
    const responses: Buffer[] = await io(0).timeout(60_000).emitWithAck('test')
    assert.ok(responses.every((response) => Buffer.isBuffer(response)))
    assert.deepEqual(responses.map(([first]) => first).sort(), [1, 2, 3])
  })

  it('has no acknowledgements where there are no clients, at once', async () => {
    begin()
    assert.deepEqual(await io(0).to('abc').timeout(60_000).emitWithAck('test'), [])
  })

  it('fails at the timeout when a client does not acknowledge, with what the others said', async () => {
    begin()
    client(0).on('test', (ack: (n: number) => void) => ack(1))
    client(1).on('test', (ack: (n: number) => void) => ack(2))
    client(2).on('test', () => undefined)
    const answered = heard(client(2), 'test')
    const [error, responses] = await new Promise<[Error | null, number[]]>((resolve) => {
      // What the two say takes much less than that; the third says nothing.
      io(0)
        .timeout(1000)
        .emit('test', (error: Error | null, responses: number[]) => resolve([error, responses]))
    })
    assert.match(String(error), /timed out/)
    assert.deepEqual(responses.sort(), [1, 2])
    assert.equal(answered.length, 1)
  })

  it('gets the acknowledgement of one client of its own server', async () => {
    begin()
    client(1).on('test', (ack: (n: number) => void) => ack(2))
    const others = [0, 2].map((index) => heard(client(index), 'test'))
    assert.equal(await socket(1).emitWithAck('test'), 2)
    await settled()
    assert.deepEqual(counts(others), [0, 0])
  })

  it('gets the acknowledgement of one client of another server', async () => {
    begin()
    client(1).on('test', (ack: (n: number) => void) => ack(2))
    const others = [0, 2].map((index) => heard(client(index), 'test'))
    const found = await io(0).in(socket(1).id).fetchSockets()
    assert.equal(found.length, 1)
    assert.equal(await found[0]?.timeout(60_000).emitWithAck('test'), 2)
    await settled()
    assert.deepEqual(counts(others), [0, 0])
  })
})

describe('socketsJoin over several servers', () => {
  it('makes all sockets join', async () => {
    begin()
    io(0).socketsJoin('room1')
    await settled()
    assert.deepEqual(inRoom('room1'), [true, true, true])
  })

  it('makes the sockets of a room join another one', async () => {
    begin()
    socket(0).join('room1')
    socket(2).join('room1')
    io(0).in('room1').socketsJoin('room2')
    await settled()
    assert.deepEqual(inRoom('room2'), [true, false, true])
  })

  it('makes one socket of another server join', async () => {
    begin()
    io(0).in(socket(1).id).socketsJoin('room3')
    await settled()
    assert.deepEqual(inRoom('room3'), [false, true, false])
  })
})

describe('socketsLeave over several servers', () => {
  it('makes all sockets leave', async () => {
    begin()
    for (const each of sockets) each.join('room1')
    io(0).socketsLeave('room1')
    await settled()
    assert.deepEqual(inRoom('room1'), [false, false, false])
  })

  it('makes the sockets of a room leave another one', async () => {
    begin()
    socket(0).join(['room1', 'room2'])
    socket(1).join(['room1', 'room2'])
    socket(2).join('room2')
    io(0).in('room1').socketsLeave('room2')
    await settled()
    assert.deepEqual(inRoom('room2'), [false, false, true])
  })

  it('makes one socket of another server leave', async () => {
    begin()
    for (const each of sockets) each.join('room3')
    io(0).in(socket(1).id).socketsLeave('room3')
    await settled()
    assert.deepEqual(inRoom('room3'), [true, false, true])
  })
})

describe('fetchSockets over several servers', () => {
  it('gives all sockets', async () => {
    begin()
    const found = await io(0).fetchSockets()
    assert.deepEqual(found.map(({ id }) => id).sort(), sockets.map(({ id }) => id).sort())
  })

  it('gives one socket of another server, with its handshake, data and rooms', async () => {
    begin()
    socket(1).data = { name: 'Ada' }
    const [found] = await io(0).in(socket(1).id).fetchSockets()
    const { sessionStore: _, ...handshake } = socket(1).handshake as unknown as { sessionStore?: unknown }
    assert.deepEqual(found?.handshake, JSON.parse(JSON.stringify(handshake)))
    assert.deepEqual([found?.data, [...(found?.rooms ?? [])]], [{ name: 'Ada' }, [socket(1).id]])
  })

  it('gives those of its own server when it is local', async () => {
    begin()
    assert.deepEqual(
      (await io(0).local.fetchSockets()).map(({ id }) => id),
      [socket(0).id]
    )
  })
})

describe('serverSideEmit', () => {
  it('tells the other servers, and not the one that says it', async () => {
    begin()
    const events = [0, 1, 2].map((index) => heard(io(index) as unknown as Client, 'hello'))
    io(0).serverSideEmit('hello', 'world', 1, '2')
    await settled()
    assert.deepEqual(events, [[], [['world', 1, '2']], [['world', 1, '2']]])
  })

  it('gathers an answer of each other server', async () => {
    begin()
    io(1).on('hello', (answer) => answer(2))
    io(2).on('hello', (answer) => answer('3'))
    assert.deepEqual((await io(0).serverSideEmitWithAck('hello')).sort(), [2, '3'])
  })

  it('fails at the timeout when a server does not answer, and names it', async () => {
    await using impatient = await openCluster(3, { adapter: { requestsTimeout: 500 }, clients: false })
    impatient.at(1).on('hello', (answer) => answer(2))
    const [error, responses] = await new Promise<[Error | null, number[]]>((resolve) => {
      impatient.at(0).serverSideEmit('hello', (error: Error | null, given: number[]) => resolve([error, given]))
    })
    assert.match(String(error), new RegExp(`no answer within 500 ms from ${impatient.grid.at(2).local}$`))
    assert.deepEqual(responses, [2])
  })

  it('is answered when a server leaves while it is asked', async () => {
    await using leaving = await openCluster(3, { clients: false })
    leaving.at(1).on('hello', (answer) => answer(2))
    leaving.at(2).on('hello', () => leaving.at(2).of('/').adapter.close())
    assert.deepEqual(await leaving.at(0).serverSideEmitWithAck('hello'), [2])
  })
})

// They end the clients of the others.
describe('disconnectSockets over several servers', () => {
  it('disconnects all clients', async () => {
    await using other = await openCluster(3)
    const reasons = other.clients.map((each) => heard(each, 'disconnect'))
    other.at(0).disconnectSockets(true)
    await until(() => reasons.every(({ length }) => length === 1), 'all are disconnected')
    assert.deepEqual(
      reasons.flat(2).filter((reason) => typeof reason === 'string'),
      Array(3).fill('io server disconnect')
    )
  })

  it('comes after what was sent before it', async () => {
    await using other = await openCluster(3)
    const order = other.clients.map((each) => {
      const said: string[] = []
      each.on('bye', () => said.push('bye'))
      each.on('disconnect', () => said.push('disconnect'))
      return said
    })
    other.at(0).emit('bye')
    other.at(0).disconnectSockets(true)
    await until(() => order.every(({ length }) => length === 2), 'all are disconnected')
    assert.deepEqual(order, Array(3).fill(['bye', 'disconnect']))
  })
})
