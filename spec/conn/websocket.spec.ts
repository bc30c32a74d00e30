/**
 * What is particular to WebSockets: how dials fail, and what a misbehaving remote end gets.
 * The contract of a conn is in conn.spec.ts.
 */

import assert from 'node:assert/strict'
import { EventEmitter, getEventListeners, once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, Socket } from 'node:net'
import { type Duplex, PassThrough } from 'node:stream'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import type { Conn, DialOptions } from '../../lib/conn/conn.ts'
import { connectWS, type WebSocketOptions } from '../../lib/conn/connect-ws.ts'
import { webSocketConn } from '../../lib/conn/websocket.ts'
import { settled, until } from '../support/until.ts'
import { collect, each, message, silent } from './suite.ts'

const maxConnMessageBytes = 100_000

function dialOptions(signal = new AbortController().signal): DialOptions {
  return { signal, path: '/grid/v1', maxConnMessageBytes }
}

let server: Server
let address: string

before(async () => {
  server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

after(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

afterEach(() => server.removeAllListeners('upgrade'))

/** Dials, and gives the accepted WebSocket bare, to misbehave with. */
async function dialBare(options?: WebSocketOptions): Promise<{ conn: Conn; remote: WebSocket; socket: Duplex }> {
  const accept = new WebSocketServer({ noServer: true })
  const accepted = new Promise<{ remote: WebSocket; socket: Duplex }>((resolve) => {
    server.once('upgrade', (request, socket, head) => {
      accept.handleUpgrade(request, socket, head, (remote) => resolve({ remote, socket }))
    })
  })
  const signal = new AbortController()
  const conn = await connectWS(options)(address, dialOptions(signal.signal))
  assert.equal(getEventListeners(signal.signal, 'abort').length, 0)
  return { conn, ...(await accepted) }
}

function assertNoListeners(conn: Conn): void {
  assert.ok(conn.transport instanceof EventEmitter)
  assert.deepEqual(conn.transport.eventNames(), [])
}

describe('webSocketConn', () => {
  let conn: Conn
  let remote: WebSocket
  let socket: Duplex

  beforeEach(async () => {
    const dialed = await dialBare()
    conn = dialed.conn
    remote = dialed.remote
    socket = dialed.socket
  })

  afterEach(async () => {
    conn.abort(new Error('the spec is over'))
    remote.terminate()
    await until(() => (conn.transport as WebSocket).readyState === WebSocket.CLOSED, 'the WebSocket is closed')
    assertNoListeners(conn)
  })

  it('knows its remote end', () => {
    assert.equal(conn.secure, false)
    assert.equal(`http://${conn.remoteAddress}`, address)
  })

  it('ends with a protocol error and code 1003 at a text message, after what came before it', async () => {
    const closed = once(remote, 'close')
    remote.send(message(3, 1))
    remote.send('text')
    remote.send(message(3, 2))
    const reader = conn.source[Symbol.asyncIterator]()
    assert.deepEqual(new Uint8Array((await reader.next()).value), message(3, 1))
    await assert.rejects(reader.next(), { code: 'ERR_PROTOCOL', message: /text message/ })
    assert.equal((await closed)[0], 1003)
  })

  it('ends with a protocol error at an empty message', async () => {
    const closed = once(remote, 'close')
    const sent = assert.rejects(conn.sink(silent()), { code: 'ERR_PROTOCOL' })
    remote.send(new Uint8Array(0))
    await assert.rejects(collect(conn), { code: 'ERR_PROTOCOL', message: /empty message/ })
    await sent
    assert.equal((await closed)[0], 1002)
  })

  it('ends with a protocol error at a message over the limit', async () => {
    const closed = once(remote, 'close')
    remote.send(new Uint8Array(maxConnMessageBytes + 1))
    await assert.rejects(collect(conn), { code: 'ERR_PROTOCOL', message: /Max payload size exceeded/ })
    assert.equal((await closed)[0], 1009)
  })

  it('ends with a protocol error at bytes that are no frame', async () => {
    socket.write(Buffer.alloc(64, 0xff))
    await assert.rejects(collect(conn), { code: 'ERR_PROTOCOL', message: /Invalid WebSocket frame/ })
  })

  const bytes = message(20_000, 7)
  // The header of a frame of the server: binary, its length in two bytes, not masked.
  const head = Buffer.from([0x82, 126, bytes.length >> 8, bytes.length & 0xff])

  it('takes a message in as many fragments as it has bytes, between which others may ping', async () => {
    const messages = collect(conn)
    for (let at = 0; at < bytes.length; at++) {
      remote.send(bytes.subarray(at, at + 1), { fin: at === bytes.length - 1 })
      if (at % 1000 === 0) remote.ping()
    }
    remote.send(message(3, 1))
    remote.close()
    assert.deepEqual(
      (await messages).map((each) => new Uint8Array(each)),
      [bytes, message(3, 1)]
    )
  })

  it('takes a message in as many reads as it has bytes, and holds few pieces of it', async () => {
    const reader = conn.source[Symbol.asyncIterator]()
    const next = reader.next()
    const arrivedBefore = conn.arrivedBytes ?? 0
    const receiver = (conn.transport as unknown as { _receiver: { _buffers: Buffer[] } })._receiver
    let most = 0
    for (const [at, byte] of [...head, ...bytes].entries()) {
      socket.write(Uint8Array.of(byte))
      while ((conn.arrivedBytes ?? 0) - arrivedBefore <= at) await new Promise(setImmediate)
      most = Math.max(most, receiver._buffers.length)
    }
    assert.deepEqual(new Uint8Array((await next).value), bytes)
    assert.ok(most > 1 && most < 32, `${most} pieces`)
  })

  it('ends with a protocol error at more fragments than the largest message has bytes', async () => {
    const closed = once(remote, 'close')
    for (let count = 0; count <= maxConnMessageBytes; count++) remote.send(new Uint8Array(0), { fin: false })
    await assert.rejects(collect(conn), { code: 'ERR_PROTOCOL', message: /Too many message fragments/ })
    assert.equal((await closed)[0], 1008)
  })

  it('ends with a flood error at thousands of pings in a second', async () => {
    for (let count = 0; count < 5000; count += 1) remote.ping()
    await assert.rejects(collect(conn), { code: 'ERR_PROTOCOL', reason: 'flood' })
  })

  it('answers the pings of a proxy, also sixty at once', async () => {
    let pongs = 0
    remote.on('pong', (data) => {
      assert.equal(String(data), 'still there?')
      pongs += 1
    })
    for (let count = 0; count < 100; count += 1) remote.ping('still there?')
    await until(() => pongs === 100, 'all pings are answered')
  })

  it('is lost with the cause when the WebSocket fails for another reason than a frame', async () => {
    const ws = conn.transport as WebSocket
    ws.emit('error', new Error('odd'))
    await assert.rejects(collect(conn), { code: 'ERR_DISCONNECTED', message: 'connection lost: odd' })
  })

  for (const code of [1000, 1001, undefined]) {
    it(`ends cleanly at a close frame with ${code ?? 'no'} code`, async () => {
      remote.send(message(5, 1))
      remote.close(code)
      assert.deepEqual(await collect(conn), [message(5, 1)])
    })
  }

  it('throws what the remote end closed for', async () => {
    remote.close(1008, 'not you')
    await assert.rejects(collect(conn), { code: 'ERR_DISCONNECTED', reason: 'protocol', message: /1008: not you/ })
  })

  it('throws "connection lost" when the socket ends without a close frame', async () => {
    const sent = assert.rejects(conn.sink(silent()), /connection lost/)
    remote.terminate()
    await assert.rejects(collect(conn), { code: 'ERR_DISCONNECTED', reason: 'lost', message: 'connection lost' })
    await sent
  })

  it('closes with code 1000 and as much of the reason as fits, cut at a character', async () => {
    const closed = once(remote, 'close')
    conn.close(`x${'€'.repeat(100)}`)
    const [code, reason] = await closed
    assert.equal(code, 1000)
    assert.equal(reason.toString(), `x${'€'.repeat(40)}`)
  })

  it('sends binary messages that the receiver may alter, with a zero mask', async () => {
    const received = once(remote, 'message')
    const bytes = message(1000, 1)
    await conn.sink(each([bytes]))
    const [data, isBinary] = await received
    assert.equal(isBinary, true)
    assert.deepEqual(new Uint8Array(data), bytes)
    assert.deepEqual(bytes, message(1000, 1))
  })

  it('releases no message where it is not over a socket of Node, whose other end may have passed the memory on', async () => {
    const init = { secure: false, remoteAddress: 'x' }
    for (const [socket, releases] of [[new PassThrough(), false] as const, [new Socket(), true] as const]) {
      const { remote } = await dialBare()
      const conn = webSocketConn(remote, { ...init, socket })
      await conn.sink(each([message(10, 1), message(10, 2)]))
      const released = await settled(() => conn.releasedMessages ?? 0)
      conn.abort(new Error('the spec is over'))
      assert.equal(released, releases ? 2 : 0)
    }
  })

  it('carries messages also where the inside of the WebSocket is that of another version or runtime', async () => {
    for (const inner of [null, undefined, {}]) {
      const { conn, remote, socket } = await dialBare()
      const before = { ...remote } as unknown as Record<string, unknown>
      Object.assign(remote, { _sender: inner, _receiver: inner })
      const far = webSocketConn(remote, { secure: false, remoteAddress: 'x', socket })
      Object.assign(remote, { _sender: before._sender, _receiver: before._receiver })
      const arrived = [collect(conn), collect(far)]
      await Promise.all([conn, far].map((end) => end.sink(each([message(10, 1), message(5000, 2)]))))
      conn.close()
      for (const messages of await Promise.all(arrived)) assert.deepEqual(messages, [message(10, 1), message(5000, 2)])
    }
  })

  it('writes what is not a head and a body of bytes as it is given, such as a ping with a text', async () => {
    for (const text of ['', 'hello']) {
      const pinged = once(remote, 'ping')
      ;(conn.transport as WebSocket).ping(text)
      assert.equal(String((await pinged)[0]), text)
    }
    const written: unknown[] = []
    const sender = { sendFrame: (parts: readonly unknown[]) => void written.push(...parts) }
    const before = Object.entries(remote).find(([key]) => key === '_sender')
    Object.assign(remote, { _sender: sender })
    webSocketConn(remote, { secure: false, remoteAddress: 'x', socket })
    Object.assign(remote, Object.fromEntries([before ?? []]))
    const parts = [message(2, 1), message(10, 2), message(10, 3)]
    sender.sendFrame(parts)
    assert.deepEqual(written, parts)
  })

  it('takes nothing more from its source once a write has failed, which is before the WebSocket knows it', async () => {
    const ws = conn.transport as WebSocket
    let [writes, unsent] = [0, 0]
    Object.defineProperty(ws, 'bufferedAmount', { get: () => unsent })
    ws.send = (_data: unknown, _options: unknown, done?: (error?: Error) => void) => {
      writes++
      unsent = 1_000_000
      setImmediate(() => {
        unsent = 0
        done?.(new Error('write ECONNRESET'))
      })
    }
    const sent = assert.rejects(conn.sink(each([message(10, 1), message(10, 2), message(10, 3)])), /connection lost/)
    assert.equal(await settled(() => writes), 1)
    remote.terminate()
    await sent
  })

  it('takes nothing more from its source once the socket is lost, which is before the WebSocket knows it', async () => {
    const far = webSocketConn(remote, { secure: false, remoteAddress: 'x', socket })
    let pulls = 0
    async function* sent() {
      yield message(10, ++pulls)
      socket.destroy()
      assert.equal(remote.readyState, WebSocket.OPEN)
      while (pulls < 100) yield message(10, ++pulls)
    }
    await assert.rejects(far.sink(sent()), /connection lost/)
    assert.equal(pulls, 2)
  })

  it('is lost at once when the WebSocket was closed before it became a conn', async () => {
    conn.abort(new Error('unused'))
    await once(conn.transport as WebSocket, 'close')
    const dead = webSocketConn(conn.transport as WebSocket, { secure: false, remoteAddress: 'x' })
    await assert.rejects(collect(dead), /connection lost/)
  })
})

describe('the masking of connectWS', () => {
  for (const mask of [false, true]) {
    it(`has a ${mask ? 'random' : 'zero'} key with mask: ${mask}`, async () => {
      const { conn, socket, remote } = await dialBare({ mask })
      const raw = new Promise<Buffer>((resolve) => socket.once('data', resolve))
      await conn.sink(each([Uint8Array.of(1, 2, 3)]))
      const frame = await raw
      assert.deepEqual([...frame.subarray(0, 2)], [0x82, 0x83])
      assert.equal(frame.subarray(2, 6).equals(Buffer.alloc(4)), !mask)
      conn.abort(new Error('the spec is over'))
      remote.terminate()
    })
  }
})
