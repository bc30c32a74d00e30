/** Messages in several fragments, frame by frame: what of them is sent against which credit, and what is lent. */

import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import type { GridStream } from '../../lib/call/grid-stream.ts'
import { defaultCapacity, fragmentBytes, type Limits } from '../../lib/errors/options.ts'
import { Flag, FrameType, ResetCode } from '../../lib/wire/frame.ts'
import { Gate, Outcome } from '../support/gate.ts'
import { data } from '../support/raw/make.ts'
import { settled, until } from '../support/until.ts'
import { callRaw, type Handler, large, type RawStream, serveRaw, small, windowBytes } from './raw-stream.ts'

let raw: RawStream

async function called(payload?: Uint8Array, limits?: Partial<Limits>): Promise<GridStream<Uint8Array, Uint8Array>> {
  const [stream, made] = await callRaw(payload, limits)
  raw = made
  return stream
}

const part: [number, number] = [fragmentBytes, Flag.more]
const times = (count: number): [number, number][] => Array.from({ length: count }, () => part)

afterEach(() => raw.peer.stop())

describe('a message larger than the window', () => {
  it('has a window of it under way, and then one fragment for the first byte of credit', async () => {
    raw = await serveRaw(() => [large, small])
    assert.deepEqual(await raw.sent(), times(4))
    raw.credit(0, 2 * fragmentBytes)
    assert.deepEqual(await raw.sent(), times(6))
    raw.credit(0, 1)
    assert.deepEqual(await raw.sent(), times(7), 'overdrawn by all but one byte of a fragment')
    raw.credit(0, fragmentBytes - 1)
    assert.deepEqual(await raw.sent(), times(7), 'paid back, and no more')
    raw.credit(0, 1)
    assert.deepEqual(await raw.sent(), times(8))
    raw.credit(0, 9 * fragmentBytes)
    assert.deepEqual((await raw.sent()).slice(8), [...times(7), [fragmentBytes, 0], [small.length, 0]])
    const whole = raw.peer.of(FrameType.data).slice(0, 16)
    assert.equal(Buffer.compare(Buffer.concat(whole.map(({ payload }) => payload)), large), 0)
  })

  it('goes on without credit for messages, which the next one needs', async () => {
    const sequel: [number, number] = [small.length, 0]
    raw = await serveRaw(() => [small, small, small, large, small])
    assert.deepEqual(await raw.sent(), [sequel, sequel, sequel, ...times(4)])
    raw.credit(0, 13 * fragmentBytes)
    assert.deepEqual((await raw.sent()).slice(3), [...times(15), [fragmentBytes, 0]])
    raw.credit(1, 0)
    assert.deepEqual((await raw.sent()).slice(19), [sequel])
  })

  it('lets requests, answers and other streams pass between its fragments while it waits', async () => {
    raw = await serveRaw(() => [large])
    assert.equal((await raw.sent()).length, 4)
    assert.equal(raw.peer.session.stats().sendQueueStreams, 0, 'it does not wait for its turn')
    raw.open(3, 1, Flag.end)
    assert.deepEqual(await raw.sent(3), [[small.length, Flag.end]])
    raw.open(5, 0)
    assert.deepEqual(await raw.sent(5), times(4))
    raw.credit(0, 12 * fragmentBytes)
    assert.deepEqual(await raw.sent(), [...times(15), [fragmentBytes, 0]])
    assert.deepEqual(await raw.sent(5), times(4))
  })

  it('keeps its producer waiting: nothing is pulled behind it', async () => {
    let pulls = 0
    raw = await serveRaw(function* () {
      for (;;) {
        pulls++
        yield large
      }
    })
    assert.equal((await raw.sent()).length, 4)
    raw.credit(3, fragmentBytes)
    assert.equal((await raw.sent()).length, 5)
    assert.equal(pulls, 1)
  })

  it('is followed by the end of its half', async () => {
    const stream = await called()
    const taken = new Outcome(stream.sink([large]))
    assert.deepEqual(await raw.sent(), times(4))
    assert.equal(taken.settled, false)
    raw.credit(0, 12 * fragmentBytes + 1)
    assert.deepEqual((await raw.sent()).slice(15), [
      [fragmentBytes, 0],
      [0, Flag.end | Flag.bare]
    ])
    await taken.done
    raw.end()
    assert.deepEqual(await stream.closed, { how: 'ended' })
    raw.assertNothingIsLeft()
  })

  it("is the sender's again when its last fragment is written, not before", async () => {
    const stream = await called()
    const outcome = new Outcome(stream.send(large))
    raw.credit(0, 11 * fragmentBytes)
    assert.equal((await raw.sent()).length, 15)
    assert.equal(outcome.settled, false)
    raw.credit(0, 1)
    await outcome.done
    assert.equal(outcome.error, undefined)
    stream.cancel()
  })

  it('gives way to an error, which needs no credit', async () => {
    const gate = new Gate()
    raw = await serveRaw(async function* (_, requests) {
      yield small
      requests.next().catch(() => gate.open())
      yield large
    })
    assert.deepEqual(await raw.sent(), [[small.length, 0], ...times(4)])
    raw.send(new Uint8Array(0))
    await gate.opened
    const [length, flags] = (await raw.sent()).at(-1) as [number, number]
    assert.deepEqual([(await raw.sent()).length, length > 0, flags], [6, true, Flag.end | Flag.error])
    raw.reset(ResetCode.cancelled)
    await until(() => raw.peer.session.stats().runningHandlers === 0, 'the handler has ended')
    raw.assertNothingIsLeft()
  })

  it('goes out whole before an error while it waits for its turn only', async () => {
    const handler: Handler = async function* (_, requests) {
      yield small
      requests.next().catch(() => undefined)
      yield large
    }
    raw = await serveRaw(handler, { capacity: 1, limits: { streamWindowBytes: 4 * windowBytes + 1000 } })
    raw.peer.link.hold()
    await until(() => raw.peer.session.stats().sendQueueStreams === 1, 'it waits for its turn')
    raw.send(new Uint8Array(0))
    await settled(() => raw.peer.session.stats().framesIn)
    raw.peer.link.release()
    const frames = await raw.sent()
    assert.deepEqual(frames.slice(0, -1), [[small.length, 0], ...times(15), [fragmentBytes, 0]])
    assert.equal(frames.at(-1)?.[1], Flag.end | Flag.error)
  })

  it('that waits leaves nothing behind when its stream is cancelled, at either end', async () => {
    let unwound = 0
    raw = await serveRaw(function* () {
      try {
        yield large
      } finally {
        unwound++
      }
    })
    assert.equal((await raw.sent()).length, 4)
    raw.reset(ResetCode.cancelled)
    await until(() => unwound === 1, 'the producer is unwound')
    raw.credit(1, windowBytes)
    assert.equal((await raw.sent()).length, 4)
    raw.assertNothingIsLeft()
    await raw.peer.stop()
    const stream = await called()
    const send = stream.send(large)
    assert.equal((await raw.sent()).length, 4)
    stream.cancel()
    await assert.rejects(send, { name: 'CancelledError' })
    raw.credit(1, windowBytes)
    assert.equal((await raw.sent()).length, 4)
    assert.equal(raw.peer.of(FrameType.reset).length, 1)
    raw.assertNothingIsLeft()
  })

  it('that waits is dropped by a stop, without an end behind it, and the responses go on', async () => {
    const stream = await called()
    const send = stream.send(large)
    assert.equal((await raw.sent()).length, 4)
    raw.reset(ResetCode.stop)
    await assert.rejects(send, { name: 'ClosedError' })
    raw.credit(1, windowBytes)
    raw.send(small, Flag.end)
    assert.deepEqual(Buffer.from((await stream.responses.next()).value as Uint8Array), small)
    assert.deepEqual(await stream.closed, { how: 'ended' })
    assert.equal((await raw.sent()).length, 4)
    raw.assertNothingIsLeft()
  })

  it('needs no credit as the payload of a call, also where its requests do', async () => {
    const stream = await called(large)
    stream.requests.push(large)
    assert.deepEqual(await raw.sent(), [...times(14), [fragmentBytes, 0], ...times(4)])
    stream.cancel()
  })
})

describe('a receiver of fragments', () => {
  /** A handler that takes none of its requests. */
  const deaf: Handler = (_payload, _requests, { signal }) =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
  const lent: [number, number] = [0, windowBytes / 2]

  it('lends for a message that is still arriving, half a window at a time, and the rest when it is taken', async () => {
    const got: number[] = []
    raw = await serveRaw(async (_, requests) => {
      for await (const request of requests) got.push(request.length)
    })
    raw.sendFragments(3)
    assert.deepEqual(await raw.granted(), [lent])
    raw.sendFragments(4)
    assert.deepEqual(await raw.granted(), [lent, lent, lent])
    raw.sendFragments(1)
    raw.send(small)
    assert.deepEqual(await raw.granted(), [lent, lent, lent, lent])
    assert.deepEqual(got, [8 * fragmentBytes + small.length])
    // Of the first message only its end was left to grant, so both are granted when half of the messages are due.
    raw.send(small)
    assert.deepEqual((await raw.granted()).slice(4), [[2, 2 * small.length]])
    assert.equal(got.length, 2)
  })

  it('lends one message to a consumer that takes nothing, and resets what is sent beyond the window behind it', async () => {
    raw = await serveRaw(deaf)
    raw.sendFragments(15)
    raw.send(small)
    const before = await raw.granted()
    assert.deepEqual(before, new Array(7).fill(lent))
    // One fragment of the first and its end were not lent: three more overdraw the window.
    raw.sendFragments(3)
    assert.deepEqual(await raw.granted(), before)
    raw.sendFragments(1)
    const { code, text } = await raw.peer.frame(FrameType.reset)
    assert.deepEqual([code, text], [ResetCode.flowControl, `more bytes than the window of ${windowBytes} allows`])
    assert.equal(raw.peer.end, undefined, 'the session lives')
    await until(() => raw.peer.session.stats().runningHandlers === 0, 'the handler was told')
    raw.assertNothingIsLeft()
  })

  it('lends for a message that waits for credit when the one before it is taken', async () => {
    const gate = new Gate()
    let got = 0
    raw = await serveRaw(async (_, requests) => {
      await gate.opened
      for await (const _request of requests) got++
    })
    raw.send(small)
    raw.sendFragments(4)
    assert.deepEqual(await raw.granted(), [])
    gate.open()
    assert.deepEqual(await raw.granted(), [[1, small.length + windowBytes]])
    raw.send(small)
    await until(() => got === 2, 'both are taken')
  })

  for (const half of ['requests', 'responses']) {
    it(`lends no more of the largest message than the window does not carry (${half})`, async () => {
      const limits = { maxMessageBytes: 6 * fragmentBytes }
      if (half === 'requests') raw = await serveRaw(deaf, { limits })
      else await called(small, limits)
      raw.sendFragments(6)
      assert.deepEqual(await raw.granted(), [lent, [0, 1]])
      raw.send(new Uint8Array(0))
      assert.deepEqual(await raw.granted(), [lent, [0, 1]])
      assert.equal(raw.peer.of(FrameType.reset).length, 0)
    })
  }
})

describe('the window of a consumer that keeps up', () => {
  const drain: Handler = async (_payload, requests) => {
    for await (const _request of requests);
  }

  async function grantedBeside(others: number): Promise<number[]> {
    raw = await serveRaw(drain, {}, defaultCapacity)
    for (let at = 1; at <= others; at++) raw.open(1 + 2 * at, 0)
    await until(() => raw.peer.session.stats().inboundStreams === 1 + others, 'all are open')
    for (let sent = 0; sent < 7; sent++) {
      raw.peer.send(...Array.from({ length: 64 }, () => data(1, 0, small)))
      await settled(() => raw.peer.frames.length)
    }
    return (await raw.granted()).map(([messages]) => messages)
  }

  it('is widened beside up to seven other calls', async () => {
    assert.deepEqual(await grantedBeside(7), [64, 64 + 128, 128 + 256])
  })

  it('is not widened beside more', async () => {
    assert.deepEqual(await grantedBeside(8), Array(7).fill(64))
  })
})
