/** Whoever writes a peer from docs/protocol.md alone can join a grid: handshake, requests, streams, credit, the end. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { rawStreaming } from '../../lib/handler/definition.ts'
import { duplexConn, Manager, sharedSecret, silentLogger } from '../../lib/index.ts'
import { settled, until } from '../support/until.ts'
import { PagePeer } from './page-peer.ts'

const local = 'https://node-2:9000'
const host = 'https://node-1:9000'
const secret = 'correct horse battery staple'
const noBytes = new Uint8Array()
const large = new Uint8Array(150_000).fill(7)
const openOf = (streamId: number, handler: number, text: string, flags = 0x10) =>
  ({
    type: 1,
    flags,
    streamId,
    handler,
    timeoutMs: 0,
    metadata: undefined,
    payload: new TextEncoder().encode(text)
  }) as const

describe('a peer written from docs/protocol.md', () => {
  let manager: Manager
  let server: Server
  let pulls = 0

  async function restart(): Promise<void> {
    await manager?.close({ timeout: 100 })
    manager = new Manager({ local, hosts: [local, host], auth: sharedSecret(secret), logger: silentLogger })
    manager.handle('echo', (payload) => payload)
    manager.handle('fail', () => {
      throw Object.assign(new Error('locked'), { code: 'E_LOCKED' })
    })
    manager.handle(rawStreaming('count', 0, 2), async function* () {
      for (;;) yield Buffer.from(String(++pulls))
    })
    manager.handle(rawStreaming('join', 3, 1), async function* (_payload, requests) {
      let text = ''
      for await (const request of requests as AsyncIterable<Uint8Array>) text += Buffer.from(request)
      yield Buffer.from(text)
    })
    manager.handle(rawStreaming('large', 0, 2), function* () {
      yield large
    })
  }

  before(async () => {
    await restart()
    server = createServer((socket) => manager.incomingConn(duplexConn(socket))).listen(0, '127.0.0.1')
    await once(server, 'listening')
  })

  after(async () => {
    await manager.close({ timeout: 100 })
    server.close()
  })

  async function dial(): Promise<PagePeer> {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    await once(socket, 'connect')
    return new PagePeer(socket)
  }

  /** A session that has exchanged its tables. */
  async function session(understands?: readonly string[]): Promise<PagePeer> {
    const peer = await dial()
    const answer = await peer.handshake(host, local, secret, understands)
    assert.deepEqual([answer.kind, answer.version, answer.host], [4, 1, local])
    peer.send({ type: 7, flags: 0, entries: [{ kind: 0, inCapacity: 0, outCapacity: 1, subroute: '', id: 'mine' }] })
    const table = await peer.next()
    assert.ok(table.type === 7)
    assert.deepEqual(
      table.entries.map(({ id }) => id),
      ['echo', 'fail', 'count', 'join', 'large']
    )
    return peer
  }

  it('is told with a proof why it is refused', async () => {
    const peer = await dial()
    const answer = await peer.handshake('https://stranger', local, secret)
    assert.deepEqual([answer.kind, answer.reason], [5, 'unknownHost'])
    await peer.close()
  })

  it('makes a request and gets its response, and the error of a handler', async () => {
    const peer = await session()
    peer.send(openOf(1, 0, 'hello'))
    assert.deepEqual(await peer.next(), {
      type: 2,
      flags: 0x10,
      streamId: 1,
      payload: new TextEncoder().encode('hello')
    })
    peer.send(openOf(3, 1, ''))
    const error = await peer.next()
    assert.ok(error.type === 2 && error.flags === 0x50 && error.streamId === 3)
    peer.send(openOf(7, 99, ''))
    let refusal = await peer.next()
    // Behind an error a responder may say that it takes no more; the handler takes nothing here.
    while (refusal.type === 4 && refusal.streamId === 3) refusal = await peer.next()
    assert.ok(refusal.type === 4 && refusal.streamId === 7 && refusal.code === 3)
    await peer.close()
  })

  it('answers a request in fragments', async () => {
    const peer = await session()
    await until(() => manager.connection(host).state === 'connected', 'connected')
    const reply = manager.connection(host).request('mine', Buffer.from('question'))
    const open = await peer.next()
    assert.ok(open.type === 1 && open.streamId === 2 && open.handler === 0 && open.timeoutMs > 59_000)
    const half = (flags: number, text: string) =>
      ({ type: 2, flags, streamId: 2, payload: new TextEncoder().encode(text) }) as const
    peer.send(half(0x20, 'an'), half(0x20, 'sw'))
    peer.send(half(0x10, 'er'))
    assert.equal(Buffer.from(await reply).toString(), 'answer')
    await peer.close()
  })

  it('gets as many responses as its window has, then one for each that it grants, and can stop', async () => {
    const peer = await session()
    peer.send(openOf(1, 2, ''))
    for (const text of ['1', '2']) {
      assert.deepEqual(await peer.next(), { type: 2, flags: 0, streamId: 1, payload: new TextEncoder().encode(text) })
    }
    assert.equal(await settled(() => pulls), 2)
    peer.send({ type: 3, flags: 0, streamId: 1, messages: 1, bytes: 1 })
    assert.deepEqual(await peer.next(), { type: 2, flags: 0, streamId: 1, payload: new TextEncoder().encode('3') })
    assert.equal(await settled(() => pulls), 3)
    peer.send({ type: 4, flags: 0, streamId: 1, code: 1, text: '' })
    await until(() => manager.stats().connections[0]?.session?.runningHandlers === 0, 'the handler has ended')
    await peer.close()
  })

  it('gets a message larger than its window a fragment at a time, as it lends bytes and no messages', async () => {
    const peer = await session()
    peer.send(openOf(1, 4, ''))
    // Its window is 1000 bytes, and one frame may overdraw it.
    let [arrived, left] = [0, 1000]
    for (;;) {
      const frame = await peer.next()
      assert.ok(frame.type === 2 && frame.streamId === 1)
      arrived += frame.payload.length
      left -= frame.payload.length
      if (frame.flags === 0) break
      assert.deepEqual([frame.flags, frame.payload.length], [0x20, 65_536])
      // What it was overdrawn by does not let it go on; one byte more does.
      peer.send({ type: 3, flags: 0, streamId: 1, messages: 0, bytes: -left }, { type: 5, flags: 0, token: arrived })
      assert.deepEqual(await peer.next(), { type: 6, flags: 0, token: arrived })
      peer.send({ type: 3, flags: 0, streamId: 1, messages: 0, bytes: 1 })
      left = 1
    }
    assert.equal(arrived, large.length)
    peer.send({ type: 3, flags: 0, streamId: 1, messages: 1, bytes: 1000 - left })
    assert.deepEqual(await peer.next(), { type: 2, flags: 0x90, streamId: 1, payload: noBytes })
    await peer.close()
  })

  it('sends requests as far as it has credit, and ends its half', async () => {
    const peer = await session()
    peer.send(openOf(1, 3, '', 0))
    let credit = 3
    for (const text of 'abcdefgh') {
      while (credit === 0) {
        const frame = await peer.next()
        assert.ok(frame.type === 3 && frame.streamId === 1)
        credit += frame.messages
      }
      credit--
      peer.send({ type: 2, flags: 0, streamId: 1, payload: new TextEncoder().encode(text) })
    }
    peer.send({ type: 2, flags: 0x90, streamId: 1, payload: noBytes })
    let frame = await peer.next()
    while (frame.type === 3) frame = await peer.next()
    assert.deepEqual(frame, { type: 2, flags: 0, streamId: 1, payload: new TextEncoder().encode('abcdefgh') })
    // A generator is pulled only against credit, also for its end.
    peer.send({ type: 3, flags: 0, streamId: 1, messages: 1, bytes: 8 })
    assert.deepEqual(await peer.next(), { type: 2, flags: 0x90, streamId: 1, payload: noBytes })
    await peer.close()
  })

  it('that understands no grace is not told of one, and one that does is told', async () => {
    for (const [understands, told] of [
      [undefined, { flags: 0, graceMs: undefined }],
      [['other'], { flags: 0, graceMs: undefined }],
      [['goAwayGrace', 'other'], { flags: 0x80, graceMs: 1000 }]
    ] as const) {
      await restart()
      const peer = await session(understands)
      await until(() => manager.connection(host).state === 'connected', 'connected')
      peer.send(openOf(1, 3, '', 0))
      await until(() => manager.stats().connections[0]?.session?.runningHandlers === 1, 'a handler runs')
      const closing = manager.close({ timeout: 1000 })
      const text = `${local} is shutting down`
      assert.deepEqual(await peer.next(), { type: 8, code: 0, lastStreamId: 1, text, ...told })
      peer.send({ type: 4, flags: 0, streamId: 1, code: 1, text: '' })
      await closing
      await peer.close()
    }
  })
})
