/** A session against a peer that breaks the rules, frame by frame: what is reset, what closes, what is ignored. */

import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { sendRequest } from '../../lib/call/request.ts'
import type { DisconnectedError } from '../../lib/errors/errors.ts'
import { defaultLimits, maxConnMessageBytes } from '../../lib/errors/options.ts'
import { rawStreaming, rawSingle as single } from '../../lib/handler/definition.ts'
import type { HandlerContext } from '../../lib/hooks/call-info.ts'
import { CloseCode, Flag, FrameType, ResetCode } from '../../lib/wire/frame.ts'
import { Outcome } from '../support/gate.ts'
import { addHandler, credit, data, goAway, open, ping, rawSingle, reset } from '../support/raw/make.ts'
import { type RawPeer, type RawPeerOptions, rawPeer } from '../support/raw/peer.ts'
import { until } from '../support/until.ts'

const payload = Buffer.from('payload')
let peer: RawPeer
const contexts: HandlerContext[] = []
let runs = 0

/** Handler 0 echoes, 1 waits for its cancel, 2 streams what it is sent, 3 never reads its requests. */
async function start(options?: RawPeerOptions): Promise<RawPeer> {
  peer = rawPeer(options)
  runs = 0
  contexts.length = 0
  const singles = {
    echo: (request: unknown) => request,
    wait: () => new Promise(() => undefined)
  }
  for (const [id, fn] of Object.entries(singles)) {
    const definition = single(id)
    const run = (request: unknown, context: HandlerContext) => {
      runs++
      contexts.push(context)
      return fn(request)
    }
    addHandler(peer.handlers, definition, run)
  }
  addHandler(peer.handlers, rawStreaming('each', 2, 2), async function* (_payload, requests) {
    runs++
    for await (const request of requests as AsyncIterable<unknown>) yield request
  })
  addHandler(peer.handlers, rawStreaming('deaf', 2, 2), async function* (_payload, _requests, context) {
    contexts.push(context)
    await new Promise((resolve) => context.signal.addEventListener('abort', resolve))
    yield payload
  })
  return peer.start()
}

async function closedWith(code: number, text: RegExp): Promise<void> {
  await until(() => peer.end !== undefined, 'the session has ended')
  const farewell = await peer.frame(FrameType.goAway)
  assert.equal(farewell.code, code)
  assert.match(farewell.text, text)
}

async function resetWith(streamId: number, code: number, text: RegExp): Promise<void> {
  const reset = await peer.frame(FrameType.reset, (frame) => frame.streamId === streamId)
  assert.equal(reset.code, code)
  assert.match(reset.text, text)
  assert.equal(peer.end, undefined, 'the session lives')
  // The session still answers.
  const next = 2 * runs + 10_001
  peer.send(open(next, 0))
  await peer.frame(FrameType.data, (frame) => frame.streamId === next)
}

afterEach(() => peer.stop())

describe('a session closes the conn, with the reason, on', () => {
  const closing: [string, () => void, RegExp][] = [
    ['an open with an id of the wrong parity', () => peer.send(open(2, 0)), /wrong parity/],
    ['an open with a live id', () => peer.send(open(1, 1), open(1, 1)), /not above the last/],
    ['an open with an id lower than the last', () => peer.send(open(5, 0), open(3, 0)), /not above the last/],
    ['data for an id never opened', () => peer.send(data(7)), /never opened/],
    ['data for an id of its own that it never opened', () => peer.send(data(2)), /never opened/],
    ['credit for an id never opened', () => peer.send(credit(9, 1, 1)), /never opened/],
    ['a reset for an id never opened', () => peer.send(reset(9)), /never opened/],
    ['a credit of nothing', () => peer.send(open(1, 3, 0), credit(1, 0, 0)), /credit of nothing/],
    ['a credit beyond the maximum', () => peer.send(open(1, 3, 0), credit(1, 2 ** 31, 1)), /beyond/],
    ['an unknown frame type', () => peer.sendBytes(Buffer.from([0x0f, 1])), /frame type 15/],
    ['an unknown flag', () => peer.sendBytes(Buffer.from([0x13, 1, 1, 1])), /flags 0x10/],
    ['an empty batch', () => peer.sendBytes(new Uint8Array(0)), /empty/],
    ['a frame that is cut short', () => peer.sendBytes(Buffer.from([0x12, 1, 5, 1])), /beyond the end/]
  ]
  for (const [title, act, text] of closing) {
    it(title, async () => {
      await start()
      act()
      await closedWith(CloseCode.protocol, text)
    })
  }

  it('a flood of pings', async () => {
    await start({ limits: { maxIdleFramesPerSecond: 10 } })
    for (let i = 0; i < 300; i++) peer.send(ping(i))
    await closedWith(CloseCode.flood, /flood/)
  })

  it('a flood of opens that are reset at once', async () => {
    await start({ limits: { maxIdleFramesPerSecond: 10, maxInboundStreams: 10 } })
    for (let i = 1; i < 600; i += 2) peer.send(open(i, 3, 0), reset(i))
    await closedWith(CloseCode.flood, /flood/)
  })
})

describe('a session resets one stream and lives on', () => {
  it('data after the end', async () => {
    await start()
    peer.send(open(1, 3), data(1))
    await resetWith(1, ResetCode.streamProtocol, /after the end/)
  })

  it('a second end', async () => {
    await start()
    peer.send(open(1, 3), data(1, Flag.end | Flag.bare))
    await resetWith(1, ResetCode.streamProtocol, /after the end/)
  })

  it('one message more than the window', async () => {
    await start()
    peer.send(open(1, 3, 0), data(1), data(1), data(1))
    await resetWith(1, ResetCode.flowControl, /window of 2/)
  })

  it('one byte more than the window, once one frame has overdrawn it', async () => {
    await start({ limits: { streamWindowBytes: 10 } })
    peer.send(open(1, 3, 0), data(1, 0, Buffer.alloc(50)), data(1, 0, Buffer.alloc(1)))
    await resetWith(1, ResetCode.flowControl, /window of 10/)
  })

  it('one fragment more than the window, of a message that began in it behind one that waits', async () => {
    await start({ limits: { streamWindowBytes: 10 } })
    peer.send(open(1, 3, 0), data(1), data(1, Flag.more), data(1, 0, Buffer.alloc(0)))
    await resetWith(1, ResetCode.flowControl, /window of 10/)
  })

  it('a message over the limit, in one frame or in fragments', async () => {
    await start({ limits: { maxMessageBytes: 100 } })
    peer.send(open(1, 0, Flag.end, Buffer.alloc(101)))
    await resetWith(1, ResetCode.messageTooLarge, /100 bytes/)
    peer.send(open(20_001, 0, Flag.more, Buffer.alloc(60)), data(20_001, Flag.more, Buffer.alloc(60)))
    const reset = await peer.frame(FrameType.reset, (frame) => frame.streamId === 20_001)
    assert.equal(reset.code, ResetCode.messageTooLarge)
  })

  it('a message of too many fragments', async () => {
    await start({ limits: { maxFragments: 3 } })
    peer.send(open(1, 0, Flag.more), data(1, Flag.more), data(1, Flag.more), data(1, Flag.more))
    await resetWith(1, ResetCode.messageTooLarge, /3 fragments/)
  })

  it('a single request without the end, whose handler does not run', async () => {
    await start()
    peer.send(open(1, 1, 0))
    await resetWith(1, ResetCode.streamProtocol, /without the end/)
    assert.equal(contexts.length, 1, 'only the request that checks the session ran')
  })

  it('the end of a half amid the fragments of a message', async () => {
    await start()
    peer.send(open(1, 3, 0), data(1, Flag.more), data(1, Flag.end | Flag.bare))
    await resetWith(1, ResetCode.streamProtocol, /amid/)
  })

  it('an error payload from the initiator', async () => {
    await start()
    peer.send(open(1, 3, 0), data(1, Flag.end | Flag.error))
    await resetWith(1, ResetCode.streamProtocol, /error payload/)
  })
})

describe('a session refuses, before the handler runs,', () => {
  it('a handler index that it does not have', async () => {
    await start()
    peer.send(open(1, 99))
    await resetWith(1, ResetCode.unknownHandler, /99/)
    assert.equal(peer.session.stats().refusals, 1)
  })

  it('more calls at once than it allows, counting handlers that still run after a reset', async () => {
    await start({ limits: { maxInboundStreams: 2 } })
    peer.send(open(1, 1), open(3, 1), reset(1))
    peer.send(open(5, 1))
    const refused = await peer.frame(FrameType.reset, (frame) => frame.streamId === 5)
    assert.equal(refused.code, ResetCode.tooManyStreams)
    assert.equal(runs, 2)
    assert.equal(peer.session.stats().inboundStreams, 1)
  })

  it('more calls than a turn tells or a batch holds, and tells each of them before it ends', async () => {
    await start({ limits: { maxInboundStreams: 1 }, capacity: 1, log: true })
    const refused = Array.from({ length: 5000 }, (_, at) => 2 * at + 3)
    peer.link.hold()
    peer.send(open(1, 1))
    for (let at = 0; at < refused.length; at += 500) peer.send(...refused.slice(at, at + 500).map((id) => open(id, 0)))
    await until(() => peer.session.stats().refusals === refused.length, 'all are refused')
    peer.session.abort({ reason: 'shutdown', text: 'bye' })
    peer.link.release()
    await peer.frame(FrameType.goAway)
    assert.deepEqual(
      peer.of(FrameType.reset).map(({ streamId, code }) => [streamId, code]),
      refused.map((id) => [id, ResetCode.tooManyStreams])
    )
    assert.equal(peer.frames.at(-1)?.type, FrameType.goAway)
    const largest = Math.max(...peer.link.sent.map(({ length }) => length))
    assert.ok(largest <= maxConnMessageBytes(defaultLimits), `a batch of ${largest} bytes`)
  })

  it('opens while it is going away, and lets the running ones end', async () => {
    await start()
    peer.send(open(1, 2, 0))
    await until(() => runs === 1, 'the handler runs')
    const drained = peer.session.close({ reason: 'shutdown', text: 'bye' }, 60_000)
    assert.equal((await peer.frame(FrameType.goAway)).lastStreamId, 1)
    peer.send(open(3, 0))
    const reset = await peer.frame(FrameType.reset, (frame) => frame.streamId === 3)
    assert.equal(reset.code, ResetCode.goingAway)
    peer.send(data(1, Flag.end))
    await drained
    await peer.frame(FrameType.data, (frame) => frame.flags === (Flag.end | Flag.bare))
    assert.deepEqual(
      peer.of(FrameType.data).map((frame) => [frame.streamId, frame.flags]),
      [
        [1, 0],
        [1, Flag.end | Flag.bare]
      ]
    )
  })
})

describe('a session whose peer has said go-away', () => {
  it('refuses what the peer opens all the same, and lets its running calls end', async () => {
    await start()
    peer.send(open(1, 2, 0), goAway(0), open(3, 0))
    const refusal = await peer.frame(FrameType.reset, (frame) => frame.streamId === 3)
    assert.equal(refusal.code, ResetCode.goingAway)
    peer.send(data(1), data(1, Flag.end | Flag.bare))
    await peer.frame(FrameType.data, ({ streamId }) => streamId === 1)
    assert.deepEqual([runs, peer.end], [1, undefined])
  })

  for (const [what, lastStreamId, seen] of [
    ['of the wrong parity', 3, 1],
    ['beyond all that there are', 2 ** 53 - 1, 2],
    ['of none', 0, 0]
  ] as const) {
    it(`takes a last id ${what} as a number: calls above it were not seen`, async () => {
      await start()
      const { response } = single(rawSingle.id)
      const handler = peer.session.remoteHandlers.find('', rawSingle.id)
      assert.ok(handler !== undefined)
      const calls = [1, 2].map(() => new Outcome(sendRequest(peer.session, handler, payload, response, 0, {})))
      await until(() => peer.of(FrameType.open).length === 2, 'both calls are on the wire')
      peer.send(goAway(lastStreamId))
      await until(
        () => peer.draining && calls.filter(({ settled }) => settled).length === 2 - seen,
        'the others are over'
      )
      for (const { error } of calls.slice(seen)) assert.equal((error as DisconnectedError).delivery, 'notSent')
      for (const { streamId } of peer.of(FrameType.open).slice(0, seen)) peer.send(data(streamId, Flag.end))
      await until(() => calls.every(({ settled }) => settled), 'all are over')
      assert.equal(peer.end, undefined)
    })
  }
})

describe('a session', () => {
  it('takes an open without the end at a handler that takes no requests, whose half stays open', async () => {
    await start()
    addHandler(peer.handlers, rawStreaming('feed', 0, 2), async function* () {
      yield payload
    })
    peer.send(open(1, 4, 0))
    const end = await peer.frame(FrameType.data, ({ flags }) => (flags & Flag.end) !== 0)
    assert.equal(end.streamId, 1)
    const stop = await peer.frame(FrameType.reset)
    assert.deepEqual([stop.streamId, stop.code], [1, ResetCode.stop])
    assert.equal(peer.session.stats().inboundStreams, 0)
  })

  it('ignores and counts late frames of a stream that is over', async () => {
    await start()
    peer.send(open(1, 0))
    await peer.frame(FrameType.data)
    peer.send(data(1), credit(1, 1, 1), reset(1))
    await until(() => peer.session.stats().ignoredFrames === 3, 'three frames are ignored')
    assert.equal(peer.end, undefined)
  })

  it('answers a ping with its token', async () => {
    await start()
    peer.send(ping(4711))
    assert.equal(((await peer.frame(FrameType.pong)) as { token: number }).token, 4711)
  })

  it('answers a request of a handler that returns at once with one frame', async () => {
    await start()
    peer.send(open(1, 0))
    const answer = await peer.frame(FrameType.data)
    assert.deepEqual([answer.flags, Buffer.from(answer.payload)], [Flag.end, payload])
    assert.equal(peer.of(FrameType.reset).length, 0)
  })

  it('tells a handler why its call is over, and nothing of a delivery, which only a caller has', async () => {
    await start()
    const ends: [frames: Parameters<RawPeer['send']>, code: string][] = [
      [[reset(1)], 'ERR_CANCELLED'],
      [[reset(3, ResetCode.deadline)], 'ERR_DEADLINE'],
      [[reset(5, ResetCode.internal)], 'ERR_STREAM_RESET'],
      [[data(7, Flag.end)], 'ERR_PROTOCOL'],
      [[reset(9, ResetCode.stop)], 'ERR_CANCELLED']
    ]
    peer.send(open(1, 1), open(3, 1), open(5, 1), open(7, 1), open(9, 1))
    await until(() => contexts.length === 5, 'all handlers run')
    const signals = contexts.map((context) => context.signal)
    for (const [frames] of ends) peer.send(...frames)
    await until(() => signals.every(({ aborted }) => aborted), 'all are told')
    assert.deepEqual(
      signals.map(({ reason }) => [reason.code, reason.delivery]),
      ends.map(([, code]) => [code, undefined])
    )
  })

  it('forgets everything when the conn is cut under running handlers', async () => {
    await start()
    peer.send(open(1, 1), open(3, 3, 0))
    await until(() => contexts.length === 2, 'both handlers run')
    const signals = contexts.map((context) => context.signal)
    peer.cut()
    await until(() => peer.end !== undefined, 'the session has ended')
    for (const signal of signals) assert.equal(signal.reason.code, 'ERR_DISCONNECTED')
    assert.equal(peer.session.stats().inboundStreams, 0)
  })
})
