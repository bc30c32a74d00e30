/**
 * What a peer may do too much of, over memory and over a real WebSocket: it is refused or closed at a number, what waits
 * for it stays bounded, and the honest peer notices nothing.
 */

import assert from 'node:assert/strict'
import { describe, it, mock } from 'node:test'
import { bytes, type Manager, streaming } from '../../lib/index.ts'
import { Stream } from '../../lib/stream/stream.ts'
import { CloseCode, type Frame, FrameType, ResetCode } from '../../lib/wire/frame.ts'
import { rejection } from '../support/grid/servers.ts'
import { credit, data, goAway, open, ping, rawSingle, rawStream, reset, table } from '../support/raw/make.ts'
import { at, besieged, siegeItOver, siegeKinds } from '../support/raw/siege.ts'
import type { WebSocketWire } from '../support/raw/wire.ts'
import { settled, until } from '../support/until.ts'

const few = { maxIdleFramesPerSecond: 50, maxInboundStreams: 20 }
/** What a conn, its outbox and the kernel may hold unsent for a peer, beyond what one call may. */
const unsentBytes = 3 * 256 * 1024

function many(count: number, frame: (n: number) => Frame[]): Frame[] {
  return Array.from({ length: count }, (_, n) => frame(n)).flat()
}

/** A feed, number 5 of the table, that fills the buffers of a network in moments. */
function serveBlobs(manager: Manager): void {
  const blob = Buffer.alloc(60_000)
  const codecs = { payload: bytes(), response: bytes() }
  const blobs = streaming<Uint8Array, never, Uint8Array>('blobs', { ...codecs, inCapacity: 0, outCapacity: 1000 })
  manager.handle(blobs, async function* () {
    for (;;) yield blob
  })
}

for (const kind of siegeKinds) {
  const siegeIt = siegeItOver(kind)

  describe(`over ${kind}, a peer is closed for the flood that`, () => {
    const floods: readonly (readonly [title: string, frames: readonly Frame[]])[] = [
      ['opens and resets as fast as it can', many(200, (n) => [open(2 * n + 3, at.wait), reset(2 * n + 3)])],
      ['pings as fast as it can', many(200, (n) => [ping(n)])],
      ['answers pings that nobody sent', many(200, (n) => [{ type: FrameType.pong, flags: 0, token: n + 1000 }])],
      ['opens where there is no handler', many(200, (n) => [open(2 * n + 3, 99)])],
      ['breaks the rules of stream after stream', many(200, (n) => [open(2 * n + 3, at.wait, 0)])],
      ['resets one stream over and over', [open(3, at.echo), ...many(200, () => [reset(3)])]],
      ['sends empty handler tables', many(200, () => [table()])]
    ]
    for (const [title, frames] of floods) {
      siegeIt(title, { limits: few }, async (siege) => {
        siege.raw.send(...frames)
        await siege.assertClosed('flood', /^a flood: too many frames that move no call on; 50 a second are allowed$/)
      })
    }
  })

  describe(`over ${kind}, a peer that`, () => {
    siegeIt('says over and over that it goes away is closed for the flood', { limits: few }, async (siege) => {
      siege.raw.send(...many(200, () => [goAway(0)]))
      await siege.raw.frame(FrameType.goAway, ({ code }) => code === CloseCode.flood)
      await siege.assertGone('shutdown', /the peer said: bye/)
    })

    siegeIt(
      'opens more calls than it may is refused each of them, and those that run go on',
      { limits: { maxInboundStreams: 20 } },
      async (siege) => {
        // The witness is one of the twenty.
        siege.raw.send(...many(1000, (n) => [open(2 * n + 3, at.wait)]))
        await until(() => siege.raw.of(FrameType.reset).length === 981, 'the others are refused')
        for (const { code } of siege.raw.of(FrameType.reset)) assert.equal(code, ResetCode.tooManyStreams)
        assert.deepEqual([siege.stats?.inboundStreams, siege.contexts.length], [20, 19])
        await siege.assertNothingHappened()
        siege.raw.send(...many(19, (n) => [reset(2 * n + 3)]))
      }
    )

    siegeIt('pings and does not read is sent one pong at a time, and none is kept', {}, async (siege) => {
      siege.raw.wire.pause()
      siege.raw.send(...many(10_000, (n) => [ping(n)]))
      await settled(() => siege.stats?.framesIn ?? 0)
      assert.ok((siege.stats?.sendQueueBytes ?? 0) < 1000, `${siege.stats?.sendQueueBytes} bytes wait`)
      await siege.assertHonestPeerUndisturbed()
      siege.raw.wire.resume()
      await siege.raw.frame(FrameType.pong, ({ token }) => token === 9999)
      assert.ok(siege.raw.of(FrameType.pong).length <= 10_000)
      await siege.assertNothingHappened()
    })

    siegeIt(
      'asks for much and reads nothing costs what one conn holds, and is closed as slow',
      { keepAlive: { intervalMs: 100 }, limits: { slowPeerTimeoutMs: 500, maxInboundStreams: 200 } },
      async (siege) => {
        serveBlobs(siege.manager)
        siege.raw.wire.pause()
        siege.raw.send(...many(100, (n) => [open(2 * n + 3, 5), credit(2 * n + 3, 1_000_000, 2 ** 30)]))
        // It is alive, for it talks: what it does not do is read.
        const talk = setInterval(() => siege.raw.send(ping(1)), 20)
        try {
          let most = 0
          await until(() => {
            most = Math.max(most, siege.stats?.sendQueueBytes ?? 0)
            return siege.connection.state === 'waiting'
          }, 'it is closed')
          assert.ok(most < unsentBytes, `${most} bytes wait`)
        } finally {
          clearInterval(talk)
        }
        siege.raw.wire.resume()
        await siege.assertGone('slow', /the peer took nothing for 500 ms/)
      }
    )

    siegeIt(
      'reads nothing, and guesses what would answer the pings that it has not read, is closed as slow',
      { keepAlive: { intervalMs: 100 }, limits: { slowPeerTimeoutMs: 500 }, rawLimits: { streamWindowBytes: 2 ** 30 } },
      async (siege) => {
        serveBlobs(siege.manager)
        await until(() => siege.raw.pings.length > 0, 'it knows the token of a ping')
        siege.raw.wire.pause()
        siege.raw.send(open(3, 5), credit(3, 1_000_000, 1))
        const last = siege.raw.pings.at(-1)?.token ?? 0
        const lie = setInterval(() => {
          siege.raw.send(...many(300, (n) => [{ type: FrameType.pong, flags: 0, token: last + 1 + n }]))
        }, 25)
        try {
          await until(() => siege.connection.state === 'waiting', 'it is closed')
        } finally {
          clearInterval(lie)
        }
        siege.raw.wire.resume()
        await siege.assertGone('slow', /the peer took nothing for 500 ms/)
      }
    )

    siegeIt('grants and sends for a call that is over is ignored, however often', {}, async (siege) => {
      siege.raw.send(open(3, at.echo))
      for (let batch = 0; batch < 20; batch++) siege.raw.send(...many(500, () => [credit(3, 1, 1), data(3)]))
      await until(() => siege.stats?.ignoredFrames === 20_000, 'all are counted')
      await siege.assertNothingHappened()
    })

    siegeIt(
      'advertises handlers later can be called at them, and is closed at one it advertised before',
      {},
      async (siege) => {
        siege.raw.send(table({ ...rawSingle, id: 'late' }), table({ ...rawSingle, subroute: 'sub' }))
        await siege.assertStreamGoesOn()
        const call = siege.connection.request('late')
        const { streamId, handler } = await siege.raw.frame(FrameType.open)
        assert.equal(handler, 2)
        siege.raw.send({ type: FrameType.data, flags: 0x10, streamId, payload: Buffer.from('yes') })
        assert.equal(Buffer.from(await call).toString(), 'yes')
        siege.raw.send(table({ ...rawStream, inCapacity: 7 }))
        await siege.assertClosed('protocol', /a handler that was advertised before/)
      }
    )

    siegeIt('goes away twice fails what it had not seen once, and may end what it had', {}, async (siege) => {
      const seen = siege.connection.request('raw.single', Buffer.from('seen'))
      const first = (await siege.raw.frame(FrameType.open)).streamId
      const unseen = siege.connection.request('raw.single', Buffer.from('unseen'))
      const failed = rejection(unseen)
      siege.raw.send(goAway(first, 'bye'), goAway(2 ** 40, 'bye again'))
      assert.deepEqual([(await failed).code, (await failed).delivery], ['ERR_DISCONNECTED', 'notSent'])
      const late = await rejection(siege.connection.request('raw.single'))
      assert.equal(late.delivery, 'notSent')
      siege.raw.send(goAway(first, 'bye once more'), data(first, 0x10, Buffer.from('answer')))
      assert.equal(Buffer.from(await seen).toString(), 'answer')
      await siege.assertStreamGoesOn()
      await siege.assertHonestPeerUndisturbed()
      siege.raw.wire.cut()
      await siege.assertGone('shutdown', /bye/)
    })

    siegeIt('forges lines of a log in its texts is quoted on one line', {}, async (siege) => {
      const call = siege.connection.request('raw.single')
      const { streamId } = await siege.raw.frame(FrameType.open)
      siege.raw.send(reset(streamId, 9, 'no\n\u001b[31merror all is lost\u0000'))
      assert.doesNotMatch((await rejection(call)).message, /\p{Cc}/u)
      await siege.assertNothingHappened()
      assert.doesNotMatch(siege.log.lines.join(''), /\p{Cc}/u)
    })
  })

  describe(`over ${kind}, an error of this side amid the frames of a peer`, () => {
    siegeIt('closes that conn, and the peer is not told its text', {}, async (siege) => {
      // Whatever code of a user throws fails its call only, so the fault has to be one of ours.
      const broken = () => {
        throw new TypeError('the secret is 1234')
      }
      mock.method(Stream.prototype, 'onData', broken, { times: 1 })
      siege.raw.send(open(3, at.echo))
      await siege.assertClosed('internal', /^an internal error$/)
      assert.doesNotMatch(
        [...siege.log.lines, ...siege.raw.frames.map((frame) => JSON.stringify(frame))].join(),
        /1234/
      )
    })
  })

  describe(`over ${kind}, a logger that throws`, () => {
    const fail = (): void => {
      throw new Error('the disk is full')
    }
    const logger = { debug: fail, info: fail, warn: fail, error: fail }
    siegeIt('takes nobody with it: conns come, break the rules, go and come again', { logger }, async (siege) => {
      siege.raw.send(data(7))
      await siege.assertClosed('protocol', /never opened/)
      const dialer = await siege.dial()
      dialer.write(Uint8Array.of(9))
      while ((await dialer.read()) !== undefined) assert.ok(true, 'a refusal')
      await siege.assertNothingHappened()
    })
  })
}

it('over ws, a peer that sends WebSocket pings as fast as it can is closed for the flood', () =>
  besieged('ws', {}, async (siege) => {
    const { ws } = siege.raw.wire as WebSocketWire
    for (let n = 0; n < 3000; n++) ws.ping()
    await siege.assertGone('flood', /more than 1000 WebSocket pings in a second/)
  }))
