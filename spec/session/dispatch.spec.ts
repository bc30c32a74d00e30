/** What a peer may cost: calls that it does not read the answers of, frames that gain nothing, many cancels at once. */

import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { CodecError } from '../../lib/errors/errors.ts'
import { fragmentBytes } from '../../lib/errors/options.ts'
import { rawSingle, rawStreaming } from '../../lib/handler/definition.ts'
import type { HandlerContext } from '../../lib/hooks/call-info.ts'
import { IdTable } from '../../lib/open/id-table.ts'
import type { Stream } from '../../lib/stream/stream.ts'
import { CloseCode, Flag, type Frame, FrameType, ResetCode } from '../../lib/wire/frame.ts'
import { madeWithoutStack } from '../support/errors.ts'
import { addHandler, data, goAway, open, reset } from '../support/raw/make.ts'
import { type RawPeer, type RawPeerOptions, rawPeer } from '../support/raw/peer.ts'
import { settled, until } from '../support/until.ts'

let peer: RawPeer
let context: HandlerContext | undefined
let unwound = false

/** Handler 0 answers 64 KiB, 1 waits for its cancel, 2 reads requests that must be "good" while it waits for its cancel. */
async function start(options: RawPeerOptions): Promise<RawPeer> {
  peer = rawPeer(options)
  context = undefined
  unwound = false
  addHandler(peer.handlers, rawSingle('large'), () => Buffer.alloc(65_536))
  const waiting = (_request: unknown, { signal }: HandlerContext) =>
    new Promise((resolve) => signal.addEventListener('abort', resolve))
  addHandler(peer.handlers, rawSingle('wait'), waiting)
  const request = {
    encode: () => new Uint8Array(0),
    decode: (bytes: Uint8Array) => {
      if (Buffer.from(bytes).toString() !== 'good') throw new CodecError('a bad request')
      return 'good'
    }
  }
  const picky = { ...rawStreaming('picky', 2, 2), request }
  addHandler(peer.handlers, picky, async function* (_payload, requests, given) {
    context = given
    const read = (requests as AsyncIterator<unknown>).next()
    read.catch(() => undefined)
    try {
      await new Promise((resolve) => given.signal.addEventListener('abort', resolve))
      yield Buffer.from('never')
    } finally {
      unwound = true
    }
  })
  return peer.start()
}

function ownCalls(count: number, payload: Uint8Array): Stream[] {
  const request = { handler: 0, metadata: undefined, timeoutMs: 0 }
  const calls = Array.from({ length: count }, () => peer.session.newStream(request))
  for (const call of calls) call.sendMessage(payload, Flag.end)
  return calls
}

/** The peer takes nothing more, and the batch that waits for it has no room. */
function fillConn(): void {
  peer.link.hold()
  ownCalls(10, Buffer.alloc(65_536))
}

afterEach(() => peer.stop())

describe('a peer', () => {
  it('that reads no answers is refused more calls once as many wait as may run', async () => {
    await start({ limits: { maxInboundStreams: 20 }, capacity: 1 })
    peer.link.hold()
    for (let id = 1; id < 200; id += 2) peer.send(open(id, 0))
    await until(() => peer.session.stats().refusals > 0, 'calls are refused')
    const { inboundStreams, runningHandlers } = peer.session.stats()
    assert.ok(inboundStreams <= 20, `${inboundStreams} answers wait`)
    assert.equal(runningHandlers, 0)
    peer.link.release()
  })

  it('that reads nothing is refused more calls once as many ends of calls wait as may run, until it reads them', async () => {
    await start({ limits: { maxInboundStreams: 20 }, capacity: 1 })
    fillConn()
    const calls = (from: number, timeoutMs: number) =>
      peer.send(...Array.from({ length: 20 }, (_, at) => ({ ...open(from + 2 * at, 1), timeoutMs }) as Frame))
    calls(1, 1)
    await until(() => peer.session.stats().sendQueueStreams >= 20, 'the deadlines of all have passed')
    calls(41, 1)
    await until(() => peer.session.stats().refusals === 20, 'more are refused')
    assert.equal(peer.session.stats().inboundStreams, 0)
    peer.link.release()
    await until(() => peer.session.stats().sendQueueStreams === 0, 'it is told all')
    calls(81, 0)
    await until(() => peer.session.stats().runningHandlers === 20, 'it may call again')
    assert.equal(peer.session.stats().refusals, 20)
  })

  it('has as many calls as it may, whatever this side has to say of calls of its own', async () => {
    await start({ limits: { maxInboundStreams: 20 }, capacity: 1 })
    const calls = ownCalls(100, Buffer.from('payload'))
    fillConn()
    for (const call of calls) call.abort({ reason: new Error('given up') }, ResetCode.cancelled, '')
    peer.send(...Array.from({ length: 20 }, (_, at) => open(1 + 2 * at, 1)))
    await until(() => peer.session.stats().runningHandlers === 20, 'all its calls run')
    assert.equal(peer.session.stats().refusals, 0)
  })

  it('that stops the requests of a call that has but one gets it whole', async () => {
    await start({ capacity: 1 })
    peer.link.hold()
    const [call] = ownCalls(1, Buffer.alloc(16 * fragmentBytes, 7)) as [Stream]
    call.isSingle = true
    await until(() => call.id > 0, 'it is being sent')
    peer.send(reset(call.id, ResetCode.stop))
    await settled(() => peer.session.stats().framesIn)
    peer.link.release()
    const sent = () => [...peer.of(FrameType.open), ...peer.of(FrameType.data)]
    await until(() => ((sent().at(-1)?.flags ?? 0) & Flag.end) !== 0, 'its end has arrived')
    const bytes = sent().reduce((sum, { payload }) => sum + payload.length, 0)
    assert.equal(bytes, 16 * fragmentBytes)
  })

  it('that says over and over that it goes away is closed for the flood', async () => {
    await start({ limits: { maxIdleFramesPerSecond: 10 } })
    for (let i = 0; i < 200; i++) peer.send(goAway(0, '', CloseCode.shutdown))
    await until(() => peer.end?.reason === 'flood', 'the session has ended')
  })

  it('that says so a thousand times makes this side look at its streams once', async (test) => {
    // Each tick looks at them, too.
    await start({ keepAlive: { intervalMs: 600_000 } })
    const ids = Array.from({ length: 100 }, (_, at) => 2 * at + 1)
    peer.send(...ids.map((id) => open(id, 1)))
    await until(() => peer.session.stats().inboundStreams === 100, 'its calls run')
    const listings = test.mock.method(IdTable.prototype, 'values')
    peer.send(...Array.from({ length: 1000 }, (_, at) => goAway(0, 'bye', at % 10)))
    await settled(() => peer.session.stats().framesIn)
    assert.deepEqual([listings.mock.callCount(), peer.draining, peer.end], [1, true, undefined])
  })

  it('that breaks the rules of stream after stream is closed for the flood', async () => {
    await start({ limits: { maxIdleFramesPerSecond: 10 } })
    for (let id = 1; id < 400; id += 2) peer.send(open(id, 1, 0))
    await until(() => peer.end?.reason === 'flood', 'the session has ended')
  })

  it('may cancel all the calls it may have at once, whatever else is a flood', async () => {
    await start({ limits: { maxIdleFramesPerSecond: 10, maxInboundStreams: 500 } })
    const ids = Array.from({ length: 500 }, (_, at) => 2 * at + 1)
    for (const id of ids) peer.send(open(id, 1))
    peer.send(...ids.map((id) => reset(id, ResetCode.cancelled)))
    await until(() => peer.session.stats().runningHandlers === 0, 'all handlers have ended')
    assert.equal(peer.end, undefined)
  })

  it('forges no lines of a log with the texts it sends', async () => {
    await start({})
    peer.send(goAway(0, 'bye\n\u001b[31mit-grid: all is well'))
    peer.cut()
    await until(() => peer.end !== undefined, 'the session has ended')
    assert.doesNotMatch(peer.end?.text ?? '', /\p{Cc}/u)
  })
})

describe('a request that cannot be decoded', () => {
  it('fails the call, aborts its handler, and lets it unwind', async () => {
    await start({})
    peer.send(open(1, 2, 0), data(1, 0, Buffer.from('bad')))
    const answer = await peer.frame(FrameType.data)
    assert.equal(answer.flags, Flag.end | Flag.error)
    await until(() => unwound && peer.session.stats().runningHandlers === 0, 'the handler has unwound')
    assert.equal(context?.signal.aborted, true)
  })
})

describe('a handler that never asks for its signal', () => {
  it('has no error made by a caller that leaves, but one when it asks for the reason in the end', async () => {
    await start({})
    addHandler(peer.handlers, rawStreaming('endless', 0, 2), async function* (_payload, _requests, given) {
      context = given
      for (;;) yield Buffer.from('again')
    })
    peer.send(open(1, 3), { type: FrameType.reset, flags: 0, streamId: 1, code: ResetCode.cancelled, text: 'enough' })
    await until(() => context !== undefined && peer.session.stats().runningHandlers === 0, 'the handler has unwound')
    const { reason } = madeWithoutStack(() => (context as HandlerContext).signal)
    assert.deepEqual([reason.code, reason.delivery], ['ERR_CANCELLED', undefined])
    assert.match(reason.message, /^cancelled by .*: enough$/)
    assert.doesNotMatch(reason.stack, /\n {4}at /)
  })
})
