/**
 * close() in every situation, in processes of their own that have nothing else to live for: what becomes of running and
 * of new calls at both ends, and that the process exits by itself in time. Each has a peer that it dials and one that
 * dials it, so each row holds for both ends of a conn.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { describe, it, type TestContext } from 'node:test'
import { type Connection, connectWS, type GridStream, type HandlerContext } from '../../lib/index.ts'
import { paced } from '../support/clock/pace.ts'
import { Gate } from '../support/gate.ts'
import { nameThat } from '../support/grid/manager.ts'
import { type Node, rejection, Servers } from '../support/grid/servers.ts'
import { freePort } from '../support/network/free-port.ts'
import { Child } from '../support/process/child.ts'
import type { Words } from '../support/process/obey.ts'
import { until } from '../support/until.ts'
import { type ClosingServerEvent, type ClosingServerInit, closeNow, closingServer, hold, tenfold } from './closing.ts'

const own = 'http://closing.test:9000'
const dialed = nameThat('is dialed', own)
const dialing = nameThat('dials', own)

/** The grace of those rows in which it is used up; in the others it is far longer than the row may take. */
const graceMs = 300
/** Closing the conns takes at most a second more. */
const closeConnsMs = 1000
const slackMs = 6000

const kept = ['kept', 'kept']
const refused = [
  ['ERR_CLOSED', 'notSent'],
  ['ERR_CLOSED', 'notSent']
]
const shutdown = ['ERR_DISCONNECTED', 'maybeRan', 'shutdown']

/** The process that closes. */
class Closing {
  readonly #child: Child<Words, ClosingServerEvent>
  #closingAtMs = 0

  constructor(test: TestContext, init: Omit<ClosingServerInit, 'local' | 'hosts'>) {
    const onReport = ({ event }: ClosingServerEvent) => {
      if (event === 'closing') this.#closingAtMs = performance.now()
    }
    this.#child = new Child(closingServer, { ...init, local: own, hosts: [own, dialed, dialing] }, { onReport })
    test.after(() => this.#child.kill())
  }

  /** The event of this name, once it is there. */
  event<Name extends ClosingServerEvent['event']>(name: Name) {
    type Event = Extract<ClosingServerEvent, { event: Name }>
    return this.#child.report((report): report is Event => report.event === name, `the event "${name}"`)
  }

  ask(word: string): Promise<unknown> {
    return this.#child.ask(word)
  }

  /** It exits by itself, and says how it went. */
  async exited(withinMs: number): Promise<void> {
    const limitMs = paced(withinMs + slackMs)
    const { tookMs } = await this.event('closed')
    await this.#child.exited(limitMs)
    const took = (this.#child.exitedAtMs as number) - this.#closingAtMs
    assert.ok(took < limitMs, `it exited ${Math.round(took)} ms after close(), which took ${Math.round(tookMs)} ms`)
  }
}

/** A closing process between its two peers, which have the same handlers as it has. */
async function connected(test: TestContext, options: Omit<ClosingServerInit, 'local' | 'hosts' | 'urls'>) {
  const servers = new Servers(test)
  const nodes = [await servers.node(dialed, [own, dialed]), await servers.node(dialing, [own, dialing])]
  const contexts: HandlerContext[] = []
  const noticed = new Gate()
  for (const { manager } of nodes) {
    manager.handle(hold, async (_, context) => {
      contexts.push(context)
      await noticed.opened
      return 'kept'
    })
    manager.handle(tenfold, async function* (_, requests, context) {
      contexts.push(context)
      for await (const request of requests) yield request * 10
    })
  }
  const toDialed = await servers.proxy(nodes[0] as Node)
  const closing = new Closing(test, { ...options, urls: { [dialed]: toDialed.url } })
  const proxies = [toDialed, await servers.proxy({ name: own, server: await closing.event('listening') })]
  const peers = nodes.map(({ manager }) => manager.connection(own))
  await Promise.all(peers.map((peer) => peer.waitForConnect()))
  const toldToBoth = () => until(() => peers.every(({ state }) => state !== 'connected'), 'both peers are told')
  return { closing, peers, contexts, noticed, proxies, toldToBoth }
}

async function rest(stream: GridStream<number, number>): Promise<number[]> {
  const got: number[] = []
  for await (const value of stream.responses) got.push(value)
  return got
}

async function outcomes(closing: Closing, event: 'newCalls' | 'ownCalls'): Promise<readonly unknown[]> {
  return (await closing.event(event)).outcomes
}

async function assertRefused(peers: readonly Connection[]): Promise<void> {
  for (const peer of peers) {
    const error = await rejection(peer.request(hold))
    assert.deepEqual([error.code, error.delivery], ['ERR_DISCONNECTED', 'notSent'], String(error))
  }
}

/** A row that hangs ends with its process. */
function row(title: string, body: (test: TestContext) => Promise<void>): void {
  it(title, { timeout: paced(40_000) }, body)
}

describe('a process that calls close()', { concurrency: 4 }, () => {
  row('when idle exits at once', async (test) => {
    const { closing } = await connected(test, { situation: 'idle' })
    assert.deepEqual(await outcomes(closing, 'newCalls'), [...refused, ...refused])
    await closing.exited(0)
  })

  row(
    'with running requests refuses new ones on both ends, keeps all replies, and exits after the last',
    async (test) => {
      const { closing, peers, noticed, toldToBoth } = await connected(test, { situation: 'requests' })
      const calls = peers.map((peer) => peer.request(hold))
      await closing.event('closing')
      await toldToBoth()
      await assertRefused(peers)
      assert.deepEqual(await outcomes(closing, 'newCalls'), [...refused, ...refused])
      noticed.open()
      assert.deepEqual(await Promise.all(calls), kept)
      assert.deepEqual(await outcomes(closing, 'ownCalls'), kept)
      await closing.exited(0)
    }
  )

  row('with running streams lets them end in both directions, and exits after the last', async (test) => {
    const { closing, peers, toldToBoth } = await connected(test, { situation: 'streams' })
    const streams = peers.map((peer) => peer.newStream(tenfold))
    for (const stream of streams) stream.requests.push(1)
    for (const stream of streams) assert.equal((await stream.responses.next()).value, 10)
    await closing.event('closing')
    await toldToBoth()
    for (const stream of streams) stream.requests.push(2).push(3).end()
    const all = [
      [20, 30],
      [20, 30]
    ]
    assert.deepEqual(await Promise.all(streams.map(rest)), all)
    assert.deepEqual(await outcomes(closing, 'ownCalls'), all)
    assert.deepEqual(await Promise.all(streams.map((stream) => stream.closed)), [{ how: 'ended' }, { how: 'ended' }])
    await closing.exited(0)
  })

  row('with calls that never end aborts them on both ends when the grace is over, and exits', async (test) => {
    const { closing, peers, contexts } = await connected(test, { situation: 'hanging', graceMs })
    const calls = peers.flatMap((peer) => [peer.request(hold), rest(peer.newStream(tenfold))]).map(rejection)
    await until(() => contexts.length === 4, 'its calls run')
    for (const { code, delivery, reason } of await Promise.all(calls)) {
      assert.deepEqual([code, delivery, reason], shutdown)
    }
    assert.deepEqual(await outcomes(closing, 'ownCalls'), [shutdown, shutdown, shutdown, shutdown])
    assert.deepEqual((await closing.event('aborted')).codes, Array(4).fill('ERR_SHUTDOWN'))
    await until(() => contexts.every(({ signal }) => signal.aborted), 'the handlers of the peers are told')
    assert.ok((await closing.event('closed')).tookMs >= graceMs * 0.9, 'the grace was given')
    await closing.exited(graceMs)
  })

  row('with peers that never answer aborts its calls when the grace is over, and exits', async (test) => {
    const { closing, peers, proxies } = await connected(test, { situation: 'silentPeers', graceMs })
    const calls = peers.map((peer) => rejection(peer.request(hold)))
    await closing.ask('called')
    for (const proxy of proxies) proxy.impair({ blackhole: true })
    await closing.ask('silenced')
    assert.deepEqual(await outcomes(closing, 'ownCalls'), [shutdown, shutdown])
    assert.deepEqual((await closing.event('aborted')).codes, ['ERR_SHUTDOWN', 'ERR_SHUTDOWN'])
    await closing.exited(graceMs + closeConnsMs)
    for (const proxy of proxies) proxy.heal()
    for (const error of await Promise.all(calls)) assert.equal(error.code, 'ERR_DISCONNECTED')
  })

  row('twice, and again after it, exits at once', async (test) => {
    const { closing } = await connected(test, { situation: 'twice' })
    await closing.exited(0)
  })

  row('inside a handler exits after the replies of the handlers', async (test) => {
    const { closing, peers } = await connected(test, { situation: 'insideHandler' })
    assert.deepEqual(await Promise.all(peers.map((peer) => peer.request(closeNow))), kept)
    await closing.exited(0)
  })

  row('inside a handler that waits for it aborts that handler when the grace is over, and exits', async (test) => {
    const { closing, peers } = await connected(test, { situation: 'insideHandlerThatWaits', graceMs })
    for (const { code, delivery, reason } of await Promise.all(
      peers.map((peer) => rejection(peer.request(closeNow)))
    )) {
      assert.deepEqual([code, delivery, reason], shutdown)
    }
    assert.deepEqual((await closing.event('aborted')).codes, ['ERR_SHUTDOWN', 'ERR_SHUTDOWN'])
    await closing.exited(graceMs)
  })

  row('before it has connected exits at once, and calls that wait are refused as not sent', async (test) => {
    const closing = new Closing(test, { situation: 'beforeConnecting', urls: {} })
    assert.deepEqual(await outcomes(closing, 'newCalls'), [...refused, ...refused, ...refused])
    await closing.exited(0)
  })

  row('amid a dial and an accepted handshake that get no answer exits at once', async (test) => {
    const servers = new Servers(test)
    const silent = net.createServer().listen(0, '127.0.0.1')
    const accepted: net.Socket[] = []
    silent.on('connection', (socket) => accepted.push(socket.on('error', () => socket.destroy())))
    await once(silent, 'listening')
    servers.onEnd(() => {
      silent.close()
      for (const socket of accepted) socket.destroy()
    })
    const urls = { [dialed]: `http://127.0.0.1:${(silent.address() as AddressInfo).port}` }
    const closing = new Closing(test, { situation: 'connecting', urls })
    const { port } = await closing.event('listening')
    const { signal } = new AbortController()
    const options = { signal, path: '/grid/v1', maxConnMessageBytes: 1000 }
    const conn = await connectWS()(`http://127.0.0.1:${port}`, options)
    servers.onEnd(() => conn.abort(new Error('the spec is over')))
    assert.deepEqual(await outcomes(closing, 'newCalls'), [...refused, ...refused, ...refused])
    await closing.exited(0)
  })

  row('while it waits out a backoff, and for being dialed, exits at once', async (test) => {
    const urls = { [dialed]: `http://127.0.0.1:${await freePort()}` }
    const closing = new Closing(test, { situation: 'waiting', urls })
    assert.deepEqual(await outcomes(closing, 'newCalls'), [...refused, ...refused, ...refused])
    await closing.exited(0)
  })
})
