/**
 * One deadline over everything from the dial, or from the upgrade request, to a usable session; and the cap on handshakes
 * under way.
 */

import assert from 'node:assert/strict'
import { createServer, type Socket } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { type WebSocket, WebSocketServer } from 'ws'
import { subprotocol } from '../../lib/errors/options.ts'
import { insecure, Manager, memoryPair, silentLogger } from '../../lib/index.ts'
import { encodeHello, helloKinds } from '../../lib/peer/hello.ts'
import { paced } from '../support/clock/pace.ts'
import { namesInOrder } from '../support/grid/manager.ts'
import { Servers, TestServer } from '../support/grid/servers.ts'
import { enter } from '../support/raw/dialer.ts'
import { rawSocket, upgradeHead } from '../support/raw/http.ts'
import { WebSocketWire } from '../support/raw/wire.ts'
import { until } from '../support/until.ts'

const limits = { handshakeTimeoutMs: paced(150) }
/** Where something has to be done in time first. */
const ample = { handshakeTimeoutMs: paced(500) }

const noSessionWithin = ({ handshakeTimeoutMs }: typeof limits) =>
  new RegExp(`no session (with http://\\S+ )?within ${handshakeTimeoutMs} ms`)

/** A listener that expects `a`. */
async function listener(test: TestContext, more: object = {}) {
  const servers = new Servers(test)
  const [a, b] = namesInOrder()
  const node = await servers.node(b, [a, b], { limits: { ...limits, ...more } })
  return { servers, a, b, ...node }
}

/** Resolves with the time it took until the other end closed. */
async function timeToClose(socket: Socket): Promise<number> {
  const started = performance.now()
  socket.resume()
  await until(() => socket.destroyed || socket.readableEnded, 'the socket is closed')
  socket.destroy()
  return performance.now() - started
}

describe('the listener closes, at the handshake deadline, a conn', { concurrency: true }, () => {
  it('that was upgraded and stays silent, and logs it once per remote', async (test) => {
    const { server, manager, log } = await listener(test, ample)
    const dialers = await Promise.all([1, 2, 3].map(() => WebSocketWire.open(server.url)))
    assert.equal(manager.stats().pendingHandshakes, 3)
    await until(() => dialers.every(({ closed }) => closed), 'they are closed')
    await until(() => server.sockets.size === 0, 'all sockets are gone')
    assert.deepEqual([manager.stats().pendingHandshakes, manager.stats().refusedHandshakes], [0, 3])
    assert.equal(log.warnings(noSessionWithin(ample)).length, 1)
  })

  it('that sends half a hello, and one that does not answer the close either', async (test) => {
    const { server, manager } = await listener(test, ample)
    const socket = await rawSocket(server.port)
    socket.write(upgradeHead('/grid/v1'))
    await until(() => manager.stats().pendingHandshakes === 1, 'it is under way')
    // The head of a masked binary frame of 100 bytes, and 10 of them.
    socket.write(Buffer.from([0x82, 0x80 | 100, 0, 0, 0, 0, ...Array(10).fill(1)]))
    await timeToClose(socket)
    await until(() => server.sockets.size === 0, 'its socket is gone')
    assert.equal(manager.stats().pendingHandshakes, 0)
  })

  it('that shook hands and never sends its handler table', async (test) => {
    const { server, manager, a, b } = await listener(test, ample)
    const dialer = await WebSocketWire.open(server.url)
    await enter(dialer, { host: a, remote: b })
    assert.equal(manager.connection(a).state, 'connecting')
    await until(() => dialer.closed, 'it is closed')
    assert.match(manager.connection(a).lastError?.message ?? '', /no handler table before the handshake deadline/)
    assert.equal(manager.connection(a).state, 'waiting')
    await until(() => server.sockets.size === 0, 'its socket is gone')
  })
})

describe('the dialer gives up, at the handshake deadline, a conn', { concurrency: true }, () => {
  /** A manager that dials a server of the spec. */
  async function dialing(test: TestContext, onSocket: (socket: Socket) => void) {
    const servers = new Servers(test)
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket))
      onSocket(socket)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    servers.onEnd(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    const address = server.address()
    const [a, b] = namesInOrder()
    servers.urls.set(b, `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`)
    const connection = servers.manager({ local: a, hosts: [a, b], limits }).connection(b)
    return { connection, sockets }
  }

  it('whose TCP accept is followed by silence', async (test) => {
    let accepted = 0
    const { connection, sockets } = await dialing(test, (socket) => {
      accepted++
      socket.resume()
    })
    await until(() => accepted >= 3, 'it tried three times')
    assert.match(connection.lastError?.message ?? '', noSessionWithin(limits))
    assert.ok(sockets.size <= 1, `${sockets.size} sockets`)
  })

  for (const [what, says] of [
    ['whose upgrade is followed by silence', () => {}],
    ['whose hello is answered with half a challenge', (ws: WebSocket) => sendHalf(ws)]
  ] as const) {
    it(what, async (test) => {
      const webSockets = new WebSocketServer({ noServer: true, handleProtocols: () => subprotocol })
      const http = new TestServer()
      http.http.on('upgrade', (request, socket, head) => webSockets.handleUpgrade(request, socket, head, says))
      let accepted = 0
      const { connection, sockets } = await dialing(test, (socket) => {
        accepted++
        http.http.emit('connection', socket)
      })
      await until(() => accepted >= 3, 'it tried three times')
      assert.match(connection.lastError?.message ?? '', noSessionWithin(limits))
      await until(() => sockets.size <= 1, 'the sockets of the tries before are gone')
    })
  }

  function sendHalf(ws: WebSocket): void {
    ws.send(encodeHello(helloKinds.challenge, {}).subarray(0, 1), { fin: false })
  }
})

it('one handshake over maxPendingHandshakes takes the place of the oldest, and live peers do not notice', async (test) => {
  const servers = new Servers(test)
  const { there, listener: node } = await servers.pair(
    {},
    { limits: { maxPendingHandshakes: 3, handshakeTimeoutMs: paced(400) } }
  )
  node.manager.handle('echo', (payload) => payload)
  await there.waitForConnect()
  const { url } = node.server
  const dialers: WebSocketWire[] = []
  for (let n = 0; n < 4; n++) dialers.push(await WebSocketWire.open(url))
  assert.equal(node.manager.stats().pendingHandshakes, 3)
  await until(() => dialers[0]?.closed === true, 'the oldest is closed')
  assert.ok(
    dialers.slice(1).every(({ closed }) => !closed),
    'the others are not'
  )
  assert.equal(Buffer.from(await there.request('echo', Buffer.from('hi'))).toString(), 'hi')
  await until(() => node.manager.stats().pendingHandshakes === 0, 'the deadline makes room')
  assert.equal(there.stats().reconnects, 0)
})

it('whose turn it is to make room is of the address that has most handshakes under way', async () => {
  const manager = new Manager({
    ...{ local: 'http://a.test', hosts: ['http://b.test'], auth: insecure(), logger: silentLogger },
    limits: { maxPendingHandshakes: 3 }
  })
  const cut: string[] = []
  const arrive = (remoteAddress: string) => {
    const [, conn] = memoryPair()
    Object.defineProperty(conn, 'remoteAddress', { value: remoteAddress })
    const abort = conn.abort.bind(conn)
    conn.abort = (error) => {
      cut.push(remoteAddress)
      abort(error)
    }
    manager.incomingConn(conn)
  }
  for (const address of ['10.0.0.1:1', '10.0.0.2:1', '10.0.0.2:2', '10.0.0.2:3', '10.0.0.2:4']) arrive(address)
  assert.deepEqual(cut, ['10.0.0.2:1', '10.0.0.2:2'])
  assert.equal(manager.stats().pendingHandshakes, 3)
  await manager.close({ timeout: 1 })
})

it('close() ends the handshakes that are under way', async (test) => {
  const { server, manager } = await listener(test, { handshakeTimeoutMs: 60_000 })
  const dialers = await Promise.all([WebSocketWire.open(server.url), WebSocketWire.open(server.url)])
  await until(() => manager.stats().pendingHandshakes === 2, 'two are under way')
  await manager.close()
  await until(() => dialers.every(({ closed }) => closed), 'they are closed')
  assert.equal(manager.stats().pendingHandshakes, 0)
})
