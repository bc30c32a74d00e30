/**
 * A connection as its user sees it: states and their order on both ends, waiting for it, and calls while it is down.
 */

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, it, type TestContext } from 'node:test'
import {
  ClosedError,
  type Connection,
  connectWS,
  DeadlineError,
  DisconnectedError,
  single,
  streaming
} from '../../lib/index.ts'
import { LogBook, namesInOrder } from '../support/grid/manager.ts'
import { rejection, Servers, statesOf } from '../support/grid/servers.ts'
import { settled, until } from '../support/until.ts'

const echo = (payload: Uint8Array) => payload

/** A manager whose one host is known and not there yet; `appear` starts it. */
async function down(test: TestContext) {
  const servers = new Servers(test)
  const [a, b] = namesInOrder()
  const nowhere = await servers.listen()
  servers.urls.set(b, nowhere.url)
  await nowhere.stop()
  const { manager, log } = await servers.node(a, [a, b])
  manager.handle('echo', echo)
  const appear = async () => {
    const node = await servers.node(b, [a, b])
    node.manager.handle('echo', echo)
    return node
  }
  return { servers, manager, log, connection: manager.connection(b), appear, name: b }
}

describe('the states of a connection', () => {
  it('are idle, connecting, connected on the dialing side and idle, waiting, connecting, connected on the other', async (test) => {
    const { there, back } = await new Servers(test).pair()
    assert.deepEqual([there.state, back.state], ['idle', 'idle'])
    const dialing = statesOf(there)
    const waiting = statesOf(back)
    await Promise.all([there.waitForConnect(), back.waitForConnect()])
    assert.deepEqual(dialing, ['connecting', 'connected'])
    assert.deepEqual(waiting, ['waiting', 'connecting', 'connected'])
    assert.deepEqual([there.state, back.state], ['connected', 'connected'])
  })

  it('go from connected to waiting and back on both sides when the conn is lost, and end with closed', async (test) => {
    const { there, back, listener, dialer } = await new Servers(test).pair()
    await Promise.all([there.waitForConnect(), back.waitForConnect()])
    const dialing = statesOf(there)
    const waiting = statesOf(back)
    listener.server.cut()
    await until(() => dialing.includes('connected') && waiting.includes('connected'), 'connected again')
    assert.deepEqual(dialing, ['waiting', 'connecting', 'connected'])
    assert.deepEqual(waiting, ['waiting', 'connecting', 'connected'])
    await dialer.manager.close()
    await listener.manager.close()
    assert.equal(dialing.at(-1), 'closed')
    assert.equal(waiting.at(-1), 'closed')
    assert.equal(await settled(() => dialing.length + waiting.length), dialing.length + waiting.length)
  })

  it('are one outage in the log, whose tries are counted on where the host has knocked meanwhile', async (test) => {
    const { connection, log } = await down(test)
    const tries = () => log.warnings(/cannot connect to/).map((line) => Number(/attempt (\d+)/.exec(line)?.[1]))
    for (const lines of [2, 3, 5]) {
      await until(() => tries().length >= lines, `${lines} lines`)
      connection.onKnock('00')
    }
    assert.deepEqual(tries().slice(0, 5), [2, 3, 5, 9, 17])
  })

  it('alternate between connecting and waiting while nobody answers, and say why', async (test) => {
    const { connection } = await down(test)
    const changes: string[] = []
    connection.on('state', ({ state, previous, reason }) => changes.push(`${previous}>${state} ${reason ?? ''}`))
    await until(() => changes.length >= 5, 'two tries')
    assert.deepEqual(
      changes.slice(0, 4).map((change) => change.split(' ')[0]),
      ['idle>connecting', 'connecting>waiting', 'waiting>connecting', 'connecting>waiting']
    )
    assert.match(changes[1] ?? '', /cannot connect to .*ECONNREFUSED/)
    assert.match(connection.lastError?.message ?? '', /ECONNREFUSED/)
  })

  it('come with the time of their change, and with no error once connected', async (test) => {
    const { connection, appear } = await down(test)
    await until(() => connection.lastError !== undefined, 'a failed try')
    const before = Date.now()
    await appear()
    await connection.waitForConnect()
    const { since, state, isDialer, instance } = connection.stats()
    assert.ok(since >= before && since <= Date.now())
    assert.deepEqual({ state, isDialer }, { state: 'connected', isDialer: true })
    assert.equal(instance, connection.instance)
    assert.equal(connection.lastError, undefined)
  })
})

describe('the figures of a connection', () => {
  it('have the time since when there is none, however often the host was dialed since', async (test) => {
    const { connection, appear } = await down(test)
    const { downSince: looking = 0 } = connection.stats()
    const states = statesOf(connection)
    const dialed = async () => {
      const before = states.length
      await until(() => states.length >= before + 5 && connection.stats().since > downSince(), 'it was dialed again')
    }
    const downSince = () => connection.stats().downSince ?? assert.fail('it is connected')
    await dialed()
    assert.equal(downSince(), looking)
    const { kill } = await appear()
    await connection.waitForConnect()
    assert.equal(connection.stats().downSince, undefined)
    const before = Date.now()
    await kill()
    await until(() => connection.state !== 'connected', 'it is lost')
    const lost = downSince()
    assert.ok(lost >= before && lost <= Date.now())
    await dialed()
    assert.equal(downSince(), lost)
  })
})

describe('waitForConnect()', () => {
  it('resolves when calls can be made, for all who wait, and at once from then on', async (test) => {
    const { connection, appear } = await down(test)
    const waiting = [connection.waitForConnect(), connection.waitForConnect()]
    await appear()
    await Promise.all(waiting)
    assert.deepEqual(await connection.request('echo', Buffer.from('hi')), new Uint8Array(Buffer.from('hi')))
    await connection.waitForConnect()
  })

  it('rejects with signal.reason, for that caller only, and leaves no listener', async (test) => {
    const { connection, appear } = await down(test)
    const controller = new AbortController()
    const reason = new Error('enough')
    const other = connection.waitForConnect()
    const waiting = rejection(connection.waitForConnect({ signal: controller.signal }))
    controller.abort(reason)
    assert.equal(await waiting, reason)
    assert.equal(await rejection(connection.waitForConnect({ signal: controller.signal })), reason)
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
    await appear()
    await other
    const unused = new AbortController()
    await connection.waitForConnect({ signal: unused.signal })
    assert.equal(getEventListeners(unused.signal, 'abort').length, 0)
  })

  it('rejects with ClosedError when the manager closes, and after', async (test) => {
    const { connection, manager } = await down(test)
    const waiting = rejection(connection.waitForConnect())
    await manager.close()
    assert.ok((await waiting) instanceof ClosedError)
    assert.ok((await rejection(connection.waitForConnect())) instanceof ClosedError)
    assert.equal(connection.state, 'closed')
  })
})

describe('a call while the connection is down', () => {
  it('fails at once with a DisconnectedError that was not sent and has the cause', async (test) => {
    const { connection } = await down(test)
    await assertNotConnected(connection)
    await until(() => connection.lastError !== undefined, 'a failed try')
    const error = await assertNotConnected(connection)
    assert.match(error.message, /ECONNREFUSED/)
    assert.equal(error.cause, connection.lastError?.cause)
  })

  it('fails at once for a stream too, at its first next()', async (test) => {
    const { connection } = await down(test)
    const stream = connection.newStream('walk')
    const error = await rejection(stream.responses.next())
    assert.ok(error instanceof DisconnectedError)
    assert.equal(error.delivery, 'notSent')
    assert.equal((await stream.closed).how, 'failed')
  })

  it('waits with waitForReady, and is then made', async (test) => {
    const { connection, appear } = await down(test)
    const calls = ['one', 'two'].map((text) =>
      connection.request('echo', Buffer.from(text), { waitForReady: true, timeout: 20_000 })
    )
    await until(() => connection.lastError !== undefined, 'a failed try')
    await appear()
    assert.deepEqual(
      (await Promise.all(calls)).map((bytes) => Buffer.from(bytes).toString()),
      ['one', 'two']
    )
  })

  it('waits with waitForReady, and then has what is left of its time, a stream too', async (test) => {
    const { connection, appear } = await down(test)
    const leftMs = single<void, number>('left')
    const leftMsOfStream = streaming<void, never, number>('left-of-stream', { inCapacity: 0 })
    const startMs = performance.now()
    const options = { waitForReady: true, timeout: 60_000 }
    const calls = [
      connection.request(leftMs, undefined, options),
      connection
        .newStream(leftMsOfStream, undefined, options)
        .responses.next()
        .then(({ value }) => value)
    ]
    await until(() => performance.now() - startMs >= 100, 'they have waited')
    const { manager } = await appear()
    const read = ({ deadline = Infinity }) => deadline - Date.now()
    manager.handle(leftMs, (_none, context) => read(context))
    manager.handle(leftMsOfStream, function* (_none, _requests, context) {
      yield read(context)
    })
    // Whole ms, rounded up for the wire.
    for (const left of await Promise.all(calls)) assert.ok(Number(left) <= 59_902, `${left} ms`)
  })

  it('tells its state to each listener, also where others throw or reject, and logs that', async (test) => {
    const log = new LogBook()
    const manager = new Servers(test).manager({ local: 'http://a', hosts: ['http://b'], logger: log })
    const connection = manager.connection('http://b')
    const heard: string[] = []
    const listeners: Record<string, () => unknown> = {
      throws() {
        throw new Error('thrown')
      },
      async rejects() {
        throw new Error('rejected')
      },
      'gives a thenable that throws': () => ({
        // biome-ignore lint/suspicious/noThenProperty: it is what is tried
        get then() {
          throw new Error('no thenable')
        }
      }),
      'is fine': () => undefined
    }
    for (const [name, listener] of Object.entries(listeners)) {
      connection.once('state', () => {
        heard.push(name)
        return listener()
      })
    }
    await until(() => log.warnings(/a listener of "state"/).length === 3, 'all are logged')
    assert.deepEqual(heard, Object.keys(listeners))
    for (const text of ['thrown', 'rejected', 'no thenable']) assert.equal(log.warnings(new RegExp(text)).length, 1)
    assert.equal(connection.listenerCount('state'), 0)
  })

  it('waits with waitForReady until its timeout, with a DeadlineError that was not sent', async (test) => {
    const { connection } = await down(test)
    const started = performance.now()
    const error = await rejection(connection.request('echo', Buffer.of(1), { waitForReady: true, timeout: 80 }))
    assert.ok(error instanceof DeadlineError)
    assert.equal(error.delivery, 'notSent')
    assert.ok(performance.now() - started >= 80)
    const stream = connection.newStream('walk', undefined, { waitForReady: true, timeout: 30 })
    const ofStream = await rejection(stream.responses.next())
    assert.ok(ofStream instanceof DeadlineError)
    assert.equal(ofStream.delivery, 'notSent')
  })

  it('waits with waitForReady until its signal aborts, with its reason', async (test) => {
    const { connection, appear } = await down(test)
    const controller = new AbortController()
    const reason = new Error('enough')
    const { signal } = controller
    const request = rejection(connection.request('echo', Buffer.of(1), { waitForReady: true, signal }))
    const next = rejection(connection.newStream('walk', undefined, { waitForReady: true, signal }).responses.next())
    controller.abort(reason)
    assert.deepEqual(await Promise.all([request, next]), [reason, reason])
    assert.equal(getEventListeners(signal, 'abort').length, 0)
    await appear()
    await connection.waitForConnect()
    assert.equal(connection.stats().totals.messagesOut, 0)
  })

  it('waits with waitForReady until the manager closes, with a ClosedError that was not sent', async (test) => {
    const { connection, manager } = await down(test)
    const waiting = rejection(connection.request('echo', Buffer.of(1), { waitForReady: true }))
    await manager.close()
    for (const error of [await waiting, await rejection(connection.request('echo', Buffer.of(1)))]) {
      assert.ok(error instanceof ClosedError)
      assert.equal(error.delivery, 'notSent')
    }
  })

  it('with a signal that is none is refused, and leaves nothing', async (test) => {
    const { connection, appear } = await down(test)
    await appear()
    await connection.waitForConnect()
    const signal = new AbortController() as unknown as AbortSignal
    for (const call of [
      connection.request('echo', Buffer.of(1), { signal }),
      connection.newStream('echo', Buffer.of(1), { signal }).responses.next()
    ]) {
      const error = await rejection(call)
      assert.deepEqual(
        [(error as { code?: string }).code, (error as { delivery?: string }).delivery],
        ['ERR_INVALID_OPTION', 'notSent']
      )
    }
    assert.equal(connection.stats().session?.outboundStreams, 0)
  })

  it('that cannot be encoded is told so, whatever the state', async (test) => {
    const { connection } = await down(test)
    const error = await rejection(connection.request('echo', 'text' as unknown as Uint8Array, { waitForReady: true }))
    assert.equal(error.code, 'ERR_CODEC')
  })
})

it('a dialer of the user is asked for every try, with the name and a signal that ends it', async (test) => {
  const servers = new Servers(test)
  const [a, b] = namesInOrder()
  const { server, manager: remote } = await servers.node(b, [a, b])
  const asked: string[] = []
  const manager = servers.manager({
    local: a,
    hosts: [b],
    dialer: async (address, options) => {
      asked.push(`${address}${options.path}`)
      if (asked.length === 1) throw new Error('not now')
      if (asked.length === 2) throw 'nor now'
      return connectWS()(server.url, options)
    }
  })
  await manager.connection(b).waitForConnect()
  assert.deepEqual(asked, Array(3).fill(`${b}/grid/v1`))
  await remote.connection(a).waitForConnect()
})

async function assertNotConnected(connection: Connection): Promise<Error> {
  const error = await rejection(connection.request('echo', Buffer.of(1)))
  assert.ok(error instanceof DisconnectedError)
  assert.equal(error.reason, 'notConnected')
  assert.equal(error.delivery, 'notSent')
  assert.match(error.message, new RegExp(`not connected to ${connection.host}`))
  return error
}
