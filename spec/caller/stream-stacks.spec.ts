/** The stack of an error that a stream throws leads to the line that reads it, and on to what awaits that. */

import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import {
  type CallerInterceptor,
  type CallOptions,
  type Connection,
  GridError,
  json,
  type ManagerOptions,
  streaming
} from '../../lib/index.ts'
import { rejection, Servers } from '../support/grid/servers.ts'
import { until } from '../support/until.ts'

const local = 'http://a.test'
const throws = streaming<void, never, number>('throws', { inCapacity: 0 })
const hangs = streaming<void, never, number>('hangs', { inCapacity: 0 })
const garbage = streaming<void, never, number>('garbage', { inCapacity: 0 })
const misread = streaming<void, never, number>('garbage', { inCapacity: 0, response: json() })
const nobody = streaming<void, never, number>('nobody', { inCapacity: 0 })
type Feed = typeof throws

async function readThePeer(peer: Connection, feed: Feed, options: CallOptions): Promise<void> {
  for await (const _ of peer.newStream(feed, undefined, options)) assert.ok(true)
}

async function serveTheUser(peer: Connection, feed: Feed, options: CallOptions = {}): Promise<void> {
  await readThePeer(peer, feed, options)
}

/** What a stream fails by. On a machine that does much else its time may end before what it is for has begun: it gets more. */
async function failure(peer: Connection, feed: Feed, options: CallOptions, name: string): Promise<Error> {
  const error = await rejection(serveTheUser(peer, feed, options))
  const { timeout = Infinity } = options
  if (error.name === name || timeout > 10_000) return error
  return await failure(peer, feed, { ...options, timeout: timeout * 4 }, name)
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
  const { stackTraceLimit } = Error
  before(() => {
    Error.stackTraceLimit = stackTraceLimit + 2
  })
  after(() => {
    Error.stackTraceLimit = stackTraceLimit
  })

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
      const error = await failure(serve(test).connection(host), feed, options, name)
      assert.equal(error.name, name)
      assert.match(error.stack ?? '', new RegExp(`^${name}: [^\\n]+\\n[^]*readThePeer[^]*serveTheUser`))
    })
  }

  for (const [what, feed, options, name, host = local] of failures) {
    it(`leads to who reads it behind interceptors, for ${what}`, async (test) => {
      const on = serve(test, { interceptors: { caller: [relays] } })
      const error = await failure(on.connection(host), feed, options, name)
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
    const stream = on.connection(local).newStream(hangs)
    stream.cancel(mine)
    assert.equal(await rejection(stream.responses.next()), mine)
    assert.equal(mine.stack, stack)
  })
})
