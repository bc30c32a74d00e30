/** What errors and the log say to who has to find out what went wrong. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bytes, connectWS, DeadlineError, json, msgpack, none, single, streaming } from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { namesInOrder } from '../support/grid/manager.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { freePort } from '../support/network/free-port.ts'
import { open } from '../support/raw/make.ts'
import { at, siegeItOver } from '../support/raw/siege.ts'
import { until } from '../support/until.ts'

const local = 'http://a.test'
const alone = (servers: Servers) => servers.manager({ local, hosts: [local] })

describe('a deadline says how long it was', () => {
  it('of a request, of a stream, of a wait for the connection, and at the handler', async (test) => {
    const servers = new Servers(test)
    const on = alone(servers)
    const reasons: unknown[] = []
    on.handle('hangs', (_, { signal }) => {
      signal.addEventListener('abort', () => reasons.push(signal.reason))
      return new Promise(() => undefined)
    })
    const feed = streaming<void, never, number>('feed', { inCapacity: 0 })
    on.handle(feed, () => new ReadableStream<number>())
    const peer = on.connection(local)
    await peer.waitForConnect()
    const ofRequest = await rejection(peer.request('hangs', undefined, { timeout: 25 }))
    assert.equal(ofRequest.message, `no answer from ${local} within 25 ms`)
    const ofStream = await rejection(peer.newStream(feed, undefined, { timeout: 20 }).responses.next())
    assert.equal(ofStream.message, `no answer from ${local} within 20 ms`)
    await until(() => reasons.length === 1, 'the handler is told')
    assert.ok(DeadlineError.is(reasons[0]))
    assert.match(
      reasons[0].message,
      /(it had \d+ ms when it arrived|passed at .*, which was \d+ ms after the call arrived)$/
    )
    const [a, b] = namesInOrder()
    const waiting = servers
      .manager({ local: a, hosts: [a, b], dialer: () => new Promise(() => undefined) })
      .connection(b)
    const ofWait = await rejection(waiting.request('echo', undefined, { timeout: 15, waitForReady: true }))
    assert.equal(ofWait.message, `no connection to ${b} within 15 ms`)
    const atOnce = await rejection(waiting.request('echo', undefined))
    assert.match(atOnce.message, /: the first dial is under way; with waitForReady: true a call waits for it$/)
  })

  it('and that a stream which had given responses did not end', async (test) => {
    const on = alone(new Servers(test))
    const feed = streaming<void, never, number>('feed', { inCapacity: 0 })
    on.handle(feed, async function* (_, __, { signal }) {
      yield 1
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    })
    const peer = on.connection(local)
    await peer.waitForConnect()
    const timeout = paced(200)
    const { responses } = peer.newStream(feed, undefined, { timeout })
    assert.deepEqual(await responses.next(), { value: 1, done: false })
    assert.equal(
      (await rejection(responses.next())).message,
      `the stream from ${local} did not end within ${timeout} ms`
    )
  })

  it('and that the requests of the stream were never ended, where that may have been forgotten', async (test) => {
    const on = alone(new Servers(test))
    const sum = streaming<void, number, number>('sum')
    let running = 0
    on.handle(sum, async function* (_, requests) {
      running++
      let total = 0
      for await (const n of requests) total += n
      yield total
    })
    const peer = on.connection(local)
    await peer.waitForConnect()
    const hint = '; its requests are still open: requests.end() was not called'
    const forgotten = peer.newStream(sum, undefined, { timeout: 20 })
    forgotten.requests.push(1)
    assert.equal((await rejection(forgotten.responses.next())).message, `no answer from ${local} within 20 ms${hint}`)
    const talk = peer.newStream(sum)
    talk.requests.push(1)
    const first = rejection(talk.responses.next())
    await until(() => running === 2, 'the handler runs')
    await on.close({ timeout: 10 })
    assert.match(
      (await first).message,
      new RegExp(`is shutting down${hint.replaceAll('.', '\\.').replace('()', '\\(\\)')}$`)
    )
  })
})

describe('the error of a stream whose requests are sent and whose responses nobody reads', () => {
  it('says so', async (test) => {
    const on = alone(new Servers(test))
    const echo = streaming<void, number, number>('echo', { inCapacity: 1, outCapacity: 2 })
    on.handle(echo, async function* (_, requests) {
      yield* requests
    })
    const peer = on.connection(local)
    await peer.waitForConnect()
    const stream = peer.newStream(echo)
    const sendAll = async () => {
      for (;;) await stream.send(1)
    }
    const failure = rejection(sendAll())
    // Two are echoed, the third is not taken: from then on nothing moves.
    const blocked = () =>
      peer.streams().some(({ side, sending, receiving }) => {
        const isSent = sending?.totalMessages === 3 && sending.waitsFor === 'credit'
        return side === 'caller' && isSent && receiving?.unread?.messages === 2
      })
    await until(blocked, 'it waits for credit')
    await on.close({ timeout: 10 })
    const hint = 'the handler takes no more requests while its responses are not read: 2 of them wait here'
    assert.ok((await failure).message.endsWith(`is shutting down; ${hint}`), (await failure).message)
  })
})

describe('a codec that differs at the two ends', () => {
  const mismatches = [
    ['msgpack', 'JSON', msgpack<unknown>(), json<unknown>()],
    ['JSON', 'msgpack', json<unknown>(), msgpack<unknown>()],
    ['no value', 'JSON', none() as ReturnType<typeof json<unknown>>, json<unknown>()]
  ] as const
  for (const [at, sent, mine, theirs] of mismatches) {
    it(`is named as such: ${at} at the handler, ${sent} at the caller`, async (test) => {
      const on = alone(new Servers(test))
      on.handle(single('ask', { request: mine, response: bytes() }), () => new Uint8Array(0))
      const definition = single('ask', { request: theirs, response: bytes() })
      const error = await rejection(on.connection(local).request(definition, { a: 'b' }))
      assert.equal(error.code, 'ERR_CODEC')
      assert.match(error.message, new RegExp(`; it is ${sent}: the codecs of the two ends differ$`))
    })
  }
})

it('requests to a handler that takes none are told so, whatever the definition of the caller', async (test) => {
  const on = alone(new Servers(test))
  on.handle(streaming<void, never, number>('feed', { inCapacity: 0 }), () => [1])
  const stream = on.connection(local).newStream(streaming<void, number, number>('feed'))
  await stream.responses.next()
  const refused = { name: 'ClosedError', message: 'the handler takes no requests: its inCapacity is 0' }
  assert.throws(() => stream.requests.push(1), refused)
  await assert.rejects(stream.send(1), refused)
})

it('a code that is a number arrives as its text', async (test) => {
  const on = alone(new Servers(test))
  on.handle('fails', () => {
    throw Object.assign(new Error('not found'), { code: 5 })
  })
  assert.equal((await rejection(on.connection(local).request('fails'))).code, '5')
})

describe('the log, of a peer that breaks the protocol', () => {
  siegeItOver('memory')('warns once for each kind of it, however often the peer comes again', {}, async (siege) => {
    const told = () => siege.log.warnings(/disconnected from/)
    for (const reason of ['protocol', 'protocol', 'checksum']) {
      if (reason === 'protocol') siege.raw.send(open(5, at.echo, 0), open(3, at.echo, 0))
      else siege.raw.sendBytes(Uint8Array.of(1, 2, 3, 4, 5, 6))
      await until(() => siege.connection.state !== 'connected', 'the conn is closed')
      await siege.enter()
    }
    assert.equal(told().length, 2)
    assert.match(told()[0] ?? '', /^warn disconnected from http:\S+ \(protocol\): /)
    assert.match(told()[1] ?? '', /\(checksum\)/)
  })
})

it('an error of a host that is not there repeats no text of its causes', async (test) => {
  const [a, b] = namesInOrder()
  const servers = new Servers(test)
  const port = await freePort()
  servers.urls.set(b, `http://127.0.0.1:${port}`)
  const peer = servers.manager({ local: a, hosts: [a, b] }).connection(b)
  await until(() => peer.lastError !== undefined, 'the dial failed')
  const error = await rejection(peer.request('echo'))
  assert.match(error.message, new RegExp(`ECONNREFUSED at 127.0.0.1:${port}$`))
  for (let at: Error = error; at.cause instanceof Error; at = at.cause) {
    assert.ok(!at.message.includes(at.cause.message), `"${at.message}" repeats "${at.cause.message}"`)
  }
  assert.equal((error.cause as NodeJS.ErrnoException).code, 'ECONNREFUSED')
})

it('an error that tells what another one of ours says has not that one as its cause', async (test) => {
  const [a] = namesInOrder()
  const on = new Servers(test).manager({ local: a, hosts: [a] })
  const noBytes = { encode: () => 'text' as never, decode: () => undefined }
  const dial = { path: '/', maxConnMessageBytes: 1024, signal: AbortSignal.timeout(60_000) }
  const fails: (() => Promise<unknown>)[] = [
    () => on.connection(a).request(single('echo', { request: noBytes }), undefined),
    () => connectWS({ url: () => 'no URL' })(a, dial)
  ]
  for (const fail of fails) {
    const error = await rejection(fail())
    assert.match(error.message, /Uint8Array|whole URL/)
    assert.equal(error.cause, undefined)
  }
})
