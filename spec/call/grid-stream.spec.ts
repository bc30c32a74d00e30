/** Streams of this side against a peer that answers frame by frame: credit, ends, stops, and what the user sees. */

import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { GridStream } from '../../lib/call/grid-stream.ts'
import { StreamCall } from '../../lib/call/stream-call.ts'
import { CancelledError, ClosedError, DisconnectedError } from '../../lib/errors/errors.ts'
import { rawStreaming } from '../../lib/handler/definition.ts'
import type { RemoteHandler } from '../../lib/handler/table.ts'
import { Flag, FrameType, ResetCode } from '../../lib/wire/frame.ts'
import { madeWithoutStack } from '../support/errors.ts'
import { rawStream } from '../support/raw/make.ts'
import { type RawPeer, rawPeer } from '../support/raw/peer.ts'
import { settled, until } from '../support/until.ts'

let peer: RawPeer

/** A stream of the window 2 in both directions. */
async function unopenedStream() {
  peer = await rawPeer({ role: 'dialer' }).start()
  const handler = peer.session.remoteHandlers.find('', 'raw.stream') as RemoteHandler
  const definition = rawStreaming('raw.stream', handler.inCapacity, handler.outCapacity)
  const call = new StreamCall<unknown, unknown>(definition, true)
  return { handler, call, stream: new GridStream(call) as GridStream<Uint8Array, Uint8Array> }
}

/** The same, open as stream 1. */
async function openStream(): Promise<GridStream<Uint8Array, Uint8Array>> {
  const { handler, call, stream } = await unopenedStream()
  call.open(peer.session, handler, Buffer.from('payload'), 0, {})
  await peer.frame(FrameType.open)
  return stream
}

function respond(text: string, flags = 0): void {
  peer.send({ type: FrameType.data, flags, streamId: 1, payload: Buffer.from(text) })
}

function end(): void {
  peer.send({ type: FrameType.data, flags: Flag.end | Flag.bare, streamId: 1, payload: new Uint8Array(0) })
}

function reset(code: number, text = ''): void {
  peer.send({ type: FrameType.reset, flags: 0, streamId: 1, code, text })
}

function requests(): string[] {
  return peer.of(FrameType.data).map((frame) => Buffer.from(frame.payload).toString())
}

function credits(): number {
  return peer.of(FrameType.credit).reduce((sum, frame) => sum + frame.messages, 0)
}

afterEach(() => peer.stop())

describe('the responses of a stream', () => {
  it('grant their credit when they are taken, not when they arrive', async () => {
    const stream = await openStream()
    respond('a')
    respond('b')
    await until(() => peer.session.stats().messagesIn === 2, 'both have arrived')
    assert.equal(credits(), 0)
    assert.equal(Buffer.from((await stream.responses.next()).value ?? '').toString(), 'a')
    await until(() => credits() === 1, 'the credit of the first')
    assert.equal(Buffer.from((await stream.responses.next()).value ?? '').toString(), 'b')
    await until(() => credits() === 2, 'the credit of the second')
    stream.cancel()
  })

  it('fail with FlowControlError when the remote sends more than the window, and the stream is reset', async () => {
    const stream = await openStream()
    for (const text of ['a', 'b', 'c']) respond(text)
    const { code } = await peer.frame(FrameType.reset)
    assert.equal(code, ResetCode.flowControl)
    await assert.rejects(stream.responses.next(), { code: 'ERR_FLOW_CONTROL' })
    assert.equal((await stream.closed).how, 'failed')
  })

  it('that arrived before the end are delivered before it', async () => {
    const stream = await openStream()
    respond('a')
    respond('b', Flag.end)
    reset(ResetCode.stop)
    assert.deepEqual(await stream.closed, { how: 'ended' })
    const texts: string[] = []
    for await (const response of stream) texts.push(Buffer.from(response).toString())
    assert.deepEqual(texts, ['a', 'b'])
  })

  it('that waited are dropped by a reset, whose error comes next, once', async () => {
    const stream = await openStream()
    respond('a')
    reset(ResetCode.internal, 'broken')
    assert.equal((await stream.closed).how, 'failed')
    await assert.rejects(stream.responses.next(), { code: 'ERR_STREAM_RESET' })
    assert.deepEqual(await stream.responses.next(), { done: true, value: undefined })
  })

  it('that are returned from cancel the stream with one reset', async () => {
    const stream = await openStream()
    respond('a')
    for await (const _response of stream) break
    await peer.frame(FrameType.reset)
    assert.equal((await stream.closed).how, 'cancelled')
    stream.cancel()
    await stream.responses.return?.()
    assert.equal(peer.of(FrameType.reset).length, 1)
    assert.equal(peer.of(FrameType.reset)[0]?.code, ResetCode.cancelled)
  })
})

describe('the error of a stream that its consumer has left', () => {
  it('is made once, when somebody asks for it: its stack is dear', async () => {
    const stream = await openStream()
    respond('a')
    for await (const _response of stream) break
    await peer.frame(FrameType.reset)
    const { error } = await madeWithoutStack(() => stream.closed)
    assert.ok(error instanceof CancelledError)
    assert.deepEqual([error.message, error.delivery], ['the consumer stopped reading', 'maybeRan'])
    assert.equal((await stream.closed).error, error)
    assert.doesNotMatch(String(error.stack), /\n {4}at /)
  })
})

describe('the requests of a stream', () => {
  it('wait for credit', async () => {
    const stream = await openStream()
    let sent = 0
    for (const text of ['a', 'b', 'c']) stream.send(Buffer.from(text)).then(() => sent++, assert.fail)
    await until(() => requests().length === 2, 'the window is used')
    peer.send({ type: FrameType.ping, flags: 0, token: 1 })
    await peer.frame(FrameType.pong)
    assert.deepEqual([requests(), sent], [['a', 'b'], 2])
    peer.send({ type: FrameType.credit, flags: 0, streamId: 1, messages: 1, bytes: 1 })
    await until(() => sent === 3, 'the third is taken')
    await until(() => requests().length === 3, 'the third has arrived')
    const later = stream.send(Buffer.from('d')).then(() => sent++, assert.fail)
    const last = stream.send(Buffer.from('e')).then(() => sent++, assert.fail)
    peer.send({ type: FrameType.credit, flags: 0, streamId: 1, messages: 1, bytes: 1 })
    await later
    assert.equal(sent, 4)
    peer.send({ type: FrameType.credit, flags: 0, streamId: 1, messages: 1, bytes: 1 })
    await last
    await until(() => requests().length === 5, 'all have arrived')
    end()
    reset(ResetCode.stop)
    await stream.closed
  })

  it('end their half, and the responses go on', async () => {
    const stream = await openStream()
    stream.requests?.push(Buffer.from('a')).end()
    await until(() => peer.of(FrameType.data).some((frame) => (frame.flags & Flag.end) !== 0), 'the half has ended')
    respond('late')
    assert.equal(Buffer.from((await stream.responses.next()).value ?? '').toString(), 'late')
    end()
    assert.deepEqual(await stream.closed, { how: 'ended' })
  })

  it('are told when the handler takes no more: the source is unwound, sends reject, pushes throw', async () => {
    const stream = await openStream()
    let unwound = false
    const source = (async function* () {
      try {
        for (;;) yield Buffer.from('x')
      } finally {
        unwound = true
      }
    })()
    const done = stream.sink(source)
    await until(() => requests().length === 2, 'the window is used')
    reset(ResetCode.stop)
    await done
    await until(() => unwound, 'the source is unwound')
    assert.throws(() => stream.requests?.push(Buffer.from('y')), ClosedError)
    await assert.rejects(stream.send(Buffer.from('y')), ClosedError)
    respond('still')
    assert.equal(Buffer.from((await stream.responses.next()).value ?? '').toString(), 'still')
    end()
    assert.deepEqual(await stream.closed, { how: 'ended' })
    assert.ok(!peer.of(FrameType.data).some((frame) => (frame.flags & Flag.end) !== 0), 'no end after the stop')
  })

  it('never overtake the payload, though a plain source was there before the stream was open', async () => {
    peer = await rawPeer({ role: 'dialer' }).start()
    const handler = peer.session.remoteHandlers.find('', 'raw.stream') as RemoteHandler
    const call = new StreamCall<unknown, unknown>(rawStreaming('raw.stream', 2, 2), true)
    const stream = new GridStream(call)
    const done = stream.sink(['a', 'b'].map((text) => Buffer.from(text)))
    call.open(peer.session, handler, Buffer.from('payload'), 0, {})
    const open = await peer.frame(FrameType.open)
    assert.equal(Buffer.from(open.payload).toString(), 'payload')
    await until(() => requests().length === 2, 'both requests')
    assert.deepEqual(requests(), ['a', 'b'])
    peer.send({ type: FrameType.credit, flags: 0, streamId: 1, messages: 1, bytes: 1 })
    await done
    stream.cancel()
  })

  it('are not sent when pulling them cancelled the stream', async () => {
    const stream = await openStream()
    const source = (function* () {
      stream.cancel()
      yield Buffer.from('too late')
    })()
    await assert.rejects(stream.sink(source), { code: 'ERR_CANCELLED' })
    await peer.frame(FrameType.reset)
    assert.deepEqual(requests(), [])
    assert.equal(peer.end, undefined)
  })

  it('whose plain source throws while the stream opens ask it for one iterator', async () => {
    peer = await rawPeer({ role: 'dialer' }).start()
    const handler = peer.session.remoteHandlers.find('', 'raw.stream') as RemoteHandler
    const call = new StreamCall<unknown, unknown>(rawStreaming('raw.stream', 2, 2), true)
    const stream = new GridStream(call)
    const failure = new Error('the disk is gone')
    let iterators = 0
    const next = () => {
      throw failure
    }
    const source: Iterable<unknown> = {
      [Symbol.iterator]: () => {
        iterators++
        return { next }
      }
    }
    const failed = assert.rejects(stream.sink(source), failure)
    call.open(peer.session, handler, Buffer.from('payload'), 0, {})
    await failed
    assert.equal(iterators, 1)
  })

  it('are refused at once when the remote handler takes none, whatever this side thought', async () => {
    peer = await rawPeer({ role: 'dialer' }).start([{ ...rawStream, inCapacity: 0 }])
    const handler = peer.session.remoteHandlers.find('', 'raw.stream') as RemoteHandler
    const call = new StreamCall<unknown, unknown>(rawStreaming('raw.stream', 2, 2), true)
    const stream = new GridStream(call)
    let unwound = 0
    const source = { next: () => assert.fail('it is pulled'), return: () => ({ done: true, value: unwound++ }) }
    const early = stream.sink({ [Symbol.iterator]: () => source as unknown as Iterator<unknown> })
    call.open(peer.session, handler, Buffer.from('payload'), 0, {})
    assert.equal((await peer.frame(FrameType.open)).flags, Flag.end)
    assert.equal(unwound, 1)
    await assert.rejects(early, ClosedError)
    assert.throws(() => (stream.requests as { push(value: unknown): void }).push(Buffer.from('a')), ClosedError)
    await assert.rejects(stream.send(Buffer.from('a')), ClosedError)
    await assert.rejects(stream.sink([Buffer.from('a')]), ClosedError)
    stream.cancel()
  })

  it('have one source: a second one, or a push beside it, is refused', async () => {
    const stream = await openStream()
    stream.sink(
      (async function* () {
        await new Promise(() => undefined)
        yield Buffer.from('never')
      })()
    )
    await assert.rejects(stream.sink([]), ClosedError)
    assert.throws(() => stream.requests?.push(Buffer.from('a')), ClosedError)
    stream.cancel()
    assert.equal((await stream.closed).how, 'cancelled')
  })

  for (const when of ['before', 'after'] as const) {
    it(`whose source is given ${when} the stream fails unopened unwind it, and sink() rejects with why`, async () => {
      const call = new StreamCall<unknown, unknown>(rawStreaming('raw.stream', 2, 2), true)
      const stream = new GridStream(call)
      const why = new DisconnectedError('notConnected', 'not connected')
      if (when === 'after') call.fail(why)
      let unwound = 0
      const iterator = { next: () => assert.fail('it is pulled'), return: () => Promise.reject(unwound++) }
      const done = stream.sink({ [Symbol.asyncIterator]: () => iterator as unknown as AsyncIterator<unknown> })
      if (when === 'before') call.fail(why)
      await assert.rejects(done, why)
      assert.equal(unwound, 1)
    })
  }

  it('that are refused do not end the process where nobody awaits that', async () => {
    const stream = await openStream()
    const first = stream.sink([Buffer.from('a')])
    stream.sink([Buffer.from('b')])
    stream.send(Buffer.from('c'))
    await first
    const none = new GridStream(new StreamCall<unknown, unknown>(rawStreaming('raw.stream', 0, 1), false))
    none.sink([1])
    none.send(1 as never)
    // A rejection that nobody handles is told after a turn.
    await settled(() => requests().length)
    assert.equal(requests().includes('b'), false)
  })

  it('whose source is given after the end unwind it; sink() tells how the stream ended', async () => {
    const stream = await openStream()
    reset(ResetCode.cancelled, 'enough')
    const { error } = await stream.closed
    let unwound = 0
    const source = { [Symbol.iterator]: () => ({ next: () => assert.fail('it is pulled'), return: () => unwound++ }) }
    await assert.rejects(stream.sink(source as unknown as Iterable<Uint8Array>), error as Error)
    assert.equal(unwound, 1)
  })

  it('that wait are dropped when an error is thrown in before the stream is open', async () => {
    for (const give of ['send', 'push'] as const) {
      const { handler, call, stream } = await unopenedStream()
      const sent = stream.send(Buffer.from('a'))
      if (give === 'push') stream.requests.push(Buffer.from('b'))
      const broken = new Error('broken')
      stream.requests.end(broken)
      call.open(peer.session, handler, Buffer.from('payload'), 0, {})
      await assert.rejects(stream.responses.next(), broken)
      await assert.rejects(sent, broken)
      await peer.frame(FrameType.reset)
      assert.deepEqual(requests(), [])
      await peer.stop()
    }
  })

  it('that wait are dropped when the handler takes no more, sent or pushed', async () => {
    const stream = await openStream()
    for (const text of ['a', 'b', 'c']) stream.send(Buffer.from(text)).catch(() => undefined)
    for (const text of ['d', 'e']) stream.requests.push(Buffer.from(text))
    assert.equal(stream.requests.readableLength, 2)
    reset(ResetCode.stop)
    await until(() => stream.requests.readableLength === 0, 'they are dropped')
    assert.deepEqual(requests(), ['a', 'b'])
  })

  it('that are first asked for after the end have ended as well', async () => {
    for (const how of ['cancelled', 'reset']) {
      const stream = await openStream()
      if (how === 'cancelled') stream.cancel()
      else reset(ResetCode.internal)
      await stream.closed
      const { requests } = stream
      assert.throws(() => requests.push(Uint8Array.of(1)), ClosedError)
      assert.equal(requests.end(), requests)
      assert.equal((await requests.next()).done, true)
      await requests.onEmpty()
      await peer.stop()
    }
  })

  it('whose source throws reset the stream; the responses throw the same', async () => {
    const stream = await openStream()
    const failure = new Error('the disk is gone')
    const source = (async function* () {
      yield Buffer.from('first')
      throw failure
    })()
    const done = stream.sink(source)
    await assert.rejects(done, failure)
    await assert.rejects(stream.responses.next(), failure)
    assert.equal((await peer.frame(FrameType.reset)).code, ResetCode.cancelled)
    assert.equal((await stream.closed).how, 'failed')
  })
})

describe('a stream', () => {
  it('that is disposed is cancelled, and leaves nothing', async () => {
    const stream = await openStream()
    await stream[Symbol.asyncDispose]()
    assert.equal((await peer.frame(FrameType.reset)).code, ResetCode.cancelled)
    assert.equal(peer.session.stats().outboundStreams, 0)
  })

  it('whose conn is cut fails on both halves', async () => {
    const stream = await openStream()
    const pending = stream.responses.next()
    const blocked = Promise.allSettled(['a', 'b', 'c'].map((text) => stream.send(Buffer.from(text))))
    await until(() => requests().length === 2, 'the window is used')
    peer.cut()
    await assert.rejects(pending, { code: 'ERR_DISCONNECTED', delivery: 'maybeRan' })
    assert.equal((await blocked)[2]?.status, 'rejected')
    assert.equal((await stream.closed).how, 'failed')
  })
})
