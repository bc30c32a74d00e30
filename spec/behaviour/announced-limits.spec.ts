/**
 * What a peer announced binds this side: nothing is sent that the peer would refuse, the conn lives, and nothing else of the
 * grid is touched.
 */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import {
  bytes,
  type Connection,
  canonicalHost,
  type Limits,
  type Manager,
  MessageTooLargeError,
  streaming
} from '../../lib/index.ts'
import { Gate } from '../support/gate.ts'
import { assertIdle } from '../support/grid/nothing-left.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const fragmentBytes = 64 * 1024
const raw = { payload: bytes(), request: bytes(), response: bytes() }
const chat = streaming<Uint8Array, Uint8Array, Uint8Array>('chat', raw)

/** Two servers of which one, dialing or not, has limits of its own; `large` is the other one. */
async function pair(test: TestContext, ofSmall: Partial<Limits>, small: 'dialer' | 'listener') {
  const servers = new Servers(test)
  const options = { limits: ofSmall }
  const { dialer, listener, there, back } = await servers.pair(
    small === 'dialer' ? options : {},
    small === 'listener' ? options : {}
  )
  const nodes = small === 'dialer' ? { small: dialer, large: listener } : { small: listener, large: dialer }
  /** From the small to the large one, and the other way round. */
  const calls = small === 'dialer' ? { fromSmall: there, toSmall: back } : { fromSmall: back, toSmall: there }
  const connected = () => Promise.all([there.waitForConnect(), back.waitForConnect()])
  return { ...nodes, ...calls, connected, cut: () => listener.server.cut() }
}

function answer(manager: Manager, ...ids: readonly string[]): void {
  for (const id of ids) manager.handle(id, () => Buffer.from(id))
}

async function textOf(call: Promise<Uint8Array>): Promise<string> {
  return Buffer.from(await call).toString()
}

/** The name of the error of a call at each of these handlers, or its answer. */
async function ask(peer: Connection, ids: readonly string[]): Promise<string[]> {
  return await Promise.all(ids.map((id) => textOf(peer.request(id)).catch((error: Error) => error.name)))
}

async function known(peer: Connection, id: string): Promise<void> {
  await until(async () => (await ask(peer, [id]))[0] === id, `${id} is known`)
}

for (const small of ['dialer', 'listener'] as const) {
  describe(`a peer that accepts little, as the ${small},`, () => {
    it('is told of as many handlers as it accepts, and calls those; the rest is told to people once', async (test) => {
      const { large, fromSmall, toSmall, connected, cut, small: other } = await pair(test, { maxHandlers: 2 }, small)
      answer(large.manager, 'a', 'b', 'c', 'd')
      answer(other.manager, 'x', 'y', 'z')
      await connected()
      const expected = ['a', 'b', 'UnknownHandlerError', 'UnknownHandlerError', 'UnknownHandlerError']
      assert.deepEqual(await ask(fromSmall, ['a', 'b', 'c', 'd', 'e']), expected)
      answer(large.manager, 'e')
      assert.deepEqual(await ask(toSmall, ['x', 'y', 'z']), ['x', 'y', 'z'])
      assert.deepEqual(await ask(fromSmall, ['a', 'b', 'c', 'd', 'e']), expected)
      cut()
      await until(() => fromSmall.stats().reconnects === 1 && toSmall.stats().reconnects === 1, 'they meet again')
      await connected()
      assert.deepEqual(await ask(fromSmall, ['a', 'b', 'c', 'd', 'e']), expected)
      assert.deepEqual(await ask(toSmall, ['x', 'y', 'z']), ['x', 'y', 'z'])
      const told = large.log.warnings(/cannot be called/)
      assert.equal(told.length, 1)
      assert.match(
        told[0] ?? '',
        /^warn some handlers cannot be called by http:\/\/[ab]\d*: it accepts at most 2 handlers .*: "c" is not advertised/
      )
      assert.deepEqual(other.log.warnings(/cannot be called/), [])
      assert.deepEqual([fromSmall.stats().reconnects, toSmall.stats().reconnects], [1, 1])
    })

    it('is told of the handlers whose names it accepts, before and after connecting, and calls the right ones', async (test) => {
      const { large, fromSmall, toSmall, connected } = await pair(test, { maxNameBytes: 8 }, small)
      answer(large.manager, 'a', 'a name too long', 'b')
      large.manager.handle('c', () => Buffer.from('c'), { subroute: 'a subroute too long' })
      large.manager.handle('c', () => Buffer.from('sub c'), { subroute: 'sub' })
      await connected()
      answer(large.manager, 'another one too long', 'later')
      await known(fromSmall, 'later')
      const ids = ['a', 'a name too long', 'b', 'another one too long', 'later']
      const unknown = 'UnknownHandlerError'
      assert.deepEqual(await ask(fromSmall, ids), ['a', unknown, 'b', unknown, 'later'])
      assert.equal(await textOf(fromSmall.subroute('sub').request('c')), 'sub c')
      assert.equal((await rejection(fromSmall.subroute('a subroute too long').request('c'))).name, unknown)
      assert.equal(large.log.warnings(/of at most 8 bytes .*: "a name too long"/).length, 1)
      assert.deepEqual([fromSmall.stats().reconnects, toSmall.stats().reconnects], [0, 0])
    })

    it('is sent no message of more fragments than it accepts: not as a request, an answer, or on a stream', async (test) => {
      const { large, small: other, fromSmall, toSmall, connected } = await pair(test, { maxFragments: 2 }, small)
      const [most, more] = [Buffer.alloc(2 * fragmentBytes, 1), Buffer.alloc(2 * fragmentBytes + 1, 1)]
      const sizes: number[] = []
      other.manager.handle('size', (payload) => {
        sizes.push(payload.length)
        return Buffer.of(1)
      })
      other.manager.handle(chat, (payload, requests) => {
        sizes.push(payload.length)
        return requests
      })
      large.manager.handle('give', (payload) => (payload.length === 0 ? most : more))
      await connected()
      const text = `the message has ${more.length} bytes; its receiver accepts at most 2 fragments (maxFragments) of ${fragmentBytes}`
      await toSmall.request('size', most)
      const refused = await rejection(toSmall.request('size', more))
      assert.deepEqual([refused.name, refused.delivery, refused.message], ['MessageTooLargeError', 'notSent', text])
      const unopened = toSmall.newStream(chat, more)
      assert.equal((await rejection(unopened.responses.next())).message, text)
      const stream = toSmall.newStream(chat, most)
      stream.requests.push(most)
      assert.equal((await stream.responses.next()).value?.length, most.length)
      stream.requests.push(more)
      assert.ok((await rejection(stream.responses.next())) instanceof MessageTooLargeError)
      assert.deepEqual(sizes, [most.length, most.length])
      assert.equal((await fromSmall.request('give')).length, most.length)
      const failed = await rejection(fromSmall.request('give', Buffer.of(1)))
      assert.deepEqual([failed.name, failed.code, failed.message], ['RemoteError', 'ERR_MESSAGE_TOO_LARGE', text])
      await assertIdle([large.manager, other.manager])
      assert.deepEqual([fromSmall.stats().reconnects, toSmall.stats().reconnects], [0, 0])
    })

    it('refuses the calls beyond those that it runs, one by one and however many, and runs all that it can', async (test) => {
      const limits = { maxInboundStreams: 3, maxIdleFramesPerSecond: 20 }
      const { small: other, large, fromSmall, toSmall, connected } = await pair(test, limits, small)
      const gate = new Gate()
      let runs = 0
      other.manager.handle('quick', () => Buffer.of(1))
      other.manager.handle('wait', async () => {
        runs++
        await gate.opened
        return Buffer.of(1)
      })
      await connected()
      // Only the peer knows how many run: that many are on their way at once says nothing.
      await Promise.all(Array.from({ length: 500 }, () => toSmall.request('quick')))
      const running = Array.from({ length: 3 }, () => toSmall.request('wait'))
      await until(() => runs === 3, 'three run')
      const refused = await Promise.all(Array.from({ length: 500 }, () => rejection(toSmall.request('quick'))))
      for (const { name, reason, delivery } of refused) {
        assert.deepEqual([name, reason, delivery], ['RejectedError', 'tooManyStreams', 'notSent'])
      }
      assert.equal(fromSmall.stats().session?.refusals, 500)
      gate.open()
      await Promise.all(running)
      assert.equal((await toSmall.request('quick')).length, 1)
      await assertIdle([large.manager, other.manager])
      assert.deepEqual([fromSmall.stats().reconnects, toSmall.stats().reconnects], [0, 0])
    })
  })
}

describe('a server', () => {
  it('may register as many handlers as its peer accepts on a live conn, all at once', async (test) => {
    const { large, fromSmall, toSmall, connected } = await pair(test, { maxIdleFramesPerSecond: 20 }, 'listener')
    await connected()
    const ids = Array.from({ length: 2000 }, (_, at) => `h${at}`)
    answer(large.manager, ...ids)
    await known(fromSmall, 'h1999')
    assert.deepEqual(await ask(fromSmall, ids), ids)
    assert.deepEqual([fromSmall.stats().reconnects, toSmall.stats().reconnects], [0, 0])
  })

  it('may give its handlers names that fill a batch, where its peer accepts them', async (test) => {
    const servers = new Servers(test)
    const limits = { maxNameBytes: 100_000 }
    const { dialer, back, there } = await servers.pair({ limits }, { limits })
    const ids = Array.from({ length: 40 }, (_, at) => `${at}`.padStart(16 * 1024, 'x'))
    answer(dialer.manager, ...ids)
    const subroute = 's'.repeat(16 * 1024)
    for (const id of ids) dialer.manager.handle(id, () => Buffer.from(id), { subroute })
    assert.throws(() => answer(dialer.manager, 'x'.repeat(16 * 1024 + 1)), { name: 'InvalidOptionError' })
    await Promise.all([there.waitForConnect(), back.waitForConnect()])
    assert.deepEqual(await ask(back, ids), ids)
    assert.equal(await textOf(back.subroute(subroute).request(ids[39] as string)), ids[39])
    assert.equal(back.stats().reconnects, 0)
  })

  it('calls all of its own handlers, however few it accepts of others', async (test) => {
    const { dialer } = await new Servers(test).pair({ limits: { maxHandlers: 1 } })
    answer(dialer.manager, 'a', 'b', 'c')
    assert.deepEqual(await ask(dialer.manager.connection(dialer.name), ['a', 'b', 'c']), ['a', 'b', 'c'])
    assert.deepEqual(dialer.log.warnings(), [])
  })

  it('with a name of more than 512 bytes, its own or of another, is refused where the name is given', async (test) => {
    const servers = new Servers(test)
    const [long, good] = [`http://${'a'.repeat(506)}`, 'http://a']
    const wrong = { name: 'InvalidOptionError', message: /has 513 bytes; a host has at most 512$/ }
    assert.throws(() => servers.manager({ local: long, hosts: [good] }), wrong)
    assert.throws(() => servers.manager({ local: good, hosts: [good, long] }), wrong)
    assert.throws(() => servers.manager({ local: good, hosts: [good] }).connection(long), wrong)
    assert.throws(() => canonicalHost(long), wrong)
  })
})
