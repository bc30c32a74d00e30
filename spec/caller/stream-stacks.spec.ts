/** The stack of an error that a stream throws leads to the line that reads it, and on to what awaits that. */

import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import {
  type CallerInterceptor,
  type CallOptions,
  type Connection,
  GridError,
  json,
  type ManagerOptions,
  streaming
} from '../../lib/index.ts'
import { ForeignSignal } from '../support/calls/foreign-signal.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'
import { failureBy, takeLongerStacks } from './failing.ts'

const local = 'http://a.test'
const throws = streaming<void, never, number>('throws', { inCapacity: 0 })
const hangs = streaming<void, never, number>('hangs', { inCapacity: 0 })
const garbage = streaming<void, never, number>('garbage', { inCapacity: 0 })
const misread = streaming<void, never, number>('garbage', { inCapacity: 0, response: json() })
const nobody = streaming<void, never, number>('nobody', { inCapacity: 0 })
const talk = streaming<void, number, number>('talk')
type Feed = typeof throws

const reads: CallerInterceptor = {
  async *streaming({ requests }, next) {
    yield* next({ requests: requests ?? [] })
  }
}

function* throwing(error: Error): Generator<number> {
  yield 1
  throw error
}

async function readAll(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages) assert.ok(true)
}

async function readThePeer(peer: Connection, feed: Feed, options: CallOptions): Promise<void> {
  for await (const _ of peer.newStream(feed, undefined, options)) assert.ok(true)
}

async function serveTheUser(peer: Connection, feed: Feed, options: CallOptions = {}): Promise<void> {
  await readThePeer(peer, feed, options)
}

function serve(test: TestContext, options: Partial<ManagerOptions> = {}) {
  const on = new Servers(test).manager({ local, hosts: [local, 'http://b.test'], ...options })
  on.handle(throws, function* () {
    yield 1
    throw new Error('no')
  })
  on.handle(hangs, async function* (_none, _requests, { signal }) {
    yield 1
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
  })
  on.handle(garbage, () => [Number.NaN])
  return on
}

describe('the stack of a stream that fails', () => {
  takeLongerStacks()

  const failures: [what: string, feed: Feed, options: CallOptions, name: string, host?: string][] = [
    ['a handler that throws', throws, {}, 'RemoteError'],
    ['a deadline', hangs, { timeout: 20 }, 'DeadlineError'],
    ['a response that cannot be decoded', misread, {}, 'CodecError'],
    ['a handler that is not there', nobody, {}, 'UnknownHandlerError'],
    ['a handler that does not come', nobody, { timeout: 20, waitForReady: true }, 'UnknownHandlerError'],
    ['a host that is not there', throws, {}, 'DisconnectedError', 'http://b.test'],
    ['a host that does not come', throws, { timeout: 20, waitForReady: true }, 'DeadlineError', 'http://b.test']
  ]
  const relays: CallerInterceptor = {
    async *streaming(_, next) {
      for await (const message of next()) yield message
    }
  }
  for (const [what, feed, options, name, host = local] of failures) {
    it(`leads to who reads it, for ${what}`, async (test) => {
      const on = serve(test)
      const error = await failureBy(name, options, (given) => serveTheUser(on.connection(host), feed, given))
      assert.equal(error.name, name)
      assert.match(error.stack ?? '', new RegExp(`^${name}: [^\\n]+\\n[^]*readThePeer[^]*serveTheUser`))
    })
  }

  for (const [what, feed, options, name, host = local] of failures) {
    it(`leads to who reads it behind interceptors, for ${what}`, async (test) => {
      const on = serve(test, { interceptors: { caller: [relays] } })
      const error = await failureBy(name, options, (given) => serveTheUser(on.connection(host), feed, given))
      assert.equal(error.name, name)
      assert.match(error.stack ?? '', new RegExp(`^${name}: [^\\n]+\\n[^]*readThePeer[^]*serveTheUser`))
    })
  }

  it('leads to who reads it when it has failed already', async (test) => {
    const stream = serve(test).connection(local).newStream(hangs, undefined, { timeout: 20 })
    const { error } = await stream.closed
    async function readLate(): Promise<void> {
      for await (const _ of stream) assert.ok(true)
    }
    assert.equal(await rejection(readLate()), error)
    assert.match((error as Error).stack ?? '', /^DeadlineError: .*readLate/s)
  })

  it('stays that of a reason of the user, though it is an error of ours', async (test) => {
    const on = serve(test)
    const mine = new GridError('E_MINE', 'own')
    const { stack } = mine
    const controller = new AbortController()
    const reading = rejection(serveTheUser(on.connection(local), hangs, { signal: controller.signal }))
    await until(() => on.stats().served.some(({ running }) => running > 0), 'it runs')
    controller.abort(mine)
    assert.equal(await reading, mine)
    assert.equal(mine.stack, stack)
    const waiting = new AbortController()
    const options = { signal: waiting.signal, waitForReady: true }
    const opening = rejection(serveTheUser(on.connection('http://b.test'), hangs, options))
    await new Promise(setImmediate)
    waiting.abort(mine)
    assert.equal(await opening, mine)
    assert.equal(mine.stack, stack)
    const stream = on.connection(local).newStream(hangs)
    stream.cancel(mine)
    assert.equal(await rejection(stream.responses.next()), mine)
    assert.equal(mine.stack, stack)
  })

  for (const [where, interceptors] of [
    ['', []],
    [' behind interceptors that look at the requests', [reads]]
  ] as const) {
    it(`stays that of what the source of its requests throws, though it is an error of ours${where}`, async (test) => {
      const on = serve(test, { interceptors: { caller: [...interceptors] } })
      on.handle(talk, (_none, requests) => requests)
      const mine = new GridError('E_MINE', 'own')
      const { stack } = mine
      const stream = on.connection(local).newStream(talk)
      const sent = rejection(stream.sink(throwing(mine)))
      assert.equal(await rejection(readAll(stream)), mine)
      assert.equal(await sent, mine)
      assert.equal(mine.stack, stack)
    })
  }

  it('stays that of what an interceptor, or the signal, throws at once, though it is an error of ours', async (test) => {
    const mine = new GridError('E_MINE', 'own')
    const { stack } = mine
    const throwsIt = (): never => {
      throw mine
    }
    const signal = new ForeignSignal()
    signal.addEventListener = throwsIt
    const around = serve(test, { interceptors: { caller: [{ streaming: throwsIt }] } }).connection(local)
    const plain = serve(test).connection(local)
    await plain.waitForConnect()
    const streams = [around.newStream(hangs), plain.newStream(hangs, undefined, { signal: signal.signal })]
    for (const stream of streams) {
      assert.equal(await rejection(readAll(stream)), mine)
      assert.equal(mine.stack, stack)
    }
  })

  it('stays that of newStream where it failed there', async (test) => {
    const on = serve(test)
    const wrong = { timeout: -1 }
    function openWrong(peer: Pick<Connection, 'newStream'>): AsyncIterable<number> {
      return peer.newStream(hangs, undefined, wrong)
    }
    const any = { newStream: (feed: Feed) => on.any(feed, undefined, wrong) } as unknown as Connection
    const around = serve(test, { interceptors: { caller: [relays] } }).connection(local)
    const noData = { newStream: (feed: Feed) => around.newStream(feed, new Map() as never) } as unknown as Connection
    for (const peer of [on.connection(local), around, any, noData]) {
      const error = await rejection((async () => readAll(openWrong(peer)))())
      assert.match(error.stack ?? '', /^(InvalidOption|Codec)Error: .*openWrong/s)
    }
  })
})
