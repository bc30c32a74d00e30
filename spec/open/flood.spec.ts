/** What is a flood and what is not: ordinary frames are paid for by the calls that they belong to, others are counted. */

import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { rawSingle as single } from '../../lib/handler/definition.ts'
import { toEntry } from '../../lib/handler/table.ts'
import type { HandlerContext } from '../../lib/hooks/call-info.ts'
import type { SessionEnd } from '../../lib/session/end.ts'
import { Flag, type Frame, FrameType, HandlerKind, ResetCode } from '../../lib/wire/frame.ts'
import { naiveDecode } from '../support/codec/naive.ts'
import { type RawPeer, type RawPeerOptions, rawPeer } from '../support/raw/peer.ts'
import { settled, until } from '../support/until.ts'

const payload = Buffer.from('payload')
/** So few that each frame that is wrongly counted is one too many. */
const limits = { maxIdleFramesPerSecond: 2, maxInboundStreams: 20 }
let peer: RawPeer

/** Handler 0 answers at once, 1 waits for its cancel and some turns of the microtask queue more, 2 never ends. */
async function start(options: RawPeerOptions = {}): Promise<void> {
  peer = rawPeer({ limits, ...options })
  const handlers = {
    echo: (request: unknown) => request,
    async wait(_: unknown, { signal }: HandlerContext) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      for (let turn = 0; turn < 10; turn++) await undefined
    },
    deaf: () => new Promise(() => undefined)
  }
  for (const [id, fn] of Object.entries(handlers)) {
    const definition = single(id)
    peer.handlers.add({ entry: toEntry(definition, ''), definition, fn })
  }
  await peer.start()
}

function open(streamId: number, handler: number): Frame {
  return { type: FrameType.open, flags: Flag.end, streamId, handler, timeoutMs: 0, metadata: undefined, payload }
}

function reset(streamId: number, code: number = ResetCode.cancelled): Frame {
  return { type: FrameType.reset, flags: 0, streamId, code, text: '' }
}

/** The ids of `count` streams that the peer opens, behind those of `rounds` before it. */
function ids(count: number, rounds = 0): number[] {
  return Array.from({ length: count }, (_, at) => 1 + 2 * (rounds * count + at))
}

async function allHandled(): Promise<void> {
  await settled(() => peer.session.stats().framesIn)
}

/** So many calls of this side, open at the peer; resolves with their ids. */
async function callPeer(count: number): Promise<number[]> {
  for (let call = 0; call < count; call++) {
    const stream = peer.session.newStream({ handler: 0, metadata: undefined, timeoutMs: 0 })
    stream.sendMessage(payload, Flag.end)
  }
  await until(() => peer.of(FrameType.open).length === count, 'all calls arrive')
  return peer.of(FrameType.open).map(({ streamId }) => streamId)
}

async function closedAsFlood(): Promise<void> {
  await until(() => peer.end !== undefined, 'the session has ended')
  assert.equal(peer.end?.reason, 'flood')
}

afterEach(async () => {
  peer.link.release()
  await peer.stop()
})

describe('a session takes for no flood', () => {
  it('cancels that cross the answers of their calls, of any number of calls', async () => {
    await start()
    for (let round = 0; round < 50; round++) {
      peer.send(...ids(20, round).map((id) => open(id, 0)))
      peer.send(...ids(20, round).map((id) => reset(id)))
    }
    await until(() => peer.session.stats().ignoredFrames === 1000, 'all cancels came late')
    assert.equal(peer.end, undefined)
  })

  it('cancels of calls that run, as many at once as there may be, again and again', async () => {
    await start()
    for (let round = 0; round < 50; round++) {
      peer.send(...ids(20, round).map((id) => open(id, 1)))
      peer.send(...ids(20, round).map((id) => reset(id)))
    }
    await allHandled()
    const { runningHandlers, refusals } = peer.session.stats()
    assert.deepEqual([runningHandlers, refusals, peer.end], [0, 0, undefined])
  })

  it('a stop and an end of each of its own calls, both too late', async () => {
    await start()
    const called = await callPeer(100)
    const answers: Frame[] = called.map((streamId) => ({ type: FrameType.data, flags: Flag.end, streamId, payload }))
    peer.send(...answers)
    peer.send(...called.map((id) => reset(id, ResetCode.stop)), ...called.map((id) => reset(id, ResetCode.deadline)))
    await until(() => peer.session.stats().ignoredFrames === 200, 'all resets came late')
    assert.equal(peer.end, undefined)
  })

  it('a ping behind each 64 KiB, which is answered behind what was sent, and pongs that answer its own', async () => {
    await start()
    const bulk = Buffer.alloc(64 * 1024)
    for (let token = 1; token <= 50; token++) {
      const call = { ...open(ids(1, token)[0] as number, 0), payload: bulk }
      peer.send(call as Frame, { type: FrameType.ping, flags: 0, token })
    }
    await peer.frame(FrameType.pong, ({ token }) => token === 50)
    assert.equal(peer.end, undefined)
    await until(() => peer.of(FrameType.data).length === 50, 'all are answered')
    const pongs = peer.pings.map((ping): Frame => ({ ...ping, flags: 0, type: FrameType.pong }))
    assert.ok(pongs.length > 20, `${pongs.length} pings`)
    peer.send(...pongs)
    await until(() => peer.session.stats().rttMs !== undefined, 'they are taken')
    assert.equal(peer.end, undefined)
    peer.send(...pongs)
    await until(() => peer.end !== undefined, 'a second time they answer nothing')
    assert.equal((peer.end as unknown as SessionEnd).reason, 'flood')
  })

  it('handlers that are advertised one by one', async () => {
    await start()
    for (let n = 0; n < 100; n++) {
      const entry = { kind: HandlerKind.single, inCapacity: 0, outCapacity: 1, subroute: '', id: `late-${n}` }
      peer.send({ type: FrameType.handlers, flags: 0, entries: [entry] })
    }
    await until(() => peer.session.remoteHandlers.find('', 'late-99') !== undefined, 'all are known')
    assert.equal(peer.end, undefined)
  })

  it('calls that it refuses because as many run as may, while the peer takes what it is told', async () => {
    await start()
    peer.send(...ids(20).map((id) => open(id, 2)))
    for (let round = 1; round < 50; round++) peer.send(...ids(20, round).map((id) => open(id, 2)))
    await until(() => peer.of(FrameType.reset).length === 980, 'all are refused')
    assert.equal(peer.end, undefined)
  })

  it('calls that it refuses and that the peer, which reads nothing, gives up', async () => {
    await start({ capacity: 1 })
    peer.link.hold()
    for (let round = 0; round < 500; round++) {
      peer.send(...ids(20, round).map((id) => open(id, 2)))
      peer.send(...ids(20, round).map((id) => reset(id)))
    }
    await allHandled()
    assert.deepEqual([peer.session.stats().refusals, peer.end], [9980, undefined])
  })
})

describe('a session takes for a flood', () => {
  it('more resets than one for each call that it made, of calls that were refused, too', async () => {
    await start()
    peer.send(...ids(40).map((id) => open(id, 2)))
    await until(() => peer.of(FrameType.reset).length === 20, 'some are refused')
    peer.send(...ids(20, 1).flatMap((id) => [reset(id), reset(id)]))
    await allHandled()
    assert.equal(peer.end, undefined)
    peer.send(...Array.from({ length: 6 }, () => reset(1)))
    await closedAsFlood()
  })

  it('more resets than two for each call of this side', async () => {
    await start()
    const [streamId = 0] = await callPeer(5)
    peer.send(...Array.from({ length: 10 }, () => reset(streamId)))
    await allHandled()
    assert.equal(peer.end, undefined)
    peer.send(...Array.from({ length: 6 }, () => reset(streamId)))
    await closedAsFlood()
  })

  it('opens and their resets in one batch, in whatever number of batches', async () => {
    await start()
    for (const id of ids(6)) peer.send(open(id, 1), reset(id))
    await closedAsFlood()
  })

  it('more refused calls than may wait, of a peer that reads nothing', async () => {
    await start({ capacity: 1 })
    peer.link.hold()
    for (let round = 0; round < 500 && peer.end === undefined; round++) {
      peer.send(...ids(20, round).map((id) => open(id, 2)))
    }
    await closedAsFlood()
  })
})

describe('a session that has as many calls as it may', () => {
  it('lets handlers that obey their signal end before it refuses calls that take their place', async () => {
    await start()
    peer.send(...ids(20).map((id) => open(id, 1)))
    for (let round = 1; round < 50; round++) {
      peer.send(...ids(20, round - 1).map((id) => reset(id)), ...ids(20, round).map((id) => open(id, 1)))
    }
    await allHandled()
    assert.deepEqual([peer.session.stats().refusals, peer.session.stats().runningHandlers], [0, 20])
  })
})

describe('a call that is given up in the turn in which it was made', () => {
  it('is reset in another batch than it was opened in', async () => {
    await start({ log: true })
    for (let call = 0; call < 50; call++) {
      const stream = peer.session.newStream({ handler: 0, metadata: undefined, timeoutMs: 0 })
      stream.sendMessage(payload, Flag.end)
      stream.abort({ reason: new Error('given up') }, ResetCode.cancelled, '')
    }
    await until(() => peer.of(FrameType.reset).length === 50, 'all are reset')
    for (const batch of peer.link.sent) {
      const types = new Set(naiveDecode(batch, false).map(({ type }) => type))
      assert.ok(!(types.has(FrameType.open) && types.has(FrameType.reset)))
    }
    assert.equal(peer.of(FrameType.open).length, 50)
  })
})
