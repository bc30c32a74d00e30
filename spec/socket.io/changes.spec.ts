/** `it-grid/socket.io` while the grid changes: hosts that come and go, sessions that are renewed, servers that are too slow or far older. */

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { type AdapterOptions, createAdapter } from 'it-grid/socket.io'
import { testGrid } from 'it-grid/testing'
import { Server } from 'socket.io'
import { bytes, insecure, type Manager, silentLogger, streaming } from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { Gate } from '../support/gate.ts'
import { openGrid } from '../support/grid/grid.ts'
import { LogBook, testManager } from '../support/grid/manager.ts'
import { TestServer } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'
import { quickly } from './cluster.ts'

const opened: Server[] = []

/** Without clients: servers speak with each other. */
function serve(grid: Manager, options: AdapterOptions = quickly): Server {
  const io = new Server({ adapter: createAdapter(grid, options) })
  opened.push(io)
  io.on('ask', (answer: (text: string) => void) => answer(grid.local))
  return io
}

const close = (io: Server) => io.of('/').adapter.close()
after(() => Promise.all(opened.map(close)))

const count = (io: Server) => io.of('/').adapter.serverCount()
const counted = (io: Server, servers: number) =>
  until(async () => (await count(io)) === servers, `it knows ${servers} servers`)
const ask = async (io: Server): Promise<unknown[]> => (await io.serverSideEmitWithAck('ask')).sort()

describe('an adapter', () => {
  it('that is made before there is a list of hosts works for its own server, and for the others when they are there', async () => {
    const servers = [new TestServer(), new TestServer()]
    for (const server of servers) await server.listen()
    const hosts = servers.map(({ url }) => url)
    const gate = new Gate()
    async function* lists() {
      await gate.opened
      yield hosts
      await new Promise(() => undefined)
    }
    const managers = servers.map(({ url, http }) => {
      const manager = testManager({ local: url, hosts: lists() })
      manager.attach(http)
      return manager
    })
    const ios = managers.map((manager) => serve(manager)) as [Server, Server]
    assert.equal(await count(ios[0]), 1)
    assert.deepEqual(await ask(ios[0]), [])
    assert.deepEqual(await ios[0].timeout(60_000).emitWithAck('nobody is there'), [])
    gate.open()
    for (const io of ios) await counted(io, 2)
    assert.deepEqual(await ask(ios[0]), [hosts[1]])
    await Promise.all(managers.map((manager) => manager.close({ timeout: 1 })))
    await Promise.all(servers.map((server) => server.end()))
  })

  it('is not counted, and not waited for, where a server has none', async () => {
    await using grid = await openGrid(3)
    const [io] = [serve(grid.at(0)), serve(grid.at(1))]
    await counted(io, 2)
    assert.deepEqual(await ask(io), [grid.at(1).local])
    for (const each of opened.splice(0)) close(each)
  })

  it('of a kind that never answers is waited for until the time is over, and named', async () => {
    await using grid = await openGrid(3)
    const io = serve(grid.at(0), { requestsTimeout: 500 })
    serve(grid.at(1))
    const silent = streaming<unknown, Uint8Array, Uint8Array>('socket.io.cluster', {
      request: bytes(),
      response: bytes()
    })
    grid.at(2).handle(silent, async (_hello, requests) => {
      for await (const _ of requests);
    })
    await counted(io, 3)
    await assert.rejects(ask(io), new RegExp(`no answer within 500 ms from ${grid.at(2).local}$`))
    for (const each of opened.splice(0)) close(each)
  })

  it('reads what it does not know of a later one without harm, and says that it cannot be asked', async () => {
    await using grid = await openGrid(2)
    const log = new LogBook()
    const io = serve(grid.at(0), { ...quickly, logger: log })
    const stream = grid
      .at(1)
      .connection(grid.at(0).local)
      .newStream(
        streaming<{ later: boolean }, Uint8Array, Uint8Array>('socket.io.cluster', {
          ...{ request: bytes(), response: bytes() }
        }),
        { later: true },
        { waitForReady: true }
      )
    const say = (word: unknown) => stream.send(toBytes([word]))
    await stream.send(Uint8Array.of(0, 255, 255, 255, 255))
    await stream.send(Uint8Array.of(0, 9))
    await say({ nsp: '/', uid: 'x', type: 99, data: { later: true } })
    await say(null)
    await say({ nsp: '/', uid: 'x', type: 3 })
    await say({ nsp: '/', uid: 'x', type: 99, data: { requestId: 'a' } })
    await say({ nsp: '/', uid: 'x', type: 9, within: 1000, data: { requestId: 'b', packet: ['ask'] } })
    const replies: unknown[] = []
    for await (const part of stream) {
      replies.push(fromBytes(part))
      if (replies.length === 2) break
    }
    assert.deepEqual(replies, [
      { id: 'a', type: 'error', value: 'it cannot be asked 99' },
      { id: 'b', type: 'value', value: grid.at(0).local }
    ])
    assert.ok(log.warnings(/cannot be read/).length > 0)
    assert.equal(opened.splice(opened.indexOf(io), 1).map(close).length, 1)
  })

  it('reads the streams of a host one after the other, as they were opened: what a renewed session brings comes last', async () => {
    await using grid = await openGrid(2)
    const io = serve(grid.at(0))
    const heard: string[] = []
    io.on('text', (text: string) => heard.push(text))
    const plain = streaming<void, Uint8Array, Uint8Array>('socket.io.cluster', { request: bytes(), response: bytes() })
    const peer = grid.at(1).connection(grid.at(0).local)
    const [first, second] = [0, 1].map(() => peer.newStream(plain, undefined, { waitForReady: true }))
    if (first === undefined || second === undefined) assert.fail()
    const say = (text: string) => toBytes([{ nsp: '/', uid: 'x', type: 9, data: { packet: ['text', text] } }])
    await first.send(say('first'))
    await second.send(say('third'))
    await until(() => heard.length > 0, 'the first has come')
    // On the same conn: had it been read, it would have been heard before this.
    await first.send(say('second'))
    await until(() => heard.length > 1, 'the second has come')
    assert.deepEqual(heard, ['first', 'second'])
    first.requests.end()
    await until(() => heard.length > 2, 'the third has come')
    assert.deepEqual(heard, ['first', 'second', 'third'])
    second.requests.end()
    for (const each of opened.splice(0)) close(each)
  })
})

/** As in the page: the byte of a last part, the length of the text, the text. */
function toBytes(value: unknown): Uint8Array {
  const text = Buffer.from(JSON.stringify(value))
  const head = Buffer.alloc(5)
  head.writeUInt32LE(text.length, 1)
  return Buffer.concat([head, text])
}

function fromBytes(part: Uint8Array): unknown {
  return JSON.parse(Buffer.from(part.subarray(5)).toString())[0]
}

describe('a host', () => {
  it('that comes into the list is a server of the cluster, and one that leaves it is none', async () => {
    const servers = [new TestServer(), new TestServer(), new TestServer()]
    for (const server of servers) await server.listen()
    const all = servers.map(({ url }) => url)
    const gates = [new Gate(), new Gate()]
    async function* lists() {
      yield all.slice(0, 2)
      await gates[0]?.opened
      yield all
      await gates[1]?.opened
      yield all.slice(0, 2)
      await new Promise(() => undefined)
    }
    const managers = servers.map(({ url, http }, index) => {
      const manager = testManager({ local: url, hosts: index === 2 ? all : lists() })
      manager.attach(http)
      return manager
    })
    const ios = managers.map((manager) => serve(manager)) as [Server, Server, Server]
    await counted(ios[0], 2)
    gates[0]?.open()
    for (const io of ios) await counted(io, 3)
    assert.deepEqual(await ask(ios[0]), all.slice(1).sort())
    gates[1]?.open()
    await counted(ios[0], 2)
    assert.deepEqual(await ask(ios[0]), [all[1]])
    await Promise.all(managers.map((manager) => manager.close({ timeout: 1 })))
    await Promise.all(servers.map((server) => server.end()))
  })
})

describe('a session', () => {
  it('that is renewed loses nothing that was said, leaves its order, and costs no server its place', async () => {
    // Renewed after half of that.
    const auth = { ...insecure(), verify: () => ({ expiresAt: Date.now() + paced(4000) }) }
    await using grid = await openGrid(2, { auth })
    const ios = [serve(grid.at(0)), serve(grid.at(1))] as [Server, Server]
    for (const io of ios) await counted(io, 2)
    const heard: number[][] = [[], []]
    for (const [index, io] of ios.entries()) io.on('number', (n: number) => void heard[index]?.push(n))
    let n = 0
    // Both streams are on the new session, where nothing else is.
    const hasMoved = () =>
      grid.managers.every(({ connections }) => {
        const { reconnects, session } = connections[0]?.stats() ?? {}
        return (reconnects ?? 0) >= 1 && session?.outboundStreams === 1 && session.inboundStreams === 1
      })
    let answers = 0
    while (!hasMoved() || answers < 10) {
      for (const io of ios) io.serverSideEmit('number', n)
      n++
      assert.deepEqual([await count(ios[0]), await count(ios[1])], [2, 2])
      if (n % 10 === 0) {
        assert.deepEqual(await ask(ios[0]), [grid.at(1).local])
        answers++
      }
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    // On the new session, and after all that was said on the old one.
    for (const io of ios) await ask(io)
    const expected = Array.from({ length: n }, (_, at) => at)
    assert.deepEqual(heard, [expected, expected])
    for (const each of opened.splice(0)) close(each)
  })
})

describe('a server that reads too slowly', () => {
  it('fills no memory beyond maxQueuedBytes: what waits for it is lost, the others are told, and it is there again when it reads', async () => {
    await using grid = await testGrid(3, { options: { logger: silentLogger } })
    const log = new LogBook()
    const ios = grid.grids.map((each) => serve(each, { ...quickly, maxQueuedBytes: 200_000, logger: log }))
    const io = ios[0] as Server
    await counted(io, 3)
    const heard = [0, 0, 0]
    for (const [index, each] of ios.entries()) {
      each.on('bulk', () => {
        heard[index] = (heard[index] ?? 0) + 1
      })
    }
    grid.stall(1, 0)
    const asked = io.serverSideEmitWithAck('ask')
    asked.catch(() => undefined)
    let said = 0
    const chunk = 'x'.repeat(10_000)
    while ((await count(io)) === 3 && said < 10_000) {
      io.serverSideEmit('bulk', chunk)
      said++
      // The other one is to keep up.
      await until(() => heard[2] === said, 'the server that reads has it')
    }
    // What the conn, the window and the queue take.
    assert.ok(said < 200, `${said} of 10 kB were said before it was given up`)
    await assert.rejects(asked, /reads too slowly: more than 200000 bytes wait to be sent to it/)
    assert.equal(log.warnings(/what waited for .* is lost/).length, 1)
    assert.deepEqual(await ask(io), [grid.grids[2]?.local])
    await grid.heal()
    await counted(io, 3)
    assert.deepEqual(await ask(io), [1, 2].map((index) => grid.grids[index]?.local).sort())
    for (const each of opened.splice(0)) close(each)
  })
})
