/** Each error of a call says whether its handler can have run, neither too little nor too much. */

import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { GridStream } from '../../lib/call/grid-stream.ts'
import { sendRequest } from '../../lib/call/request.ts'
import { StreamCall } from '../../lib/call/stream-call.ts'
import { rawBytes } from '../../lib/codec/codec.ts'
import { createCancellation } from '../../lib/errors/cancellation.ts'
import { GridError } from '../../lib/errors/errors.ts'
import { virtualTime } from '../../lib/extras/testing/index.ts'
import { rawStreaming } from '../../lib/handler/definition.ts'
import type { RemoteHandler } from '../../lib/handler/table.ts'
import { Flag, type Frame, FrameType, ResetCode } from '../../lib/wire/frame.ts'
import { type RawPeer, type RawPeerOptions, rawPeer } from '../support/raw/peer.ts'
import { until } from '../support/until.ts'

const small = Buffer.from('payload')
/** More than a conn takes at once. */
const large = new Uint8Array(1_000_000)
let peer: RawPeer

async function start(options: RawPeerOptions = {}): Promise<void> {
  peer = rawPeer({ role: 'dialer', ...options })
  await peer.start()
}

function find(id: string): RemoteHandler {
  return peer.session.remoteHandlers.find('', id) as RemoteHandler
}

function request(payload: Uint8Array = small, timeoutMs = 0): Promise<unknown> {
  return sendRequest(peer.session, find('raw.single'), payload, rawBytes, timeoutMs, {})
}

function open(payload: Uint8Array = small, timeoutMs = 0): GridStream<Uint8Array, Uint8Array> {
  const call = new StreamCall<unknown, unknown>(rawStreaming('raw.stream', 2, 2), true)
  const stream = new GridStream(call)
  call.open(peer.session, find('raw.stream'), payload, timeoutMs, {})
  return stream as GridStream<Uint8Array, Uint8Array>
}

/** The class and the delivery of what a call fails with. */
async function failure(call: Promise<unknown>): Promise<[string, unknown]> {
  const error = await call.then(
    () => assert.fail('it did not fail'),
    (thrown) => thrown
  )
  assert.ok(error instanceof GridError, `${error}`)
  return [error.name, error.delivery]
}

function answer(flags: number, payload: Uint8Array = small): Frame {
  return { type: FrameType.data, flags, streamId: 1, payload }
}

function reset(code: number): Frame {
  return { type: FrameType.reset, flags: 0, streamId: 1, code, text: '' }
}

afterEach(() => peer.stop())

describe('the delivery of a call', () => {
  for (const how of ['lost', 'at its deadline'] as const) {
    it(`that is ${how} is notSent until its payload is sent, all of it, and maybeRan from then on`, async () => {
      // The deadline passes only when it is to.
      using time = how === 'lost' ? undefined : virtualTime(7)
      await start({ capacity: 1 })
      peer.link.hold()
      const timeoutMs = how === 'lost' ? 0 : 50
      const end = () => time?.advance(timeoutMs + 10) ?? peer.cut()
      const [begun, waiting] = [request(large, timeoutMs), request(small, timeoutMs)]
      const stream = open(large, timeoutMs)
      const failures = [begun, waiting, stream.responses.next()].map((call) => failure(call))
      assert.ok(peer.session.stats().framesOut > 0)
      await end()
      const name = how === 'lost' ? 'DisconnectedError' : 'DeadlineError'
      const first = await failures[0]
      assert.deepEqual(first, [name, 'notSent'])
      assert.deepEqual((await failures[1])?.[0], name)
      assert.deepEqual(await failures[2], [name, 'notSent'])
      await peer.stop()
      await start()
      const sent = [request(large, timeoutMs), open(large, timeoutMs).responses.next()].map((call) => failure(call))
      const isWhole = ({ flags }: { flags: number }) => (flags & Flag.more) === 0
      await until(() => peer.of(FrameType.data).filter(isWhole).length === 2, 'both have arrived')
      await end()
      for (const each of sent) assert.deepEqual(await each, [name, 'maybeRan'])
    })
  }

  it('that this library cancels by itself is told in the reason: notSent until its payload is sent, all of it', async () => {
    const cancel = async (payload: Uint8Array, whenSent: () => Promise<unknown>) => {
      const controller = new AbortController()
      const { signal } = controller
      const call = sendRequest(peer.session, find('raw.single'), payload, rawBytes, 0, { signal })
      const failed = failure(call)
      await whenSent()
      const reason = createCancellation('enough')
      controller.abort(reason)
      assert.deepEqual([await failed, reason.delivery], [['CancelledError', reason.delivery], reason.delivery])
      return reason.delivery
    }
    await start({ capacity: 1 })
    peer.link.hold()
    assert.equal(await cancel(large, async () => assert.ok(peer.session.stats().framesOut > 0)), 'notSent')
    assert.equal(await cancel(small, async () => undefined), 'notSent')
    await peer.stop()
    await start()
    assert.equal(await cancel(small, () => peer.frame(FrameType.open)), 'maybeRan')
  })

  it('is told as the worst of all that one reason cancels', async () => {
    await start({ capacity: 1 })
    const controller = new AbortController()
    const { signal } = controller
    const send = (payload: Uint8Array) =>
      failure(sendRequest(peer.session, find('raw.single'), payload, rawBytes, 0, { signal }))
    const sent = send(small)
    await peer.frame(FrameType.open)
    peer.link.hold()
    const waiting = send(large)
    const reason = createCancellation('enough')
    controller.abort(reason)
    assert.deepEqual(await Promise.all([sent, waiting]), Array(2).fill(['CancelledError', 'maybeRan']))
  })

  const refusals = [ResetCode.unknownHandler, ResetCode.tooManyStreams, ResetCode.goingAway]
  it('that the peer refused is notSent, also when the conn ends right behind the refusal', async () => {
    for (const code of refusals) {
      await start()
      const calls = [failure(request()), failure(open().responses.next())]
      await until(() => peer.of(FrameType.open).length === 2, 'both have arrived')
      peer.send(reset(code), { ...reset(code), streamId: 3 } as Frame)
      peer.close()
      for (const call of calls) assert.deepEqual(await call, ['RejectedError', 'notSent'])
      await peer.stop()
    }
    await start()
  })

  it('whose one message the peer found too large is notSent, of a request; of a stream it may have run', async () => {
    await start()
    const calls = [failure(request()), failure(open().responses.next())]
    await until(() => peer.of(FrameType.open).length === 2, 'both have arrived')
    peer.send(reset(ResetCode.messageTooLarge), { ...reset(ResetCode.messageTooLarge), streamId: 3 } as Frame)
    assert.deepEqual(await calls[0], ['MessageTooLargeError', 'notSent'])
    assert.deepEqual(await calls[1], ['MessageTooLargeError', 'maybeRan'])
  })

  const bad: [string, Frame[], string][] = [
    ['too large', [answer(Flag.end, new Uint8Array(101))], 'MessageTooLargeError'],
    [
      'too large in fragments',
      [answer(Flag.more, new Uint8Array(60)), answer(Flag.more, new Uint8Array(60))],
      'MessageTooLargeError'
    ],
    ['without an end', [answer(0)], 'ProtocolError'],
    ['only an end', [answer(Flag.end | Flag.bare, new Uint8Array(0))], 'ProtocolError'],
    ['an end amid fragments', [answer(Flag.more), answer(Flag.end | Flag.bare, new Uint8Array(0))], 'ProtocolError']
  ]
  for (const [what, frames, name] of bad) {
    it(`of a request whose answer arrived, but is ${what}, is ran`, async () => {
      await start({ limits: { maxMessageBytes: 100 } })
      const call = failure(request())
      await peer.frame(FrameType.open)
      peer.send(...frames)
      assert.deepEqual(await call, [name, 'ran'])
    })
  }

  it('of a stream whose responses break a rule is maybeRan: its handler runs', async () => {
    await start({ limits: { maxMessageBytes: 100 } })
    const call = failure(open().responses.next())
    await peer.frame(FrameType.open)
    peer.send(answer(0, new Uint8Array(101)))
    assert.deepEqual(await call, ['MessageTooLargeError', 'maybeRan'])
  })

  it('is told by each way to stop a stream without a reason', async () => {
    await start()
    const stops = [
      (stream: GridStream<Uint8Array, Uint8Array>) => stream.cancel(),
      (stream: GridStream<Uint8Array, Uint8Array>) => stream.responses.return?.(),
      (stream: GridStream<Uint8Array, Uint8Array>) => stream[Symbol.asyncDispose]()
    ]
    for (const stop of stops) {
      const opened = open()
      const unopened = new GridStream(
        new StreamCall<Uint8Array, Uint8Array>(rawStreaming('raw.stream', 2, 2) as never, true)
      )
      for (const [stream, delivery] of [[opened, 'maybeRan'] as const, [unopened, 'notSent'] as const]) {
        await stop(stream)
        const { how, error } = await stream.closed
        assert.ok(how === 'cancelled' && error instanceof GridError)
        assert.deepEqual([error.name, error.delivery], ['CancelledError', delivery])
      }
    }
  })
})
