/**
 * What happens when a conn is lost, a server restarts, or two servers have one name: over real WebSockets.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type ConnDialer,
  DisconnectedError,
  defaultReconnect,
  type HandlerContext,
  streaming
} from '../../lib/index.ts'
import { Backoff } from '../../lib/time/backoff.ts'
import { namesInOrder } from '../support/grid/manager.ts'
import { rejection, Servers, statesOf } from '../support/grid/servers.ts'
import { settled, until } from '../support/until.ts'

const text = (value: string) => Buffer.from(value)

describe('reconnecting', () => {
  it('goes on while the peer is not up yet, and ends when it is', async (test) => {
    const servers = new Servers(test)
    const [a, b] = namesInOrder()
    const gone = await servers.listen()
    const { port } = gone
    servers.urls.set(b, gone.url)
    await gone.stop()
    let tries = 0
    const dialer: ConnDialer = (address, options) => {
      tries++
      return servers.dialer(address, options)
    }
    const connection = servers.manager({ local: a, hosts: [a, b], dialer }).connection(b)
    await until(() => tries >= 6, 'six tries')
    await servers.node(b, [a, b], {}, port)
    await connection.waitForConnect()
    const made = tries
    assert.equal(await settled(() => tries), made)
    assert.equal(connection.stats().reconnects, 0)
  })

  it('finds a server that was killed and restarted on the same port, and tells of both instances', async (test) => {
    const servers = new Servers(test)
    const { there, listener, dialer } = await servers.pair()
    const restarts: unknown[] = []
    there.on('restart', (instances) => restarts.push(instances))
    await there.waitForConnect()
    const { port } = listener.server
    let killed = listener
    for (let round = 1; round <= 3; round++) {
      await killed.kill()
      await until(() => there.state !== 'connected', 'the loss is noticed')
      const next = await servers.node(listener.name, [dialer.name, listener.name], {}, port)
      next.manager.handle('round', () => text(`round ${round}`))
      await there.waitForConnect()
      assert.equal(Buffer.from(await there.request('round')).toString(), `round ${round}`)
      assert.deepEqual(restarts.at(-1), { instance: next.manager.instance, previous: killed.manager.instance })
      assert.equal(there.instance, next.manager.instance)
      killed = next
    }
    assert.equal(restarts.length, 3)
    assert.equal(there.stats().reconnects, 3)
  })

  it('tells the waiting side too that the dialing one was restarted', async (test) => {
    const servers = new Servers(test)
    const { back, dialer, listener } = await servers.pair()
    const restarts: unknown[] = []
    back.on('restart', (instances) => restarts.push(instances))
    await back.waitForConnect()
    await dialer.kill()
    await until(() => back.state === 'waiting', 'the loss is noticed')
    const next = await servers.node(dialer.name, [dialer.name, listener.name])
    await back.waitForConnect()
    assert.deepEqual(restarts, [{ instance: next.manager.instance, previous: dialer.manager.instance }])
  })

  it('tells of no restart when only the conn was lost', async (test) => {
    const { there, back, listener } = await new Servers(test).pair()
    const restarts: unknown[] = []
    for (const connection of [there, back]) connection.on('restart', (instances) => restarts.push(instances))
    await Promise.all([there.waitForConnect(), back.waitForConnect()])
    for (let round = 1; round <= 20; round++) {
      listener.server.cut()
      await until(() => there.stats().reconnects === round && back.stats().reconnects === round, `round ${round}`)
    }
    assert.deepEqual(restarts, [])
    assert.equal(listener.server.sockets.size, 1)
  })

  it('is quick at the first try by default', async (test) => {
    const { there, listener } = await new Servers(test).pair({ reconnect: {} })
    await there.waitForConnect()
    const states = statesOf(there)
    listener.server.cut()
    await until(() => states.includes('connected'), 'connected again', 2000)
  })
})

describe('the wait before a dial', () => {
  const options = { firstDelayMs: 50, baseDelayMs: 200, maxDelayMs: 1000, stableAfterMs: 500 }

  it('has a small bound at first, then a larger one that doubles up to a limit', () => {
    const backoff = new Backoff(options, () => 1)
    const bounds = Array.from({ length: 6 }, () => backoff.nextMs())
    assert.deepEqual(bounds, [50, 200, 400, 800, 1000, 1000])
    for (let n = 0; n < 5000; n++) assert.equal(backoff.nextMs(), 1000)
    assert.equal(new Backoff(defaultReconnect, () => 1).nextMs(), 50)
  })

  it('is anywhere below the bound, so that the peers of a server that restarts do not come as one wave', () => {
    const backoffs = Array.from({ length: 400 }, () => new Backoff(options))
    for (const backoff of backoffs) backoff.nextMs()
    const waits = backoffs.map((backoff) => backoff.nextMs())
    assert.ok(waits.every((wait) => wait >= 0 && wait < 200))
    for (const from of [0, 50, 100, 150]) {
      const inside = waits.filter((wait) => wait >= from && wait < from + 50).length
      assert.ok(inside > 40, `${inside} of 400 waits are from ${from} to ${from + 50} ms`)
    }
  })

  it('starts anew after a session that lived, and goes on after one that did not', () => {
    const backoff = new Backoff(options, () => 1)
    backoff.nextMs()
    backoff.onSessionEnd(499)
    assert.equal(backoff.nextMs(), 200)
    backoff.onSessionEnd(500)
    assert.equal(backoff.nextMs(), 50)
  })
})

describe('a conn that is lost under calls', () => {
  it('fails each of 100 requests exactly once with a DisconnectedError, and aborts their handlers', async (test) => {
    const { there, back, listener, dialer } = await new Servers(test).pair()
    const contexts: HandlerContext[] = []
    const answers: (() => void)[] = []
    const hold = (payload: Uint8Array, context: HandlerContext) => {
      contexts.push(context)
      return new Promise<Uint8Array>((resolve) => answers.push(() => resolve(payload)))
    }
    listener.manager.handle('hold', hold)
    dialer.manager.handle('hold', hold)
    await Promise.all([there.waitForConnect(), back.waitForConnect()])
    const outcomes: unknown[] = []
    const calls = Array.from({ length: 100 }, async (_, n) => {
      const call = (n % 2 === 0 ? there : back).request('hold', text(`${n}`))
      call.then(
        (value) => outcomes.push(value),
        (error) => outcomes.push(error)
      )
      return rejection(call)
    })
    await until(() => contexts.length === 100, 'all handlers run')
    listener.server.cut()
    for (const error of await Promise.all(calls)) {
      assert.ok(error instanceof DisconnectedError, String(error))
      assert.equal(error.reason, 'lost')
      assert.equal(error.delivery, 'maybeRan')
    }
    for (const { signal } of contexts) assert.ok(signal.reason instanceof DisconnectedError)
    for (const answer of answers) answer()
    await until(() => there.state === 'connected' && back.state === 'connected', 'connected again')
    assert.equal(await settled(() => outcomes.length), 100)
    for (const connection of [there, back]) {
      const session = connection.stats().session
      assert.deepEqual([session?.inboundStreams, session?.outboundStreams, session?.runningHandlers], [0, 0, 0])
    }
  })

  it('unwinds the generator of a stream and fails its consumer, never with a quiet end', async (test) => {
    const { there, listener } = await new Servers(test).pair()
    const count = streaming<void, never, number>('count', { inCapacity: 0, outCapacity: 2 })
    let unwound = 0
    listener.manager.handle(count, async function* () {
      try {
        for (let n = 0; ; n++) yield n
      } finally {
        unwound++
      }
    })
    await there.waitForConnect()
    const stream = there.newStream(count)
    assert.equal((await stream.responses.next()).value, 0)
    listener.server.cut()
    const rest = async () => {
      for await (const _ of stream.responses) assert.ok(true)
    }
    const error = await rejection(rest())
    assert.ok(error instanceof DisconnectedError)
    assert.equal((await stream.closed).error, error)
    await until(() => unwound === 1, 'the generator is unwound')
    await there.waitForConnect()
    assert.equal((await there.newStream(count).responses.next()).value, 0)
  })
})

describe('two servers with one name', () => {
  it('replace each other, the newest wins, and they are slowed down and reported', async (test) => {
    const servers = new Servers(test)
    const [a, b] = namesInOrder()
    const hosts = [a, b]
    const { manager, log, server } = await servers.node(b, hosts)
    const back = manager.connection(a)
    const reconnect = { firstDelayMs: 1, baseDelayMs: 600_000, maxDelayMs: 600_000 }
    let connects = 0
    back.on('state', ({ state }) => {
      if (state === 'connected') connects++
    })
    const twins = [servers.manager({ local: a, hosts, reconnect }), servers.manager({ local: a, hosts, reconnect })]
    await until(
      () => twins.some((twin) => /another instance/.test(twin.connection(b).lastError?.message ?? '')),
      'told'
    )
    // Each twin has one quick try; then its wait is long.
    assert.ok((await settled(() => connects, 400)) <= 6, `${connects} conns`)
    const usable = twins.filter((twin) => twin.connection(b).state === 'connected')
    assert.equal(usable.length, 1)
    assert.equal(back.instance, usable[0]?.instance)
    await until(() => server.sockets.size === 1, 'the conn of the other one is closed')
    assert.ok(log.warnings(/another instance of the host has connected/).length >= 1)
  })
})
