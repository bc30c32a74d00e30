/**
 * A process that stands still past a deadline: what had arrived by then is read before anyone is judged. Over sockets,
 * without a proxy, so that what was sent lies in the socket of whoever stands still.
 */

import assert from 'node:assert/strict'
import { connect, createServer } from 'node:net'
import { nextTick } from 'node:process'
import { describe, it, type TestContext } from 'node:test'
import { type Auth, bytes, connectDuplex, duplexConn, type ManagerOptions, streaming } from '../../lib/index.ts'
import { Flag, FrameType } from '../../lib/wire/frame.ts'
import { paced } from '../support/clock/pace.ts'
import { Gate, Outcome } from '../support/gate.ts'
import { namesInOrder, secret } from '../support/grid/manager.ts'
import { Servers } from '../support/grid/servers.ts'
import { enter } from '../support/raw/dialer.ts'
import { listening } from '../support/raw/http.ts'
import { data, open, rawSingle, table } from '../support/raw/make.ts'
import { besieged } from '../support/raw/siege.ts'
import { until } from '../support/until.ts'
import { standStill, standStillBehind } from './stall.ts'

/** Until then everything is in place, on a busy machine too. */
const deadlineMs = paced(400)
/** Past any deadline that began before. */
const stallMs = deadlineMs + 30

const raw = { payload: bytes(), response: bytes() }
const gated = streaming<Uint8Array, never, Uint8Array>('gated', { ...raw, inCapacity: 0 })
const sum = streaming<Uint8Array, Uint8Array, Uint8Array>('sum', { ...raw, request: bytes() })

/** The caller dials the answering end directly; `gate` holds every answer back. */
async function pair(test: TestContext, kind: 'ws' | 'tcp') {
  const gate = new Gate()
  const servers = new Servers(test)
  const { there, back, dialer, listener } =
    kind === 'ws' ? await servers.pair() : await overTcp(servers, namesInOrder())
  listener.manager.handle('late', async (payload) => {
    await gate.opened
    return payload
  })
  listener.manager.handle('blob', async () => {
    await gate.opened
    return Buffer.alloc(100_000)
  })
  listener.manager.handle(gated, async function* (payload) {
    await gate.opened
    yield payload
  })
  await Promise.all([there.waitForConnect(), back.waitForConnect()])
  return { there, back, dialer, gate }
}

async function overTcp(servers: Servers, [a, b]: [string, string]) {
  const options: Partial<ManagerOptions> = {}
  const server = createServer()
  const port = await listening(server as never)
  servers.onEnd(() => server.close())
  const node = (local: string) => ({
    manager: servers.manager({
      ...{ local, hosts: [a, b], ...options },
      dialer: connectDuplex(() => connect(port, '127.0.0.1'))
    })
  })
  const [dialer, listener] = [node(a), node(b)]
  server.on('connection', (socket) => listener.manager.incomingConn(duplexConn(socket)))
  return { dialer, listener, there: dialer.manager.connection(b), back: listener.manager.connection(a) }
}

for (const kind of ['ws', 'tcp'] as const) {
  describe(`over ${kind}, a caller that stood still past the deadline of its call`, () => {
    it('gets the answer that had arrived', async (test) => {
      const { there, back, gate } = await pair(test, kind)
      const call = new Outcome(there.request('late', Buffer.from('yes'), { timeout: deadlineMs }))
      await until(() => back.stats().session?.runningHandlers === 1, 'the handler runs')
      await standStillBehind(() => gate.open(), stallMs)
      await call.done
      assert.equal(call.error, undefined)
    })

    it('gets it from behind megabytes that had arrived before', async (test) => {
      const { there, back, gate } = await pair(test, kind)
      const blobs = Array.from({ length: 20 }, () => there.request('blob'))
      const call = new Outcome(there.request('late', Buffer.from('yes'), { timeout: deadlineMs }))
      await until(() => back.stats().session?.runningHandlers === 21, 'all handlers run')
      const before = back.stats().totals.bytesOut
      await standStillBehind(() => gate.open(), stallMs)
      assert.ok(back.stats().totals.bytesOut - before > 2_000_000, 'all of it is in the socket')
      await call.done
      assert.equal(call.error, undefined)
      await Promise.all(blobs)
    })

    it('gets the response of a stream that had arrived', async (test) => {
      const { there, back, gate } = await pair(test, kind)
      const stream = there.newStream(gated, Buffer.from('yes'), { timeout: deadlineMs })
      const first = new Outcome(stream.responses.next())
      await until(() => back.stats().session?.runningHandlers === 1, 'the handler runs')
      await standStillBehind(() => gate.open(), stallMs)
      await first.done
      assert.equal(first.error, undefined)
      assert.equal((await stream.responses.next()).done, true)
    })

    it('and past the grace of its close gets the answer that had arrived', async (test) => {
      const { there, back, dialer, gate } = await pair(test, kind)
      const call = new Outcome(there.request('late', Buffer.from('yes')))
      await until(() => back.stats().session?.runningHandlers === 1, 'the handler runs')
      const closed = dialer.manager.close({ timeout: deadlineMs })
      await standStillBehind(() => gate.open(), stallMs)
      await Promise.all([call.done, closed])
      assert.equal(call.error, undefined)
    })
  })
}

describe('a server that stood still past', () => {
  it('the deadline of a handler lets it have the requests that had arrived, and answers', () =>
    besieged('ws', {}, async (siege) => {
      let running = false
      siege.manager.handle(sum, async function* (_payload, requests) {
        running = true
        let length = 0
        for await (const request of requests) length += request.length
        yield Buffer.from(String(length))
      })
      siege.raw.send({ ...open(3, 5, 0), timeoutMs: deadlineMs } as never)
      await until(() => running, 'the handler runs')
      await standStillBehind(() => siege.raw.send(data(3), data(3, Flag.end)), stallMs)
      const answer = await siege.raw.frame(FrameType.data, ({ streamId }) => streamId === 3)
      assert.equal(Buffer.from(answer.payload).toString(), '14')
      assert.deepEqual(siege.raw.of(FrameType.reset), [])
    }))

  it('the deadline of a call that waits for a connection makes it on one that had arrived', () =>
    besieged('ws', {}, async (siege) => {
      siege.raw.wire.cut()
      await until(() => siege.connection.state === 'waiting', 'the old conn is gone')
      siege.raw = await siege.shakeHands()
      const call = new Outcome(
        siege.connection.request('raw.single', undefined, { waitForReady: true, timeout: deadlineMs })
      )
      await standStillBehind(() => siege.raw.send(table(rawSingle), open(1, 2, 0)), stallMs)
      await siege.raw.frame(FrameType.open)
      await call.done
      await siege.assertStreamGoesOn()
    }))

  it('the deadline of a session reads the handler table that had arrived', () =>
    besieged('ws', { limits: { handshakeTimeoutMs: deadlineMs } }, async (siege) => {
      siege.raw.wire.cut()
      await until(() => siege.connection.state === 'waiting', 'the old conn is gone')
      siege.raw = await siege.shakeHands()
      await standStillBehind(() => siege.raw.send(table(rawSingle), open(1, 2, 0)), stallMs)
      await until(() => siege.connection.state === 'connected', 'the session is ready')
      await siege.assertStreamGoesOn()
    }))

  it('the deadline of a handshake lets in a peer whose proof had arrived', () =>
    besieged('ws', { limits: { handshakeTimeoutMs: deadlineMs } }, async (siege) => {
      siege.raw.wire.cut()
      await until(() => siege.connection.state === 'waiting', 'the old conn is gone')
      const auth: Auth = {
        ...secret,
        async prove(context) {
          const proof = await secret.prove(context)
          // The proof is written by a promise, which is before the next tick.
          nextTick(() => standStill(stallMs))
          return proof
        }
      }
      const dialer = await siege.dial()
      await enter(dialer, { host: siege.connection.host, remote: siege.manager.local, auth })
      dialer.cut()
      await siege.enter()
    }))
})
